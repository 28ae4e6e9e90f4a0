"""The linear head: kernel ridge regression over all views at once, one output per entry.

The kernel adds what the views say of two texts; every row's own influence can be taken out again in closed form, so the
head can be asked what it would have said had a row, or a whole entry, never been there.
"""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import lapack
from scipy.sparse import csr_matrix

from faq.inverted import Floats, Numbers
from faq.views import Sight, Views

RIDGE = 0.1
BLOCK = 512
CHOOSING = 1500  # rows on which the two kernels are compared
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
        by = {view: scores[self.rows] for view, scores in sight.by.items() if view in ("grams", "concepts", "meaning")}
        return kernel(by, sight.sense[self.rows] if sight.sense is not None else None, self.trade)

    def scores(self, alike: Floats, entries: Numbers) -> Floats:
        """What the head says of these entries: near 1 when sure, near 0 when not."""
        found: Floats = self.weights[entries] @ alike
        return found


class Lesson:
    """A taught head with what is needed to unteach rows; kept only while the head is rehearsed."""

    def __init__(self, views: Views, rows: Numbers, owners: Numbers, entries: int) -> None:
        self._owners = owners
        # One column more than entries: the last, which is also column NOBODY, is for questions out of scope.
        self._targets = np.zeros((len(rows), entries + 1), np.float32)
        self._targets[np.arange(len(rows)), owners] = 1
        trade = self._choose(views, rows)
        self._inverse = _inverse(_kernel_of(views, rows, trade))
        self.head = Head(np.ascontiguousarray((self._inverse @ self._targets).T), rows, trade)
        self._blocks: dict[tuple[int, ...], Floats] = {}

    def _choose(self, views: Views, rows: Numbers) -> bool:
        some = np.unique(np.linspace(0, len(rows) - 1, min(CHOOSING, len(rows))).astype(int))
        inside = some[self._owners[some] != NOBODY]
        right = {trade: self._left_out(views, rows[inside], inside, trade) for trade in (False, True)}
        return right[True] > right[False]

    def _left_out(self, views: Views, rows: Numbers, places: Numbers, trade: bool) -> float:
        """The share of rows that find their entry when they themselves were never taught."""
        inverse = _inverse(_kernel_of(views, rows, trade))
        guesses = self._targets[places] - inverse @ self._targets[places] / np.diag(inverse)[:, None]
        return float((guesses.argmax(1) == self._owners[places]).mean())

    def without(self, alike: Floats, held: Numbers, entries: Numbers) -> Floats:
        """What the head would say of these entries had the taught places `held` never been taught."""
        change = (self._inverse[held] @ alike) @ self._unlearned(held)[:, entries]
        return (self.head.weights[entries] @ alike - change).astype(np.float32)

    def _unlearned(self, held: Numbers) -> Floats:
        key = tuple(held.tolist())
        if key not in self._blocks:
            block = self._inverse[np.ix_(held, held)]
            self._blocks[key] = np.linalg.solve(block, self.head.weights[:, held].T).astype(np.float32)
        return self._blocks[key]


def _kernel_of(views: Views, rows: Numbers, trade: bool) -> Floats:
    grams, concepts = (_matrix(index.documents(), rows) for index in (views.grams, views.concepts))
    vectors = None if views.vectors is None else views.vectors[rows]
    senses = None if views.senses is None else views.senses.rows[rows]
    found = np.empty((len(rows), len(rows)), np.float32)
    for start in range(0, len(rows), BLOCK):
        part = slice(start, start + BLOCK)
        by = {"grams": (grams[part] @ grams.T).toarray(), "concepts": (concepts[part] @ concepts.T).toarray()}
        if vectors is not None:
            by["meaning"] = vectors[part] @ vectors.T
        found[part] = kernel(by, None if senses is None else senses[part] @ senses.T, trade)
    return found


def _matrix(documents: tuple[Floats, Numbers, Numbers, tuple[int, int]], rows: Numbers) -> csr_matrix:
    weights, terms, starts, shape = documents
    return csr_matrix((weights, terms, starts), shape=shape)[rows]


def _inverse(alike: Floats) -> Floats:
    """The inverse of the kernel with its ridge, in place: the matrix may be a gigabyte."""
    alike.flat[:: len(alike) + 1] += RIDGE
    factor, _ = lapack.spotrf(alike.T, lower=1, overwrite_a=1, clean=0)
    inverse, _ = lapack.spotri(factor, lower=1, overwrite_c=1)
    for start in range(0, len(inverse), BLOCK):
        part = slice(start, start + BLOCK)
        square = np.tril(inverse[part, part])
        inverse[part, part] = square + np.tril(square, -1).T
        inverse[part, start + BLOCK :] = inverse[start + BLOCK :, part].T
    return np.ascontiguousarray(inverse.T)
