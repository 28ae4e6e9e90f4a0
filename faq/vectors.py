"""Vectors of indexed texts, kept on disk under the encoder's name: encoding is the slow part of a build.

Buyers' own messages never come here.
"""

import hashlib
from pathlib import Path

import numpy as np

from faq.encoder import Encoder
from faq.inverted import Floats

_KEY = 16  # bytes
_AT_ONCE = 4096  # texts that are encoded and written together


class VectorStore:
    """One file per encoder, records of key and vector, only ever appended to. Without a folder it keeps nothing."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder

    def encode(self, texts: list[str], encoder: Encoder | None) -> Floats | None:
        """One unit row per text; None without an encoder."""
        if encoder is None:
            return None
        if self._folder is None:
            return encoder.encode(texts)
        file = self._folder / f"vectors-{encoder.name}.bin"
        keys = [_key(text) for text in texts]
        places, known = _read(file)
        new = list({key: text for key, text in zip(keys, texts, strict=True) if key not in places}.items())
        for start in range(0, len(new), _AT_ONCE):
            block = new[start : start + _AT_ONCE]
            _append(file, [key for key, _ in block], encoder.encode([text for _, text in block]))
        if new:
            places, known = _read(file)
        return known[[places[key] for key in keys]] if texts else encoder.encode([])


def _key(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=_KEY).digest()


def _read(file: Path) -> tuple[dict[bytes, int], Floats]:
    """The place of each key, and the vectors; a record cut short by a crash, and all behind it, is left out."""
    try:
        raw = np.memmap(file, np.uint8, "r")
    except (OSError, ValueError):  # none, or an empty one
        return {}, np.zeros((0, 0), np.float32)
    width = int.from_bytes(raw[:_KEY].tobytes(), "little")
    size = _KEY + 4 * width
    if not width or len(raw) < _KEY:
        return {}, np.zeros((0, 0), np.float32)
    kept = [("key", f"V{_KEY}"), ("vector", np.float32, (width,))]
    records = np.ndarray((len(raw) - _KEY) // size, np.dtype(kept), raw, _KEY)
    return {key.tobytes(): place for place, key in enumerate(records["key"])}, records["vector"]


def _append(file: Path, keys: list[bytes], vectors: Floats) -> None:
    size = _KEY + 4 * vectors.shape[1]
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("ab") as out:
        torn = (out.tell() - _KEY) % size if out.tell() else 0
        if torn:
            out.truncate(out.tell() - torn)
        head = b"" if out.tell() else vectors.shape[1].to_bytes(_KEY, "little")
        # In one piece: another process may be writing here too.
        out.write(head + b"".join(key + vector.tobytes() for key, vector in zip(keys, vectors, strict=True)))
