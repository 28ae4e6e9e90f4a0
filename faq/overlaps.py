"""Entries that may be mistaken for one another: the same or too similar phrasings, worst where flows differ. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np

from faq.encoder import Encoder
from faq.likeness import Likeness
from faq.phrasing import Entry, Phrasing
from faq.text import essence

Kind = Literal["same", "alike"]


@dataclass(frozen=True)
class Clash:
    """Two phrasings of different entries, `first` being one of the overlap's first entry."""

    first: Phrasing
    second: Phrasing
    likeness: float  # 1.0: the matcher cannot tell them apart


@dataclass(frozen=True)
class Overlap:
    """Two entries whose phrasings clash."""

    first: str
    second: str
    kind: Kind  # the worst of its clashes: "same" or "alike"
    flows: tuple[str | None, str | None]
    clashes: tuple[Clash, ...]  # the worst first

    @property
    def is_contradiction(self) -> bool:
        """Whether the same words would lead into different flows."""
        return self.flows[0] != self.flows[1]

    @property
    def likeness(self) -> float:
        return self.clashes[0].likeness


def find_overlaps(
    entries: Iterable[Entry], encoder: Encoder | None = None, alike: float | None = None
) -> tuple[Overlap, ...]:
    """Every pair of entries that clashes, the worst first; `alike` is the likeness from which phrasings do, 0..1.

    The same words before similar ones, contradictions before agreement, then the most alike. Takes seconds for some
    thousand phrasings: every one is compared with every other.
    """
    by_key = {entry.key: entry for entry in entries}
    asked = _asked(by_key.values())
    clashes: dict[tuple[str, str], list[Clash]] = defaultdict(list)
    for owners in asked.values():
        for pair in combinations(sorted(owners), 2):
            clashes[pair].append(Clash(owners[pair[0]], owners[pair[1]], 1.0))
    for one, other, likeness in _alike_pairs(sorted(asked), encoder, alike):
        _add_pairs(clashes, asked[one], asked[other], likeness)
    overlaps = [_overlap(by_key[first], by_key[second], found) for (first, second), found in clashes.items()]
    return tuple(sorted(overlaps, key=_badness))


def _asked(entries: Iterable[Entry]) -> dict[str, dict[str, Phrasing]]:
    """What is asked → the entries that it is a phrasing of, each with its spelling."""
    found: dict[str, dict[str, Phrasing]] = defaultdict(dict)
    for entry in entries:
        questions = [Phrasing(text.question, language) for language, text in entry.texts.items()]
        for phrasing in sorted({*entry.phrasings, *questions}, key=lambda one: (one.text, one.language)):
            plain = essence(phrasing.text)
            if plain:
                found[plain].setdefault(entry.key, phrasing)
    return found


def _alike_pairs(
    texts: Sequence[str], encoder: Encoder | None, alike: float | None
) -> Iterable[tuple[str, str, float]]:
    if not texts:
        return
    likeness = Likeness(texts, encoder)
    level = likeness.levels.alike if alike is None else alike
    for place, row in enumerate(likeness.to_each(texts)):
        for other in (np.flatnonzero(row[place + 1 :] >= level) + place + 1).tolist():
            yield texts[place], texts[other], min(0.9999, round(float(row[other]), 4))


def _add_pairs(
    clashes: dict[tuple[str, str], list[Clash]],
    ones: dict[str, Phrasing],
    others: dict[str, Phrasing],
    likeness: float,
) -> None:
    for one, phrasing in ones.items():
        for other, another in others.items():
            if one < other:
                clashes[one, other].append(Clash(phrasing, another, likeness))
            elif other < one:
                clashes[other, one].append(Clash(another, phrasing, likeness))


def _overlap(first: Entry, second: Entry, clashes: Iterable[Clash]) -> Overlap:
    worst = sorted(clashes, key=lambda one: (-one.likeness, one.first.text, one.second.text))
    kind: Kind = "same" if worst[0].likeness == 1.0 else "alike"
    return Overlap(first.key, second.key, kind, (first.flow or None, second.flow or None), tuple(worst))


def _badness(overlap: Overlap) -> tuple[bool, bool, float, int, str, str]:
    return (
        overlap.kind != "same",
        not overlap.is_contradiction,
        -overlap.likeness,
        -len(overlap.clashes),
        overlap.first,
        overlap.second,
    )
