"""How alike texts are, by the matcher's own views: letters, grams, sound and, with an encoder, meaning. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from rapidfuzz import fuzz, process

from faq.encoder import Encoder
from faq.features import grams
from faq.inverted import Floats, InvertedIndex
from faq.syllables import sound


@dataclass(frozen=True)
class Levels:
    """From which likeness on something is said of two texts, 0..1; read off the labelled development questions."""

    grouped: float  # buyers meant the same
    near: float  # a phrasing of that entry; a person confirms it, so four right of five will do
    alike: float  # two entries may be mixed up


LEXICAL = Levels(grouped=0.35, near=0.40, alike=0.65)
SEMANTIC = Levels(grouped=0.50, near=0.45, alike=0.70)
_BLOCK = 256  # texts that are compared by meaning at once
_MEANING = 0.5  # the share of meaning when there is an encoder


class Likeness:
    """The likeness of any text with each of `texts`; all are essences, as `faq.text.essence` makes them."""

    def __init__(self, texts: Sequence[str], encoder: Encoder | None = None) -> None:
        self.texts = list(texts)
        self.levels = SEMANTIC if encoder else LEXICAL
        self._grams = InvertedIndex([grams(text) for text in self.texts])
        self._sounds = InvertedIndex([grams(sound(text)) for text in self.texts])
        self._encoder = encoder
        self._vectors = encoder.encode(self.texts) if encoder else None

    def to_each(self, texts: Sequence[str]) -> Iterator[Floats]:
        """Per text a row of its likeness with each of `self.texts`."""
        for start in range(0, len(texts), _BLOCK):
            block = list(texts[start : start + _BLOCK])
            meaning = self._meaning(block)
            for place, text in enumerate(block):
                lexical = self._lexical(text)
                yield lexical if meaning is None else (1 - _MEANING) * lexical + _MEANING * meaning[place]

    def _meaning(self, block: list[str]) -> Floats | None:
        if self._encoder is None or self._vectors is None:
            return None
        found: Floats = self._encoder.encode(block) @ self._vectors.T
        return found

    def _lexical(self, text: str) -> Floats:
        letters = process.cdist([text], self.texts, scorer=fuzz.ratio, dtype=np.float32)[0] / 100
        by_grams, _ = self._grams.scores(grams(text))
        by_sound, _ = self._sounds.scores(grams(sound(text)))
        found: Floats = 0.2 * letters + 0.4 * by_grams + 0.4 * by_sound
        return found
