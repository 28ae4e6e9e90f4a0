"""An inverted index with tf-idf weights: the cosine of one query with every document, by the query's terms alone."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.int32]


class InvertedIndex:
    """Postings of unit-length, sublinear tf-idf weights; terms are numbered by name, not by first sight."""

    def __init__(self, documents: Sequence[Sequence[str]]) -> None:
        self.size = len(documents)
        counts = [Counter(terms) for terms in documents]
        often = Counter(term for count in counts for term in count)
        self._terms = {term: number for number, term in enumerate(sorted(often))}
        frequency = np.array([often[term] for term in self._terms], dtype=np.float32)
        self._idf = (np.log((1 + self.size) / (1 + frequency)) + 1).astype(np.float32)
        self._unseen = float(np.log(1 + self.size) + 1) ** 2
        self._fill([self._weigh(count) for count in counts])

    def _fill(self, rows: list[tuple[Numbers, Floats]]) -> None:
        places = np.concatenate([numbers for numbers, _ in rows]) if rows else np.zeros(0, np.int32)
        weights = np.concatenate([weights for _, weights in rows]) if rows else np.zeros(0, np.float32)
        order = np.argsort(places, kind="stable")
        documents = np.repeat(np.arange(self.size, dtype=np.int32), [len(numbers) for numbers, _ in rows])
        self._documents: Numbers = documents[order]
        self._weights: Floats = weights[order]
        self._starts = np.searchsorted(places[order], np.arange(len(self._terms) + 1)).astype(np.int64)

    def _weigh(self, count: Counter[str]) -> tuple[Numbers, Floats]:
        """The known terms and their weights; unknown ones only lengthen the text that is brought to length one."""
        named = [(place, times) for term, times in count.items() if (place := self._terms.get(term)) is not None]
        places, times = np.array(named, np.int32).reshape(-1, 2).T
        weights = (1 + np.log(times, dtype=np.float32)) * self._idf[places]
        square = float(weights @ weights) + (len(count) - len(named)) * self._unseen
        return places, (weights / max(square, 1e-9) ** 0.5).astype(np.float32)

    def scores(self, terms: Sequence[str]) -> Floats:
        """The cosine of a query with each document."""
        places, weights = self._weigh(Counter(terms))
        if not len(places):
            return np.zeros(self.size, np.float32)
        starts = self._starts[places]
        lengths = self._starts[places + 1] - starts
        # The postings of all terms, one behind the other: a few calls, however many terms there are.
        ends = lengths.cumsum()
        postings = np.arange(ends[-1]) + (starts - ends + lengths).repeat(lengths)
        products = self._weights[postings] * weights.repeat(lengths)
        return np.bincount(self._documents[postings], products, self.size).astype(np.float32)

    def documents(self) -> tuple[Floats, Numbers, Numbers, tuple[int, int]]:
        """The weights by document: values, their terms, where each document starts, and the shape."""
        order = np.argsort(self._documents, kind="stable")
        terms = np.repeat(np.arange(len(self._terms), dtype=np.int32), np.diff(self._starts))
        starts = np.searchsorted(self._documents[order], np.arange(self.size + 1)).astype(np.int32)
        return self._weights[order], terms[order], starts, (self.size, len(self._terms))
