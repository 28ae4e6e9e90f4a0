"""What buyers asked and how each entry did in a period. Figures over the questions asked in it, whatever came later."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from faq.tables import FaqEntry, FaqQuestion


@dataclass(frozen=True)
class EntryFigures:
    """One entry in the period; every figure counts questions."""

    key: str
    asked: int = 0  # it was answered or among the suggestions
    answered: int = 0  # the bot was sure of it
    suggested: int = 0  # it was among the suggestions
    chosen: int = 0  # the buyer chose it
    helped: int = 0  # its answer got a thumbs-up
    missed: int = 0  # its answer got a thumbs-down, or the buyer chose another entry after it

    @property
    def judged(self) -> int:
        """The n of `helpful`."""
        return self.helped + self.missed

    @property
    def helpful(self) -> float | None:
        """The share of judged answers that helped; None when none was judged."""
        return self.helped / self.judged if self.judged else None


@dataclass(frozen=True)
class Figures:
    """All questions of a period, and every entry, the most asked first."""

    asked: int
    answered: int
    suggested: int
    none: int
    entries: tuple[EntryFigures, ...]


async def statistics(session: AsyncSession, start: datetime, end: datetime) -> Figures:
    """The figures over the questions asked from `start` on and before `end`."""
    query = select(FaqQuestion).where(col(FaqQuestion.asked_at) >= start, col(FaqQuestion.asked_at) < end)
    keys = (await session.exec(select(FaqEntry.key))).all()
    return figures((await session.exec(query)).all(), keys)


def figures(questions: Iterable[FaqQuestion], keys: Iterable[str] = ()) -> Figures:
    """The figures over these questions, for the entries `keys` and those that were met."""
    outcomes: Counter[str] = Counter()
    counts: dict[str, Counter[str]] = defaultdict(Counter, {key: Counter() for key in keys})
    for question in questions:
        outcomes[question.outcome] += 1
        for figure, key in _counted(question):
            counts[key][figure] += 1
    entries = [EntryFigures(key, **counted) for key, counted in counts.items()]
    return Figures(
        asked=outcomes.total(),
        answered=outcomes["answer"],
        suggested=outcomes["suggest"],
        none=outcomes["none"],
        entries=tuple(sorted(entries, key=lambda one: (-one.asked, one.key))),
    )


def _counted(question: FaqQuestion) -> Iterable[tuple[str, str]]:
    """The figures that one question raises, each with its entry."""
    answered = question.entry_key if question.outcome == "answer" else None
    offered = _offered(question) if question.outcome == "suggest" else []
    chosen = question.detail.get("chosen")
    if question.verdict not in (None, "helped", "missed"):
        chosen = question.verdict
    yield from (("asked", key) for key in offered)
    yield from (("suggested", key) for key in offered)
    if answered:
        yield from (("asked", answered), ("answered", answered))
    if chosen:
        yield "chosen", chosen
    if answered and chosen and chosen != answered:
        yield "missed", answered
    shown = chosen or answered
    if shown and question.verdict in ("helped", "missed"):
        yield question.verdict, shown


def _offered(question: FaqQuestion) -> list[str]:
    candidates = question.detail.get("candidates") or [question.entry_key]
    return [key for key in dict.fromkeys(candidates) if key]
