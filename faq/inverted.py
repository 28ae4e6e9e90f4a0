"""An inverted index with tf-idf weights: the cosine of one query with every document, by the query's terms alone."""

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.int32]


def _counted(documents: Iterable[Sequence[str]]) -> tuple[list[tuple[Numbers, Floats]], dict[str, int]]:
    """The terms of each document with how often they stand there, and all terms, numbered as they were first seen."""
    seen: dict[str, int] = {}
    counts = []
    for terms in documents:
        count = Counter(terms)
        places = np.array([seen.setdefault(term, len(seen)) for term in count], np.int32)
        counts.append((places, np.array(list(count.values()), np.float32)))
    return counts, seen


class InvertedIndex:
    """Postings of unit-length, sublinear tf-idf weights; terms are numbered by name, not by first sight."""

    def __init__(self, documents: Iterable[Sequence[str]]) -> None:
        counts, seen = _counted(documents)
        self.size = len(counts)
        self._terms = {term: number for number, term in enumerate(sorted(seen))}
        # Terms were numbered as they came; the postings must not depend on that.
        renumbered = np.array([self._terms[term] for term in seen], np.int32)
        rows = [(renumbered[places], times) for places, times in counts]
        frequency = np.bincount(np.concatenate([places for places, _ in rows]) if rows else [], minlength=len(seen))
        self._idf = (np.log((1 + self.size) / (1 + frequency)) + 1).astype(np.float32)
        self._unseen = float(np.log(1 + self.size) + 1) ** 2
        self._fill(rows)

    def _fill(self, rows: list[tuple[Numbers, Floats]]) -> None:
        places = np.concatenate([places for places, _ in rows]) if rows else np.zeros(0, np.int32)
        weights = np.concatenate([self._weigh(*row, 0) for row in rows]) if rows else np.zeros(0, np.float32)
        order = np.argsort(places, kind="stable")
        documents = np.repeat(np.arange(self.size, dtype=np.int32), [len(places) for places, _ in rows])
        self._documents: Numbers = documents[order]
        self._weights: Floats = weights[order]
        self._starts = np.searchsorted(places[order], np.arange(len(self._terms) + 1)).astype(np.int64)

    def _weigh(self, places: Numbers, times: Floats, unknown: int) -> Floats:
        """The weights of known terms; unknown ones only lengthen the text that is brought to length one."""
        weights = (1 + np.log(times)) * self._idf[places]
        square = float(weights @ weights) + unknown * self._unseen
        found: Floats = (weights / np.float32(max(square, 1e-9) ** 0.5)).astype(np.float32)
        return found

    def scores(self, terms: Sequence[str]) -> Floats:
        """The cosine of a query with each document."""
        count = Counter(terms)
        named = {place: times for term, times in count.items() if (place := self._terms.get(term)) is not None}
        if not named:
            return np.zeros(self.size, np.float32)
        places = np.array(list(named), np.int32)
        weights = self._weigh(places, np.array(list(named.values()), np.float32), len(count) - len(named))
        starts, ends = self._starts[places], self._starts[places + 1]
        # The postings of all terms, one behind the other: a few calls, however many terms there are.
        spans = [slice(*span) for span in zip(starts.tolist(), ends.tolist(), strict=True)]
        products = np.concatenate([self._weights[span] for span in spans])
        products *= weights.repeat(ends - starts)
        documents = np.concatenate([self._documents[span] for span in spans])
        return np.bincount(documents, products, self.size).astype(np.float32)

    def documents(self) -> tuple[Floats, Numbers, Numbers, tuple[int, int]]:
        """The weights by document: values, their terms, where each document starts, and the shape."""
        order = np.argsort(self._documents, kind="stable")
        terms = np.repeat(np.arange(len(self._terms), dtype=np.int32), np.diff(self._starts))
        starts = np.searchsorted(self._documents[order], np.arange(self.size + 1)).astype(np.int32)
        return self._weights[order], terms[order], starts, (self.size, len(self._terms))
