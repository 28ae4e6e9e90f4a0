"""From a buyer's words to an outcome: a sure answer, a few suggestions, or none. Pure: no database, no clock."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from faq import shelf
from faq import slots as slot_finding
from faq.calibration import Price
from faq.encoder import Encoder
from faq.evidence import Evidence
from faq.parts import Labelled, Parts, material_of, spelled
from faq.phrasing import Entry
from faq.slots import Kind, Slot
from faq.text import essence, language_of, sentences
from faq.vectors import VectorStore

Outcome = Literal["answer", "suggest", "none"]
SUGGESTIONS = 3
SURE = 0.999  # the probability of a phrasing that was written for the entry

__all__ = ["Candidate", "Match", "Matcher", "Outcome", "Price"]


@dataclass(frozen=True)
class Candidate:
    """One entry that may be meant; `votes` is what each view alone says of it, 0..1."""

    entry: str
    score: float
    votes: Mapping[str, float]


@dataclass(frozen=True)
class Match:
    """What was understood; `score` is the probability that the best candidate is right."""

    outcome: Outcome
    entry: str | None
    score: float
    candidates: tuple[Candidate, ...]
    slots: tuple[Slot, ...]
    language: str
    kind: Kind


class Matcher:
    """Finds the entry that a message asks for. Built by `build`, never changed afterwards: swap it for a new one."""

    def __init__(self, parts: Parts, encoder: Encoder | None) -> None:
        self._parts = parts
        self._encoder = encoder

    @classmethod
    def build(
        cls,
        entries: Iterable[Entry],
        encoder: Encoder | None = None,
        price: Price | None = None,
        calibration: Labelled = (),
        cache: Path | None = None,
    ) -> "Matcher":
        """A matcher over the entries' phrasings and questions; the same for any order of either. TooFewEntries.

        `calibration` are questions with the entry that was right, None when none was: they teach and set the outcomes.
        Making one takes seconds; in the folder `cache` it is kept, and found again as long as nothing has changed.
        """
        material, price = material_of(entries, calibration), price or Price()
        fingerprint = material.fingerprint(encoder, price)
        parts = shelf.find(fingerprint, cache)
        if parts is None:
            from faq.making import make  # takes scipy, half a second that a start with kept parts need not spend

            parts = make(material, encoder, price, VectorStore(cache))
            shelf.keep(fingerprint, parts, cache)
        parts.index.views.prepare(encoder)
        return cls(parts, encoder)

    def match(self, text: str, language: str | None = None) -> Match:
        """The outcome for one message. Any `str` is taken."""
        slots, rest = slot_finding.extract(text)
        kind = slot_finding.kind_of(slots, rest)
        spoken = language or language_of(rest)
        owners = self._parts.written.get(spelled(text), ())
        if kind != "question" and not owners:
            return Match("none", None, 0.0, (), slots, spoken, kind)
        plain = essence(slot_finding.without_swearing(essence(rest))) or essence(text)
        index = self._parts.index
        candidates = self._rank(index.evidence(index.views.query(plain, self._encoder)), owners)
        outcome = self._outcome(candidates[0].score, len(owners))
        entry = candidates[0].entry if outcome == "answer" else None
        return Match(outcome, entry, candidates[0].score, candidates, slots, spoken, "question")

    def match_all(self, text: str) -> tuple[Match, ...]:
        """One match per question of the message; the whole message when its parts do not each answer."""
        whole = self.match(text)
        parts = sentences(text)
        if len(parts) < 2 or spelled(text) in self._parts.written:
            return (whole,)
        found = {match.entry: match for match in map(self.match, parts) if match.outcome == "answer"}
        return tuple(found.values()) if len(found) > 1 else (whole,)

    def _rank(self, evidence: Evidence, owners: tuple[str, ...]) -> tuple[Candidate, ...]:
        """The likeliest first; `owners` are the entries that the words were written for."""
        found = [Candidate(key, round(SURE / len(owners), 4), {"written": 1.0}) for key in owners]
        # The calibrator knows how sure the first is; the others are no surer than those before them.
        chances = np.minimum.accumulate(self._parts.calibrator.probabilities(evidence.rows)).tolist()
        said = {view: votes.tolist() for view, votes in evidence.votes.items()}
        for place, entry in enumerate(evidence.entries[: SUGGESTIONS + len(owners)].tolist()):
            key = self._parts.index.keys[entry]
            if key not in owners:
                votes = {view: round(heard[place], 4) for view, heard in said.items()}
                found.append(Candidate(key, round(chances[place], 4), votes))
        return tuple(found[:SUGGESTIONS])

    def _outcome(self, score: float, owners: int) -> Outcome:
        if owners:
            return "answer" if owners == 1 else "suggest"
        limits = self._parts.thresholds
        return "answer" if score >= limits.answer else "suggest" if score >= limits.suggest else "none"
