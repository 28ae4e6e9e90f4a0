"""The linear head: kernel ridge regression over all views at once, one output per entry.

The kernel adds what the views say of two texts.
"""

from dataclasses import dataclass

import numpy as np

from faq.inverted import Floats, Numbers
from faq.views import Sight

COMPARED = frozenset({"grams", "concepts", "meaning"})  # views that the kernel adds
NOBODY = -1  # the owner of a row that is out of scope


def _near(cosine: Floats, width: float) -> Floats:
    """A Gaussian of the distance between unit vectors."""
    found: Floats = np.exp(np.float32(2 * width) * (np.minimum(cosine, 1) - 1))
    return found


def kernel(by: dict[str, Floats], sense: Floats | None, trade: bool) -> Floats:
    """How alike two texts are, 0..1. `trade` lets the words of this trade speak: it helps only shops of this trade."""
    letters, concepts = by["grams"], by["concepts"]
    if "meaning" not in by:
        if not trade:
            return _near(letters, 1.0)
        both: Floats = 0.3 * letters + 0.3 * concepts + 0.4 * _near(letters, 0.5) * _near(concepts, 0.5)
        return both
    meaning = _near(by["meaning"], 1.0) * (_near(concepts, 0.3) if trade else np.float32(1))
    found: Floats = (
        0.75 * meaning + 0.25 * letters
        if sense is None
        else (0.58 * meaning + 0.2 * _near(sense, 1.0) + 0.22 * letters)
    )
    return found


@dataclass(frozen=True)
class Head:
    """One row of weights per entry and a last one for NOBODY, over the rows it was taught."""

    weights: Floats  # entries and one more x rows
    rows: Numbers  # the taught rows of the index
    trade: bool

    def alike(self, sight: Sight) -> Floats:
        """The kernel between a query and the taught rows."""
        seen = {view: self._taught(scores) for view, scores in sight.by.items() if view in COMPARED}
        return kernel(seen, self._taught(sight.sense) if sight.sense is not None else None, self.trade)

    def _taught(self, scores: Floats) -> Floats:
        return scores if len(scores) == len(self.rows) else scores[self.rows]

    def scores(self, alike: Floats, entries: Numbers) -> Floats:
        """What the head says of these entries: near 1 when sure, near 0 when not."""
        # One by one: taken together, their rows would first be copied.
        return np.array([self.weights[entry] @ alike for entry in entries], np.float32)
