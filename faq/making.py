"""Makes what a matcher consists of; the same material always makes the same parts."""

from collections import defaultdict
from collections.abc import Iterable

import numpy as np

from faq import elsewhere
from faq.axes import Meanings
from faq.calibration import Price, cold_calibrator, cold_thresholds
from faq.encoder import Encoder
from faq.features import grams
from faq.head import NOBODY
from faq.index import Index
from faq.inverted import Floats, InvertedIndex
from faq.lesson import teach
from faq.parts import Material, Parts, spelled
from faq.rehearsal import rehearse, sample
from faq.text import essence
from faq.vectors import VectorStore

RESEMBLING = 0.7  # the likeness from which a question from elsewhere may well be one of this shop
TAUGHT = 20_000  # rows that the head may have: its lesson takes memory and time by their square and cube
TAUGHT_OF_MANY = 4_000  # rows when there are more than that
BLOCK = 4096  # phrasings that are compared with the questions from elsewhere at once
FEWEST_TO_REHEARSE = 40  # phrasings and labelled questions; with fewer the shipped calibrator serves

Owned = list[tuple[str, str]]  # entry and question


def make(material: Material, encoder: Encoder | None, price: Price, vectors: VectorStore) -> Parts:
    """The parts; takes seconds for some thousand phrasings."""
    asked, labelled = _essences(material)
    keys = sorted({key for key, _ in asked})
    place = {key: number for number, key in enumerate(keys)}
    spoken = [text for _, text in asked]
    others = _foreign(spoken, encoder, vectors)
    texts = [*spoken, *others, *(text for _, text in labelled)]
    owners = np.array(
        [
            *(place[key] for key, _ in asked),
            *(NOBODY for _ in others),
            *(place.get(key, NOBODY) for key, _ in labelled),
        ],
        np.int32,
    )
    index = Index(keys, texts, owners, len(spoken), encoder, _meanings(texts, encoder, vectors))
    written = _written(material.asked, spoken)
    if len(spoken) + len(labelled) < FEWEST_TO_REHEARSE:
        return Parts(index, written, cold_calibrator(encoder is not None), cold_thresholds(price))
    lesson = teach(index, sample(texts, owners, len(texts) if len(texts) <= TAUGHT else TAUGHT_OF_MANY))
    calibrator, thresholds = rehearse(index, lesson, encoder, len(labelled), price)
    return Parts(index, written, calibrator, thresholds)


def _essences(material: Material) -> tuple[Owned, Owned]:
    """What is asked by entry, and the labelled questions of known entries and of none, by question; without doubles."""
    asked = {(key, essence(text)) for key, text in material.asked}
    known = {key for key, _ in asked} | {""}
    told = {(key, essence(text)) for text, key in material.labelled if key in known} - asked
    return (
        sorted(one for one in asked if one[1]),
        sorted((one for one in told if one[1]), key=lambda one: (one[1], one[0])),
    )


def _written(asked: Iterable[tuple[str, str]], spoken: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Whose each spelling is; `spoken` are strings that are kept anyway, so that an equal one is not kept twice."""
    owners: dict[str, set[str]] = defaultdict(set)
    for key, text in asked:
        owners[spelled(text)].add(key)
    kept = {text: text for text in spoken}
    alike: dict[tuple[str, ...], tuple[str, ...]] = {}
    found: dict[str, tuple[str, ...]] = {}
    for text, keys in owners.items():
        if text:
            names = tuple(sorted(keys))
            found[kept.get(text, text)] = alike.setdefault(names, names)
    return found


def _meanings(texts: list[str], encoder: Encoder | None, vectors: VectorStore) -> Meanings | None:
    """Apart, so that whole vectors are forgotten as soon as they are no longer needed: they take five times as much."""
    whole = vectors.encode(texts, encoder)
    return None if whole is None else Meanings.of(whole)


def _foreign(spoken: list[str], encoder: Encoder | None, vectors: VectorStore) -> list[str]:
    """The questions from elsewhere that resemble no phrasing."""
    texts = sorted({essence(text) for text in elsewhere.questions()} - set(spoken))
    here, there = vectors.encode(spoken, encoder), vectors.encode(texts, encoder)
    if here is not None and there is not None:
        blocks = (here[start : start + BLOCK] for start in range(0, len(here), BLOCK))
        nearest: Floats = np.max([(block @ there.T).max(0) for block in blocks], axis=0)
    else:
        index = InvertedIndex(grams(text) for text in spoken)
        nearest = np.array([index.scores(grams(text)).max() for text in texts])
    return [text for text, near in zip(texts, nearest, strict=True) if near < RESEMBLING]
