"""Vectors of indexed texts, kept on disk under the encoder's name: encoding is the slow part of a build.

Buyers' own messages never come here.
"""

import hashlib
from pathlib import Path

import numpy as np

from faq.encoder import Encoder
from faq.inverted import Floats

_KEY = 16  # bytes


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
        known = _read(file)
        keys = [_key(text) for text in texts]
        new = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
        fresh = dict(zip(new, encoder.encode(list(new.values())), strict=True)) if new else {}
        _append(file, fresh)
        return np.stack([fresh[key] if key in fresh else known[key] for key in keys])


def _key(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=_KEY).digest()


def _read(file: Path) -> dict[bytes, Floats]:
    """What the file holds; a record cut short by a crash, and all behind it, is cut off."""
    try:
        raw = file.read_bytes()
    except OSError:
        return {}
    width = int.from_bytes(raw[:_KEY], "little")
    size = _KEY + 4 * width
    if not width or len(raw) < _KEY:
        return {}
    records = np.frombuffer(
        raw, np.dtype([("key", f"V{_KEY}"), ("vector", np.float32, (width,))]), (len(raw) - _KEY) // size, _KEY
    )
    return {record["key"].tobytes(): record["vector"] for record in records}


def _append(file: Path, fresh: dict[bytes, Floats]) -> None:
    if not fresh:
        return
    width = len(next(iter(fresh.values())))
    size = _KEY + 4 * width
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("ab") as out:
        torn = (out.tell() - _KEY) % size if out.tell() else 0
        if torn:
            out.truncate(out.tell() - torn)
        head = b"" if out.tell() else width.to_bytes(_KEY, "little")
        out.write(head + b"".join(key + np.asarray(vector, np.float32).tobytes() for key, vector in fresh.items()))
