"""What misses could teach: misses that mean the same, and the phrasing or the entry they ask for.

Pure: the same misses and entries give the same proposals in the same order, whatever order they come in.
"""

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Literal

import numpy as np

from faq.encoder import Encoder
from faq.likeness import Likeness
from faq.phrasing import Entry, Phrasing
from faq.slots import Slot, extract, kind_of
from faq.text import essence

EXAMPLES = 5
_PERSONAL = ("order", "code", "email", "url", "number")  # an amount belongs to the question
_MASK = re.compile(r"\*{2,}(?:-?[0-9A-Za-z]{1,4})?")  # what masking left of a code
_BLANK = re.compile(r"[^\S\n]+")
_GAP = "…"


@dataclass(frozen=True)
class Miss:
    """One question that was not answered as the buyer wanted."""

    id: int
    text: str
    language: str
    asked_at: datetime
    chosen: str | None = None  # the entry that the buyer chose in the end
    refused: str | None = None  # the entry whose answer the buyer did not want


@dataclass(frozen=True)
class Proposal:
    """A group of misses and what could be learned from it; a person decides."""

    kind: Literal["phrasing", "entry"]
    entry: str  # the entry that would get the examples as phrasings, or a key for the new one
    why: Literal["chosen", "near", "new"]
    examples: tuple[Phrasing, ...]  # without personal data; the most central first
    count: int  # misses in the group
    chosen: int  # of these, how often buyers chose `entry`
    refused: tuple[str, ...]  # entries that were answered and not wanted
    likeness: float  # with the entry, or the nearest one, 0..1
    first_at: datetime
    last_at: datetime
    questions: tuple[int, ...]  # the ids of the misses


def impersonal(text: str) -> str:
    """The text with `…` for order numbers, codes, addresses and other numbers, and for what masking left of them."""
    text = _MASK.sub(_GAP, text)
    values = [slot for slot in extract(text)[0] if slot.kind in _PERSONAL]
    for slot in sorted(values, key=lambda slot: -len(slot.value)):
        text = _spelled(slot).sub(_GAP, text)
    if any(slot.kind in _PERSONAL for slot in extract(text)[0]):  # split by something invisible
        text = extract(text)[1]
    return _BLANK.sub(" ", text).strip()


def _spelled(slot: Slot) -> re.Pattern[str]:
    """The slot's value as it may stand in the text: in full width, with blanks in between."""
    return re.compile(r"\s*".join(_widths(character) for character in slot.value))


def _widths(character: str) -> str:
    wide = chr(ord(character) + 0xFEE0) if "!" <= character <= "~" else character
    return f"[{re.escape(character)}{re.escape(wide)}]"


def propose(
    misses: Iterable[Miss],
    entries: Sequence[Entry],
    encoder: Encoder | None = None,
    least: int = 2,
    dismissed: Iterable[str] = (),
) -> tuple[Proposal, ...]:
    """The proposals, what buyers chose themselves first, then the most asked.

    A new entry needs `least` misses. What an entry's phrasing says already, and what was `dismissed` in the same
    words, is left out.
    """
    known, by_text = {essence(text) for text in dismissed}, _by_essence(misses)
    asked = _Asked(entries, encoder)
    texts = sorted(text for text, group in by_text.items() if text not in known and not asked.knows(text, group))
    groups = _grouped(texts, {text: len(by_text[text]) for text in texts}, encoder)
    found = [asked.proposal(group, by_text) for group in groups]
    kept = [one for one in found if one.kind == "phrasing" or one.count >= least]
    return tuple(sorted(kept, key=lambda one: (-one.chosen, -one.count, one.entry, one.questions)))


def _by_essence(misses: Iterable[Miss]) -> dict[str, list[Miss]]:
    """The misses that ask something, under what they ask."""
    found: dict[str, list[Miss]] = defaultdict(list)
    for miss in sorted(misses, key=lambda miss: miss.id):
        plain = essence(extract(impersonal(miss.text))[1])
        if plain and kind_of(*extract(miss.text)) == "question":
            found[plain].append(miss)
    return found


