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


def bring_forward(best: Mapping[str, Floats]) -> Numbers:
    """The entries that any view, or all together, put among their first."""
    count = min(_PER_VIEW, len(next(iter(best.values()))))
    scores = -np.stack([*best.values(), fused(best)])
    found: Numbers = np.unique(np.argpartition(scores, count - 1, axis=1)[:, :count]).astype(np.int32)
    return found


def fused(best: Mapping[str, Floats]) -> Floats:
    """The weighted sum of the views, by the weight of those that see."""
    total = sum(WEIGHTS[view] for view in best)
    found: Floats = np.sum([np.float32(WEIGHTS[view] / total) * scores for view, scores in best.items()], axis=0)
    return found


def gather(best: Mapping[str, Floats], entries: Numbers, head: Floats | None) -> Evidence:
    """The evidence for the likeliest of `entries`; `best` holds every entry's best row by view.

    `head` is the head's vote on each of them, and last on none of them; without a head the views vote for it.
    """
    together = fused(best)[entries]
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
