"""What speaks for each entry that may be meant: votes of views and head, and how far they stand above the rest."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from faq.inverted import Floats, Numbers
from faq.views import VIEWS

WEIGHTS = {"letters": 0.1, "grams": 0.2, "sound": 0.15, "concepts": 0.15, "meaning": 0.4}
SHORTLIST = 8  # entries that are weighed against each other
_PER_VIEW = 10  # entries that each view may bring forward
NAMES = (
    "head",
    "head gap",
    "fused",
    "fused gap",
    *VIEWS,
    *(f"{view} gap" for view in VIEWS),
    "agreement",
    "unknown",
    "length",
    "nobody",
    "head squared",
    "unknown head",
)


@dataclass(frozen=True)
class Evidence:
    """One row per shortlisted entry; `votes` keeps what each view and the head said."""

    entries: Numbers
    rows: Floats
    votes: Mapping[str, Floats]


def bring_forward(best: Mapping[str, Floats]) -> Numbers:
    """The entries that any view, or all together, put among their first."""
    count = min(_PER_VIEW, len(next(iter(best.values()))))
    lists = [np.argpartition(-scores, count - 1)[:count] for scores in (*best.values(), fused(best))]
    found: Numbers = np.unique(np.concatenate(lists)).astype(np.int32)
    return found


def fused(best: Mapping[str, Floats]) -> Floats:
    """The weighted sum of the views, by the weight of those that see."""
    total = sum(WEIGHTS[view] for view in best)
    found: Floats = sum(np.float32(WEIGHTS[view] / total) * scores for view, scores in best.items())  # type: ignore[assignment]
    return found


def gather(best: Mapping[str, Floats], entries: Numbers, head: Floats | None, unknown: float, length: int) -> Evidence:
    """The evidence for the likeliest of `entries`; `best` holds every entry's best row by view.

    `head` is the head's vote on each of them, and last on none of them.
    """
    together = fused(best)[entries]
    vote, nobody = (together, 0.0) if head is None else (head[:-1], float(head[-1]))
    kept = np.lexsort((entries, -np.round(together + 2 * vote, 5)))[:SHORTLIST]
    chosen = entries[kept]
    votes = {"head": vote[kept], "fused": together[kept], **{view: scores[chosen] for view, scores in best.items()}}
    nothing = np.zeros(len(chosen), np.float32)
    seen = [votes.get(view, nothing) for view in VIEWS]
    agreement = np.mean([votes[view] >= votes[view].max() for view in best], axis=0)
    lead, same = votes["head"], np.ones(len(chosen))
    rows = np.stack(
        [
            lead,
            _gap(lead),
            votes["fused"],
            _gap(votes["fused"]),
            *seen,
            *map(_gap, seen),
            agreement,
            unknown * same,
            np.log1p(length) * same,
            nobody * same,
            lead * abs(lead),
            unknown * lead,
        ],
        axis=1,
    )
    return Evidence(chosen, rows.astype(np.float32), votes)


def _gap(scores: Floats) -> Floats:
    """How far each stands above the best of the others."""
    if len(scores) < 2:
        return scores
    first, second = np.sort(scores)[::-1][:2]
    found: Floats = scores - np.where(scores >= first, second, first)
    return found