def _grouped(texts: Sequence[str], counts: Mapping[str, int], encoder: Encoder | None) -> list[list[str]]:
    """Stars: the text that most misses are like takes all of these, then the next of the rest; its centre stands first.

    No text joins over a third one, so a group never drifts away from its centre.
    """
    if not texts:
        return []
    likeness = Likeness(texts, encoder)
    weights = np.array([counts[text] for text in texts])
    often = {place: (-counts[text], text) for place, text in enumerate(texts)}
    likes = [np.flatnonzero(row >= likeness.levels.grouped) for row in likeness.to_each(texts)]
    around = [int(weights[places].sum()) for places in likes]
    free, groups = set(often), []
    for centre in sorted(often, key=lambda place: (-around[place], often[place])):
        if centre in free:
            members = sorted(free.intersection(likes[centre].tolist()) - {centre}, key=lambda place: often[place])
            free.difference_update(members, [centre])
            groups.append([texts[place] for place in (centre, *members)])
    return groups


class _Asked:
    """What the entries are asked with."""

    def __init__(self, entries: Sequence[Entry], encoder: Encoder | None) -> None:
        asked = {
            (essence(text), entry.key)
            for entry in entries
            for text in [*(one.text for one in entry.phrasings), *(one.question for one in entry.texts.values())]
        }
        self._rows = sorted(row for row in asked if row[0])
        self._keys = {entry.key for entry in entries}
        self._encoder = encoder
        self._owners: dict[str, set[str]] = defaultdict(set)
        for text, key in self._rows:
            self._owners[text].add(key)

    @cached_property
    def _likeness(self) -> Likeness | None:  # seconds of work, and mostly there is no miss
        return Likeness([text for text, _ in self._rows], self._encoder) if self._rows else None

    def knows(self, text: str, misses: Iterable[Miss]) -> bool:
        """Whether an entry that these buyers did not refuse is asked with this very text."""
        refused = {miss.refused for miss in misses}
        chosen = {miss.chosen for miss in misses if miss.chosen}
        return bool(self._owners.get(text, set()) - refused) and chosen <= self._owners[text]

    def proposal(self, group: Sequence[str], by_text: Mapping[str, Sequence[Miss]]) -> Proposal:
        misses = [miss for text in group for miss in by_text[text]]
        refused = sorted({miss.refused for miss in misses if miss.refused})
        votes = Counter(miss.chosen for miss in misses if miss.chosen in self._keys)
        near = self._nearest(group, [len(by_text[text]) for text in group], refused)
        key, why = self._target(votes, near)
        likeness = near.get(key, max(near.values(), default=0.0))
        return Proposal(
            kind="entry" if why == "new" else "phrasing",
            entry=key or self._free_key(group[0]),
            why=why,
            examples=tuple(self._example(by_text[text]) for text in group[:EXAMPLES]),
            count=len(misses),
            chosen=votes[key],
            refused=tuple(refused),
            likeness=round(likeness, 4),
            first_at=min(miss.asked_at for miss in misses),
            last_at=max(miss.asked_at for miss in misses),
            questions=tuple(sorted(miss.id for miss in misses)),
        )

    def _free_key(self, text: str) -> str:
        digest = hashlib.sha256(text.encode()).hexdigest()
        return next(key for size in range(8, 64) if (key := f"new_{digest[:size]}") not in self._keys)

    def _target(
        self, votes: Mapping[str, int], near: Mapping[str, float]
    ) -> tuple[str, Literal["chosen", "near", "new"]]:
        if votes:
            return min((-count, key) for key, count in votes.items())[1], "chosen"
        best = min(near, key=lambda key: (-near[key], key), default="")
        if best and self._likeness and near[best] >= self._likeness.levels.near:
            return best, "near"
        return "", "new"

    def _nearest(self, group: Sequence[str], counts: Sequence[int], refused: Sequence[str]) -> dict[str, float]:
        """Entry → the mean of its best likeness with each miss of the group."""
        if self._likeness is None:
            return {}
        best: dict[str, float] = defaultdict(float)
        for row, count in zip(self._likeness.to_each(group), counts, strict=True):
            of_text: dict[str, float] = defaultdict(float)
            for place in np.argsort(-row, kind="stable")[:50]:
                key = self._rows[place][1]
                of_text[key] = max(of_text[key], float(row[place]))
            for key, likeness in of_text.items():
                best[key] += likeness * count / sum(counts)
        return {key: round(likeness, 6) for key, likeness in best.items() if key not in refused}

    def _example(self, misses: Sequence[Miss]) -> Phrasing:
        """The spelling that most buyers used."""
        spelled = Counter(impersonal(miss.text) for miss in misses)
        text = min(spelled, key=lambda text: (-spelled[text], text))
        return Phrasing(text, next(miss.language for miss in misses if impersonal(miss.text) == text))
