"""From a buyer's words to one of three outcomes: a sure answer, a few suggestions, or none. Pure: no database, no clock."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from rapidfuzz import fuzz, process

from faq import slots as slot_finding
from faq.encoder import Encoder
from faq.errors import TooFewEntries
from faq.features import grams
from faq.inverted import Floats, InvertedIndex
from faq.phrasing import Entry
from faq.slots import Kind, Slot
from faq.syllables import sound
from faq.text import essence, language_of, sentences

Outcome = Literal["answer", "suggest", "none"]
SUGGESTIONS = 3


@dataclass(frozen=True)
class Price:
    """What a wrong answer costs: at most one in `wrong_in` answers may be wrong."""

    wrong_in: int = 50


@dataclass(frozen=True)
class Candidate:
    """One entry that may be meant; `votes` is what each view alone says of it, 0..1."""

    entry: str
    score: float
    votes: Mapping[str, float]


@dataclass(frozen=True)
class Match:
    """What was understood; `score` is the probability that `entry` is right."""

    outcome: Outcome
    entry: str | None
    score: float
    candidates: tuple[Candidate, ...]
    slots: tuple[Slot, ...]
    language: str
    kind: Kind


class Matcher:
    """Finds the entry that a message asks for. Built by `build`, never changed afterwards: swap it for a new one."""

    def __init__(self, texts: list[str], owners: list[str], encoder: Encoder | None) -> None:
        self._texts = texts
        self._keys = sorted(set(owners))
        place = {key: number for number, key in enumerate(self._keys)}
        self._owner = np.array([place[owner] for owner in owners])
        self._sounds = [sound(text) for text in texts]
        self._grams = InvertedIndex([grams(text) for text in texts])
        self._syllables = InvertedIndex([grams(text) for text in self._sounds])
        self._encoder = encoder
        self._vectors = encoder.encode(texts) if encoder else None

    @classmethod
    def build(cls, entries: Iterable[Entry], encoder: Encoder | None = None, price: Price = Price(),  # noqa: B008
              calibration: Iterable[tuple[str, str | None]] = ()) -> "Matcher":
        """A matcher over the entries' phrasings and questions; the same for any order of either. TooFewEntries."""
        asked = {(essence(text), entry.key) for entry in entries
                 for text in [*(phrasing.text for phrasing in entry.phrasings),
                              *(text.question for text in entry.texts.values())]}
        rows = sorted(row for row in asked if row[0])
        if not rows:
            raise TooFewEntries
        return cls([text for text, _ in rows], [key for _, key in rows], encoder)

    def match(self, text: str, language: str | None = None) -> Match:
        """The outcome for one message. Any `str` is taken."""
        slots, rest = slot_finding.extract(text)
        kind = slot_finding.kind_of(slots, rest)
        spoken = language or language_of(rest)
        if kind != "question":
            return Match("none", None, 0.0, (), slots, spoken, kind)
        plain = essence(slot_finding.without_swearing(essence(rest)))
        votes = {view: self._best(scores) for view, scores in self._views(plain).items()}
        return self._decide(votes, slots, spoken)

    def match_all(self, text: str) -> tuple[Match, ...]:
        """One match per question of the message; the whole message when its parts do not each answer."""
        whole = self.match(text)
        parts = sentences(text)
        if len(parts) < 2:
            return (whole,)
        found = {match.entry: match for match in map(self.match, parts) if match.outcome == "answer"}
        return tuple(found.values()) if len(found) > 1 else (whole,)

    def _views(self, plain: str) -> dict[str, Floats]:
        heard = sound(plain)
        by_grams, _ = self._grams.scores(grams(plain))
        by_sound, _ = self._syllables.scores(grams(heard))
        views = {
            "letters": np.asarray(process.cdist([plain], self._texts, scorer=fuzz.ratio)[0], np.float32) / 100,
            "grams": by_grams,
            "sound": by_sound,
        }
        if self._encoder is not None and self._vectors is not None:
            views["meaning"] = self._vectors @ self._encoder.encode([plain])[0]
        return views

    def _best(self, scores: Floats) -> Floats:
        best = np.zeros(len(self._keys), np.float32)
        np.maximum.at(best, self._owner, scores)
        return best

    def _decide(self, votes: Mapping[str, Floats], slots: tuple[Slot, ...], language: str) -> Match:
        weights = {"letters": 0.1, "grams": 0.2, "sound": 0.2, "meaning": 0.5}
        total = sum(weights[view] for view in votes)
        fused = sum(weights[view] * scores for view, scores in votes.items()) / total
        order = np.argsort(-np.round(fused, 6), kind="stable")[:SUGGESTIONS]
        candidates = tuple(Candidate(self._keys[place], float(fused[place]),
                                     {view: float(scores[place]) for view, scores in votes.items()}) for place in order)
        margin = float(fused[order[0]] - fused[order[1]]) if len(order) > 1 else 1.0
        score = float(1 / (1 + np.exp(-(12 * (float(fused[order[0]]) - 0.55) + 10 * margin))))
        outcome: Outcome = "answer" if score >= 0.85 else "suggest" if score >= 0.2 else "none"
        return Match(outcome, candidates[0].entry if outcome == "answer" else None, score, candidates, slots, language,
                     "question")
