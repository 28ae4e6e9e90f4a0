"""What a matcher consists of, and the material that it is made from."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from faq.calibration import Calibrator, Price, Thresholds
from faq.encoder import Encoder
from faq.errors import TooFewEntries
from faq.index import Index
from faq.phrasing import Entry
from faq.text import essence, fold, normalise

Labelled = Iterable[tuple[str, str | None]]


@dataclass(frozen=True)
class Parts:
    """All that a matcher knows; `written` are the spellings of phrasings and whose they are."""

    index: Index
    written: Mapping[str, tuple[str, ...]]
    calibrator: Calibrator
    thresholds: Thresholds


@dataclass(frozen=True)
class Material:
    """What parts are made from, as it was written, in one order and without doubles."""

    asked: tuple[tuple[str, str], ...]  # entry and phrasing
    labelled: tuple[tuple[str, str], ...]  # question and entry, "" for out of scope

    def fingerprint(self, encoder: Encoder | None, price: Price) -> str:
        """What the parts are kept under."""
        found = hashlib.blake2b(digest_size=16)
        # One by one: written out together they would take more memory than the index.
        for fact in (_code(), encoder and encoder.name, price, len(self.asked), *self.asked, *self.labelled):
            found.update(repr(fact).encode("utf-8", "replace"))
        return found.hexdigest()


@lru_cache(maxsize=1)
def _code() -> str:
    """A hash of this room's code, so that no kept parts outlive what made them."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.blake2b(b"".join(file.read_bytes() for file in files), digest_size=8).hexdigest()


def material_of(entries: Iterable[Entry], labelled: Labelled) -> Material:
    """The phrasings and questions of the entries, and the labelled ones. TooFewEntries when nothing asks anything."""
    asked: set[tuple[str, str]] = set()
    for entry in entries:
        asked.update((entry.key, phrasing.text) for phrasing in entry.phrasings)
        asked.update((entry.key, text.question) for text in entry.texts.values())
    if not any(essence(text) for _, text in asked):
        raise TooFewEntries
    told = {(text, right or "") for text, right in labelled}
    return Material(tuple(sorted(asked)), tuple(sorted(told)))


def spelled(text: str) -> str:
    """The spelling under which a phrasing is recognised; one of marks alone stands for itself."""
    return normalise(text) or fold(text).strip()
