"""Rehearses the index on itself: each phrasing asks as if it were new, and again as if its whole entry were missing."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from faq.calibration import Calibrator, Doubles, Price, Thresholds, fit, thresholds
from faq.encoder import Encoder
from faq.evidence import Evidence
from faq.index import NOBODY, NONE_HELD, Index
from faq.inverted import Numbers
from faq.lesson import Lesson
from faq.noise import noisy, reworded
from faq.views import Sight

REHEARSED = 600  # phrasings that ask
TRUSTED = 100  # labelled questions that count as much as all rehearsed ones
_SUGGESTIONS = 3


@dataclass(frozen=True)
class Mix:
    """How often each kind of question is asked; shares of the whole, until labelled questions say better."""

    outside: float  # no entry answers it
    neighbours: float  # of those: it is about the things of an entry that is missing
    echoes: float  # of the rest: it resembles some phrasing in its words


# What the calibrator learns from: as much of the hard as of the easy.
LESSON = Mix(outside=0.2, neighbours=0.1, echoes=0.5)
# What the price is kept for: people mostly say what people say.
TRAFFIC = Mix(outside=0.08, neighbours=0.05, echoes=0.97)


@dataclass(frozen=True)
class Trial:
    """One question put to the index, the entry that is right (NOBODY: none is), and what spoke for which."""

    kind: str
    right: int
    evidence: Evidence

    @property
    def is_hit(self) -> bool:
        return bool(self.evidence.entries[0] == self.right)

    @property
    def is_reached(self) -> bool:
        return bool((self.evidence.entries[:_SUGGESTIONS] == self.right).any())


def sample(texts: Sequence[str], owners: Numbers, most: int) -> list[int]:
    """Up to `most` rows, from every entry as evenly as can be; the choice depends on the texts alone."""
    by_entry: dict[int, list[int]] = defaultdict(list)
    for row in sorted(range(len(texts)), key=lambda row: (hashlib.blake2b(texts[row].encode()).digest(), row)):
        by_entry[int(owners[row])].append(row)
    ranked = sorted((place, texts[row], row) for rows in by_entry.values() for place, row in enumerate(rows))
    return sorted(row for _, _, row in ranked[:most])


def rehearse(
    index: Index, lesson: Lesson | None, encoder: Encoder | None, labelled: int, price: Price
) -> tuple[Calibrator, Thresholds]:
    """What the phrasings call for, and the labelled questions, which are the last `labelled` rows."""
    trials = [*_phrasings(index, lesson, encoder), *_others(index, lesson, encoder, len(index.views.texts) - labelled)]
    kinds = [trial.kind for trial in trials]
    hits = np.array([trial.is_hit for trial in trials])
    rows = np.stack([trial.evidence.rows[0] for trial in trials])
    calibrator = fit(rows, hits, _weights(kinds, LESSON))
    reached = np.array([trial.is_reached for trial in trials])
    return calibrator, thresholds(calibrator.probabilities(rows), hits, reached, _weights(kinds, TRAFFIC), price)


def _phrasings(index: Index, lesson: Lesson | None, encoder: Encoder | None) -> Iterator[Trial]:
    """Sampled phrasings, clean and misspelt: themselves held out, their entry held out, reworded with all there."""
    asked = sample(index.views.texts[: index.spoken], index.owners[: index.spoken], REHEARSED)
    for change in (str, noisy):
        for row, sight in zip(
            asked, _seen(index, [change(index.views.texts[row]) for row in asked], encoder), strict=True
        ):
            entry = int(index.owners[row])
            held = index.rows_of(entry)
            if len(held) > 1:
                yield Trial("novel", entry, index.weigh(sight, np.array([row], np.int32), lesson))
            if len(index.keys) > 1:
                yield Trial("neighbour", NOBODY, index.weigh(sight, held, lesson))
        echoes = [change(reworded(index.views.texts[row])) for row in asked]
        for row, sight in zip(asked, _seen(index, echoes, encoder), strict=True):
            yield Trial("echo", int(index.owners[row]), index.weigh(sight, NONE_HELD, lesson))


def _others(index: Index, lesson: Lesson | None, encoder: Encoder | None, first_labelled: int) -> Iterator[Trial]:
    """The rows behind the phrasings, each with itself held out."""
    rows = range(index.spoken, len(index.views.texts))
    for row, sight in zip(rows, _seen(index, index.views.texts[index.spoken :], encoder), strict=True):
        right = int(index.owners[row])
        kind = "elsewhere" if row < first_labelled else "refused" if right == NOBODY else "confirmed"
        yield Trial(kind, right, index.weigh(sight, np.array([row], np.int32), lesson))


def _seen(index: Index, texts: list[str], encoder: Encoder | None) -> Iterator[Sight]:
    return index.views.look_each(index.views.queries(texts, encoder))


def _weights(kinds: list[str], mix: Mix) -> Doubles:
    """The weight of each trial, so that each kind weighs what the mix says; labelled ones push the rehearsed aside."""
    count = Counter(kinds)
    confirmed, refused = (count[kind] / (count[kind] + TRUSTED) for kind in ("confirmed", "refused"))
    share = {
        "novel": (1 - mix.outside) * (1 - confirmed) * (1 - mix.echoes),
        "echo": (1 - mix.outside) * (1 - confirmed) * mix.echoes,
        "confirmed": (1 - mix.outside) * confirmed,
        "neighbour": mix.outside * (1 - refused) * mix.neighbours,
        "elsewhere": mix.outside * (1 - refused) * (1 - mix.neighbours),
        "refused": mix.outside * refused,
    }
    return np.array([share[kind] / count[kind] for kind in kinds])
