"""All phrasings with the views over them and the head, and the evidence they give for a question."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from faq.axes import Meanings
from faq.encoder import Encoder
from faq.evidence import Evidence, bring_forward, fused, gather
from faq.head import NOBODY, Head
from faq.inverted import Floats, Numbers
from faq.views import Query, Sight, Views

if TYPE_CHECKING:  # a lesson takes scipy, which only a build loads
    from faq.lesson import Lesson

NONE_HELD = np.zeros(0, np.int32)


class Index:
    """Rows up to `spoken` are phrasings, by entry; behind them questions that are taught but never vote."""

    def __init__(
        self,
        keys: Sequence[str],
        texts: Sequence[str],
        owners: Numbers,
        spoken: int,
        encoder: Encoder | None,
        meanings: Meanings | None,
    ) -> None:
        self.keys = tuple(keys)
        self.owners = owners
        self.spoken = spoken
        self.starts = np.searchsorted(owners[:spoken], np.arange(len(keys)))
        self.views = Views(texts, spoken, encoder, meanings)
        self.head: Head | None = None

    def rows_of(self, entry: int) -> Numbers:
        """Every row that belongs to the entry, labelled questions too; NOBODY's are those out of scope."""
        return np.flatnonzero(self.owners == entry).astype(np.int32)

    def evidence(self, query: Query) -> Evidence:
        """What speaks for which entry."""
        return self.weigh(self.views.look(query), NONE_HELD, None)

    def weigh(self, sight: Sight, held: Numbers, lesson: "Lesson | None") -> Evidence:
        """The evidence of a sight as if the rows `held` had never been there.

        Taking them out of the head takes the lesson.
        """
        best = self._best(sight, held)
        together = fused(best)
        entries = bring_forward(best, together)
        return gather(best, together, entries, self._vote(sight, entries, held, lesson))

    def _best(self, sight: Sight, held: Numbers) -> dict[str, Floats]:
        found = {}
        for view, scores in sight.by.items():
            spoken = scores[: self.spoken]
            if len(held):
                spoken = spoken.copy()
                spoken[held[held < self.spoken]] = 0
            found[view] = np.maximum.reduceat(spoken, self.starts)
        return found

    def _vote(self, sight: Sight, entries: Numbers, held: Numbers, lesson: "Lesson | None") -> Floats | None:
        if self.head is None:
            return None
        alike, entries = self.head.alike(sight), np.append(entries, np.int32(NOBODY))
        if lesson is None or not len(held):
            return self.head.scores(alike, entries)
        places = np.flatnonzero(np.isin(self.head.rows, held)).astype(np.int32)
        return lesson.without(alike, places, entries)


__all__ = ["NOBODY", "NONE_HELD", "Index"]
