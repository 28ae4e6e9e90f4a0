"""The ratings on the reports page: what buyers thought, who was asked, and the rows behind each figure."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from console.rules import Site
from tickets.ratings import SCORES
from tickets.satisfaction import Asking, Satisfaction, SatisfactionRow, satisfaction

SHOWN = 200  # rows

_FIGURES: dict[str, Callable[[SatisfactionRow], bool]] = {
    "ended": lambda row: True,
    "served": lambda row: row.asking != Asking.ALONE,
    "asked": lambda row: row.asking not in (Asking.ALONE, Asking.UNASKED),
}


@dataclass(frozen=True, slots=True)
class RatingsBlock:
    """The figure, and the rows that were asked for."""

    report: Satisfaction
    kind: str
    rows: list[SatisfactionRow]  # the latest first, `SHOWN` at most
    total: int

    @property
    def asked_share(self) -> str:
        return share(self.report.asked, self.report.served)

    @property
    def answered_share(self) -> str:
        return share(self.report.answered, self.report.asked)


def share(part: int, whole: int) -> str:
    """In percent, rounded down, so that 100 % means all."""
    return f"{part * 100 // whole} %" if whole else "–"


def rows_of(report: Satisfaction, kind: str) -> list[SatisfactionRow]:
    """The rows behind a figure: a score, an `Asking`, or one of the sums."""
    if kind in map(str, SCORES):
        return [row for row in report.rows if str(row.score) == kind]
    if kind in list(Asking):
        return [row for row in report.rows if row.asking == kind]
    return [row for row in report.rows if _FIGURES[kind](row)]


def is_known(kind: str) -> bool:
    return kind in {*_FIGURES, *Asking, *map(str, SCORES)}


async def read_ratings(
    session: AsyncSession, site: Site, start: datetime, end: datetime, now: datetime, kind: str
) -> RatingsBlock:
    """The block for the cycles that ended in [start, end); an unknown `kind` shows what was answered."""
    report = await satisfaction(session, start, end, now, site.desk.rules.ratings.answer_within)
    kind = kind if is_known(kind) else Asking.ANSWERED
    rows = rows_of(report, kind)
    return RatingsBlock(report, kind, rows[:SHOWN], len(rows))
