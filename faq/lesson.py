"""Teaches the head its rows, and unteaches them again.

Every row's own influence can be taken out in closed form, so the head can be asked what it would have said had a row,
or a whole entry, never been there.
"""

from collections.abc import Sequence

import numpy as np
from scipy.linalg import lapack
from scipy.sparse import csr_matrix

from faq.head import NOBODY, Head, kernel
from faq.index import Index
from faq.inverted import Floats, Numbers
from faq.views import Views

FEWEST_PHRASINGS = 3  # per entry, in the mean, before a head is worth having
RIDGE = 0.1
BLOCK = 512
CHOOSING = 1500  # rows on which the two kernels are compared


def teach(index: Index, sample: Sequence[int]) -> "Lesson | None":
    """Gives the index its head, taught the sampled rows. None when entries have too few phrasings."""
    if len(index.keys) < 2 or index.spoken < FEWEST_PHRASINGS * len(index.keys):
        return None
    rows = np.array(sample, np.int32)
    lesson = Lesson(index.views, rows, index.owners[rows], len(index.keys))
    index.head = lesson.head
    return lesson


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
    vectors = None if views.meanings is None else views.meanings.rows[rows]
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
