"""An inverted index with tf-idf weights: the cosine of one query with every document, by the query's terms alone."""

from array import array
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.int32]


def _counted(documents: Iterable[Sequence[str]]) -> tuple[Numbers, Floats, Numbers, dict[str, int]]:
    """The terms of all documents, one document behind the other, how often each stands there, how many each has.

    And the number of each term: they are numbered as they were first seen.
    """
    seen: dict[str, int] = {}
    places, times, lengths = array("i"), array("f"), array("i")
    for terms in documents:
        count = Counter(terms)
        places.extend([seen.setdefault(term, len(seen)) for term in count])
        times.extend(count.values())
        lengths.append(len(count))
    return np.array(places, np.int32), np.array(times, np.float32), np.array(lengths, np.int32), seen


class InvertedIndex:
    """Postings of unit-length, sublinear tf-idf weights; terms are numbered by name, not by first sight."""

    def __init__(self, documents: Iterable[Sequence[str]]) -> None:
        places, times, lengths, seen = _counted(documents)
        self.size = len(lengths)
        self._terms = {term: number for number, term in enumerate(sorted(seen))}
        # Terms were numbered as they came; the postings must not depend on that.
        places = np.array([self._terms[term] for term in seen], np.int32)[places]
        frequency = np.bincount(places, minlength=len(seen))
        self._idf = (np.log((1 + self.size) / (1 + frequency)) + 1).astype(np.float32)
        self._unseen = float(np.log(1 + self.size) + 1) ** 2
        self._fill(places, times, np.repeat(np.arange(self.size, dtype=np.int32), lengths))

    def _fill(self, places: Numbers, times: Floats, owners: Numbers) -> None:
        weights = (1 + np.log(times)) * self._idf[places]
        squares = np.maximum(np.bincount(owners, np.square(weights), self.size), 1e-9)
        weights /= np.sqrt(squares).astype(np.float32)[owners]
        order = np.argsort(places, kind="stable")
        self._documents: Numbers = owners[order]
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
