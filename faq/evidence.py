"""What speaks for each entry that may be meant: votes of views and head, and how far they stand above the rest."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from faq.inverted import Floats, Numbers

WEIGHTS = {"letters": 0.1, "grams": 0.2, "sound": 0.15, "concepts": 0.15, "meaning": 0.4}
SHORTLIST = 8  # entries that are weighed against each other
_PER_VIEW = 10  # entries that each view may bring forward
_FUSED = 0.3  # weight of the fused views beside the head


@dataclass(frozen=True)
class Evidence:
    """The shortlisted entries, likeliest first, a row of evidence for each, and what views and head said."""

    entries: Numbers
    rows: Floats
    votes: Mapping[str, Floats]


def bring_forward(best: Mapping[str, Floats], together: Floats) -> Numbers:
    """The entries that any view, or all `together`, put among their first."""
    last = max(len(together) - _PER_VIEW, 0)
    chosen = np.zeros(len(together), np.bool_)
    chosen[np.stack([*best.values(), together]).argpartition(last, axis=1)[:, last:]] = True
    return chosen.nonzero()[0].astype(np.int32)


def fused(best: Mapping[str, Floats]) -> Floats:
    """The weighted sum of the views, by the weight of those that see."""
    total = sum(WEIGHTS[view] for view in best)
    weights = np.array([WEIGHTS[view] / total for view in best], np.float32)
    found: Floats = weights @ np.stack([*best.values()])
    return found


def gather(best: Mapping[str, Floats], together: Floats, entries: Numbers, head: Floats | None) -> Evidence:
    """The evidence for the likeliest of `entries`; `best` holds every entry's best row by view.

    `head` is the head's vote on each of them, and last on none of them; without a head the views vote for it.
    """
    together = together[entries]
    vote, nobody = (together, np.float32(0)) if head is None else (head[:-1], head[-1])
    kept = np.lexsort((entries, -np.round(vote + _FUSED * together, 5)))[:SHORTLIST]
    chosen, vote = entries[kept], vote[kept]
    votes = {"head": vote, "fused": together[kept], **{view: scores[chosen] for view, scores in best.items()}}
    # Without meaning, a phrasing that is nearly the same to the letter is the surest sign there is.
    letters = np.zeros_like(vote) if "meaning" in best else gap(votes["letters"])
    rows = np.stack([np.tanh(2 * vote), gap(vote), np.full_like(vote, nobody), letters], axis=1)
    return Evidence(chosen, rows, votes)


def gap(scores: Floats) -> Floats:
    """How far each stands above the best of the others."""
    if len(scores) < 2:
        return scores
    first, second = np.sort(scores)[::-1][:2]
    found: Floats = scores - np.where(scores >= first, second, first)
    return found
