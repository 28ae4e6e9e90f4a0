"""Makes what a matcher consists of from entries and labelled questions; the same input always makes the same parts."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from faq import elsewhere
from faq.calibration import Calibrator, Price, Thresholds, cold_calibrator, cold_thresholds
from faq.encoder import Encoder
from faq.errors import TooFewEntries
from faq.features import grams
from faq.head import NOBODY
from faq.index import Index
from faq.inverted import Floats, InvertedIndex
from faq.phrasing import Entry
from faq.rehearsal import rehearse, sample
from faq.text import essence, fold, normalise
from faq.vectors import VectorStore

RESEMBLING = 0.7  # the likeness from which a question from elsewhere may well be one of this shop
TAUGHT = 20_000  # rows that the head may have: its lesson takes memory and time by their square and cube
TAUGHT_OF_MANY = 4_000  # rows when there are more than that
FEWEST_TO_REHEARSE = 40  # phrasings and labelled questions; with fewer the shipped calibrator serves

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
    """What parts are made from, in one order: phrasings by entry, labelled questions with '' for out of scope."""

    asked: tuple[tuple[str, str], ...]
    labelled: tuple[tuple[str, str], ...]
    written: Mapping[str, tuple[str, ...]]

    def fingerprint(self, encoder: Encoder | None, price: Price) -> str:
        """What the parts are kept under."""
        facts = (_code(), encoder and encoder.name, price, self.asked, self.labelled, sorted(self.written.items()))
        return hashlib.blake2b(repr(facts).encode("utf-8", "replace"), digest_size=16).hexdigest()


@lru_cache(maxsize=1)
def _code() -> str:
    """A hash of this room's code, so that no kept parts outlive what made them."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.blake2b(b"".join(file.read_bytes() for file in files), digest_size=8).hexdigest()


def material_of(entries: Iterable[Entry], labelled: Labelled) -> Material:
    """The phrasings and questions of the entries without doubles. TooFewEntries when there is none."""
    texts: dict[str, set[str]] = defaultdict(set)
    for entry in entries:
        texts[entry.key].update(phrasing.text for phrasing in entry.phrasings)
        texts[entry.key].update(text.question for text in entry.texts.values())
    asked = sorted({(key, essence(text)) for key, some in texts.items() for text in some if essence(text)})
    if not asked:
        raise TooFewEntries
    known = {key for key, _ in asked}
    told = {(essence(text), right or "") for text, right in labelled if right is None or right in known}
    told -= {(text, key) for key, text in asked}
    return Material(tuple(asked), tuple(sorted(one for one in told if one[0])), _written(texts))


def _written(texts: Mapping[str, set[str]]) -> dict[str, tuple[str, ...]]:
    owners: dict[str, set[str]] = defaultdict(set)
    for key, some in texts.items():
        for text in some:
            owners[spelled(text)].add(key)
    return {text: tuple(sorted(keys)) for text, keys in owners.items() if text}


def spelled(text: str) -> str:
    """The spelling under which a phrasing is recognised; one of marks alone stands for itself."""
    return normalise(text) or fold(text).strip()


def make(material: Material, encoder: Encoder | None, price: Price, vectors: VectorStore) -> Parts:
    """The parts; takes seconds for some thousand phrasings."""
    keys = sorted({key for key, _ in material.asked})
    place = {key: number for number, key in enumerate(keys)}
    spoken = [text for _, text in material.asked]
    others = _foreign(spoken, encoder, vectors)
    texts = [*spoken, *others, *(text for text, _ in material.labelled)]
    owners = np.array(
        [
            *(place[key] for key, _ in material.asked),
            *(NOBODY for _ in others),
            *(place.get(right, NOBODY) for _, right in material.labelled),
        ],
        np.int32,
    )
    index = Index(keys, texts, owners, len(spoken), encoder, vectors.encode(texts, encoder))
    few = len(spoken) + len(material.labelled) < FEWEST_TO_REHEARSE
    lesson = None if few else index.teach(sample(texts, owners, len(texts) if len(texts) <= TAUGHT else TAUGHT_OF_MANY))
    if few:
        return Parts(index, material.written, cold_calibrator(encoder is not None), cold_thresholds(price))
    calibrator, thresholds = rehearse(index, lesson, encoder, len(material.labelled), price)
    return Parts(index, material.written, calibrator, thresholds)


def _foreign(spoken: list[str], encoder: Encoder | None, vectors: VectorStore) -> list[str]:
    """The questions from elsewhere that resemble no phrasing."""
    texts = sorted({essence(text) for text in elsewhere.questions()} - set(spoken))
    here, there = vectors.encode(spoken, encoder), vectors.encode(texts, encoder)
    if here is not None and there is not None:
        nearest: Floats = (there @ here.T).max(1)
    else:
        index = InvertedIndex([grams(text) for text in spoken])
        nearest = np.array([index.scores(grams(text)).max() for text in texts])
    return [text for text, near in zip(texts, nearest, strict=True) if near < RESEMBLING]
