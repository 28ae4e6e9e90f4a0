"""An inverted index with tf-idf weights: the cosine of one query with every document, by the query's terms alone."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.int32]


class InvertedIndex:
    """Postings of l2-normalised, sublinear tf-idf weights."""

    def __init__(self, documents: Sequence[Sequence[str]]) -> None:
        self.size = len(documents)
        counts = [Counter(terms) for terms in documents]
        often = Counter(term for count in counts for term in count)
        self.terms = {term: number for number, term in enumerate(sorted(often))}
        self.idf = np.array([np.log((1 + self.size) / (1 + often[term])) + 1 for term in self.terms], dtype=np.float32)
        self._unseen = float(np.log(1 + self.size) + 1)
        rows = [self._weigh(count)[:2] for count in counts]
        places = np.concatenate([row for row, _ in rows]) if rows else np.zeros(0, np.int32)
        weights = np.concatenate([weight for _, weight in rows]) if rows else np.zeros(0, np.float32)
        documents_of = np.repeat(np.arange(self.size, dtype=np.int32), [len(row) for row, _ in rows])
        order = np.argsort(places, kind="stable")
        self._documents: Numbers = documents_of[order]
        self._weights: Floats = weights[order]
        self._starts = np.searchsorted(places[order], np.arange(len(self.terms) + 1)).astype(np.int64)

    def _weigh(self, count: Counter[str]) -> tuple[Numbers, Floats, float]:
        """The known terms of a text, their normalised weights, and the share of weight that is unknown here."""
        known = sorted(self.terms[term] for term in count if term in self.terms)
        named = {self.terms[term]: times for term, times in count.items() if term in self.terms}
        places = np.array(known, dtype=np.int32)
        weights = np.array([1 + np.log(named[place]) for place in known], dtype=np.float32) * self.idf[places]
        unknown = sum(1 for term in count if term not in self.terms) * self._unseen**2
        total = float(weights @ weights) + unknown
        norm = max(total**0.5, 1e-9)
        return places, weights / norm, unknown / max(total, 1e-9)

    def scores(self, terms: Sequence[str]) -> tuple[Floats, float]:
        """The cosine with each document, and the share of the query's weight that no document knows."""
        places, weights, unknown = self._weigh(Counter(terms))
        if not len(places):
            return np.zeros(self.size, np.float32), unknown
        spans = [slice(self._starts[place], self._starts[place + 1]) for place in places]
        documents = np.concatenate([self._documents[span] for span in spans])
        products = np.concatenate([self._weights[span] * weight for span, weight in zip(spans, weights, strict=True)])
        return np.bincount(documents, products, self.size).astype(np.float32), unknown
