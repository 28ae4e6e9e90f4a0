"""How alike texts are, by the matcher's own views: letters, grams, sound and, with an encoder, meaning. Pure.

The matcher compares one text with all phrasings, this compares many with many, so its views are matrices.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from rapidfuzz import fuzz, process
from scipy.sparse import csr_array

from faq.encoder import Encoder
from faq.features import grams
from faq.inverted import Floats
from faq.syllables import sound


@dataclass(frozen=True)
class Levels:
    """From which likeness on something is said of two texts, 0..1; read off the labelled development questions."""

    grouped: float  # buyers meant the same
    near: float  # a phrasing of that entry; a person confirms it, so four right of five will do
    alike: float  # two entries may be mixed up


LEXICAL = Levels(grouped=0.35, near=0.40, alike=0.65)
SEMANTIC = Levels(grouped=0.50, near=0.45, alike=0.70)
_BLOCK = 64  # texts that are compared at once; a row per text is as long as there are phrasings
_MEANING = 0.5  # the share of meaning when there is an encoder


class Likeness:
    """The likeness of any text with each of `texts`; all are essences, as `faq.text.essence` makes them."""

    def __init__(self, texts: Sequence[str], encoder: Encoder | None = None) -> None:
        self.texts = list(texts)
        self.levels = SEMANTIC if encoder else LEXICAL
        self._grams = _Terms([grams(text) for text in self.texts])
        self._sounds = _Terms([grams(sound(text)) for text in self.texts])
        self._encoder = encoder
        self._vectors = encoder.encode(self.texts) if encoder else None

    def to_each(self, texts: Sequence[str]) -> Iterator[Floats]:
        """Per text a row of its likeness with each of `self.texts`."""
        for start in range(0, len(texts), _BLOCK):
            yield from self._compare(list(texts[start : start + _BLOCK]))

    def _compare(self, block: list[str]) -> Floats:
        letters = process.cdist(block, self.texts, scorer=fuzz.ratio, dtype=np.float32) / 100
        by_grams = self._grams.cosines([grams(text) for text in block])
        by_sound = self._sounds.cosines([grams(sound(text)) for text in block])
        lexical: Floats = 0.2 * letters + 0.4 * by_grams + 0.4 * by_sound
        if self._encoder is None or self._vectors is None:
            return lexical
        meaning: Floats = self._encoder.encode(block) @ self._vectors.T
        return (1 - _MEANING) * lexical + _MEANING * meaning


class _Terms:
    """Sublinear tf-idf weights of unit length; a term that no text has takes its weight from the others."""

    def __init__(self, documents: Sequence[Sequence[str]]) -> None:
        often = Counter(term for terms in documents for term in set(terms))
        self._number = {term: number for number, term in enumerate(sorted(often))}
        self._idf = {term: float(np.log((1 + len(documents)) / (1 + count)) + 1) for term, count in often.items()}
        self._unseen = float(np.log(1 + len(documents)) + 1)
        self._known = self._weights(documents).T.tocsr()

    def cosines(self, documents: Sequence[Sequence[str]]) -> Floats:
        found: Floats = (self._weights(documents) @ self._known).toarray()
        return found

    def _weights(self, documents: Sequence[Sequence[str]]) -> Any:
        places: list[int] = []
        weights: list[float] = []
        ends = [0]
        for terms in documents:
            count = Counter(terms)
            weighed = {term: (1 + np.log(times)) * self._idf.get(term, self._unseen) for term, times in count.items()}
            length = max(sum(weight**2 for weight in weighed.values()) ** 0.5, 1e-9)
            known = sorted(term for term in weighed if term in self._number)
            places += [self._number[term] for term in known]
            weights += [weighed[term] / length for term in known]
            ends.append(len(places))
        return csr_array((np.array(weights, np.float32), places, ends), shape=(len(documents), len(self._number)))
