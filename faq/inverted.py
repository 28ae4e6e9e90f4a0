"""An inverted index with tf-idf weights: the cosine of one query with every document, by the query's terms alone."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.int32]


@dataclass(frozen=True)
class _Weighed:
    """A text's known terms, their weights of unit length, and the share of weight of unknown terms."""

    places: Numbers
    weights: Floats
    unknown: float


class InvertedIndex:
    """Postings of unit-length, sublinear tf-idf weights; terms are numbered by name, not by first sight."""

    def __init__(self, documents: Sequence[Sequence[str]]) -> None:
        self.size = len(documents)
        counts = [Counter(terms) for terms in documents]
        often = Counter(term for count in counts for term in count)
        self._terms = {term: number for number, term in enumerate(sorted(often))}
        self._often = np.array([often[term] for term in self._terms], dtype=np.int32)
        self._idf = (np.log((1 + self.size) / (1 + self._often)) + 1).astype(np.float32)
        rows = [self._weigh(count, 0) for count in counts]
        self._fill(rows)

    def _fill(self, rows: list[_Weighed]) -> None:
        lengths = [len(row.places) for row in rows]
        places = np.concatenate([row.places for row in rows]) if rows else np.zeros(0, np.int32)
        weights = np.concatenate([row.weights for row in rows]) if rows else np.zeros(0, np.float32)
        order = np.argsort(places, kind="stable")
        self._documents: Numbers = np.repeat(np.arange(self.size, dtype=np.int32), lengths)[order]
        self._weights: Floats = weights[order]
        self._starts = np.searchsorted(places[order], np.arange(len(self._terms) + 1)).astype(np.int64)

    def _weigh(self, count: Counter[str], held: int) -> _Weighed:
        named = sorted((self._terms[term], times) for term, times in count.items() if term in self._terms)
        places = np.array([place for place, _ in named], dtype=np.int32)
        weights = (1 + np.log(np.array([times for _, times in named], dtype=np.float32))) * self._idf[places]
        new = self._often[places] <= held
        squares = weights * weights
        unknown = float(squares[new].sum()) + (len(count) - len(named)) * float(np.log(1 + self.size) + 1) ** 2
        total = float(squares[~new].sum()) + unknown
        return _Weighed(places, (weights / max(total, 1e-9) ** 0.5).astype(np.float32), unknown / max(total, 1e-9))

    def scores(self, terms: Sequence[str], held: int = 0) -> tuple[Floats, float]:
        """The cosine of a query with each document, and the share of the query's weight that no document knows.

        Terms that at most `held` documents have count as unknown: they are held out.
        """
        query = self._weigh(Counter(terms), held)
        if not len(query.places):
            return np.zeros(self.size, np.float32), query.unknown
        spans = [slice(self._starts[place], self._starts[place + 1]) for place in query.places]
        documents = np.concatenate([self._documents[span] for span in spans])
        products = np.concatenate(
            [self._weights[span] * weight for span, weight in zip(spans, query.weights, strict=True)]
        )
        return np.bincount(documents, products, self.size).astype(np.float32), query.unknown

    def documents(self) -> tuple[Floats, Numbers, Numbers, tuple[int, int]]:
        """The weights by document: values, their terms, where each document starts, and the shape."""
        order = np.argsort(self._documents, kind="stable")
        terms = np.repeat(np.arange(len(self._terms), dtype=np.int32), np.diff(self._starts))
        starts = np.searchsorted(self._documents[order], np.arange(self.size + 1)).astype(np.int32)
        return self._weights[order], terms[order], starts, (self.size, len(self._terms))
