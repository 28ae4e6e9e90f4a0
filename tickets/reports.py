"""Figures that can be trusted: each states its cohort and instant, counts what is late or open, leads to its rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from tickets import sla
from tickets.sla import Verdict
from tickets.tables import Clock, Metric, Ticket


@dataclass(frozen=True, slots=True)
class AttainmentRow:
    """One clock of the cohort."""

    ticket_id: int
    number: str
    started_at: datetime
    due_at: datetime
    met_at: datetime | None
    verdict: Verdict
    elapsed: timedelta  # until handled, or so far


@dataclass(frozen=True, slots=True)
class Attainment:
    """How the handling promise was kept: of the clocks that fell due from `start` up to `end`, as of `as_of`.

    Calendar hours. Times are of every clock that is not excluded: an open one counts with its time so far.
    """

    start: datetime
    end: datetime
    as_of: datetime
    rows: tuple[AttainmentRow, ...]  # in order of due time

    @property
    def n(self) -> int:
        """Clocks that the promise was made on: met, breached and running."""
        return len(self._counted)

    @property
    def met(self) -> int:
        return self._count(Verdict.MET)

    @property
    def breached(self) -> int:
        """Handled late, or late and still open."""
        return self._count(Verdict.BREACHED)

    @property
    def breached_open(self) -> int:
        """Late and still not handled."""
        return sum(1 for row in self.rows if row.verdict == Verdict.BREACHED and row.met_at is None)

    @property
    def running(self) -> int:
        """Not due yet, and not handled."""
        return self._count(Verdict.RUNNING)

    @property
    def excluded(self) -> int:
        """Stopped before they were due: merged, spam."""
        return self._count(Verdict.EXCLUDED)

    @property
    def share(self) -> float | None:
        """met ÷ (met + breached); None when nothing is decided."""
        decided = self.met + self.breached
        return self.met / decided if decided else None

    @property
    def median(self) -> timedelta | None:
        return self.percentile(50)

    @property
    def p90(self) -> timedelta | None:
        return self.percentile(90)

    @property
    def p95(self) -> timedelta | None:
        return self.percentile(95)

    def percentile(self, share: int) -> timedelta | None:
        """The nearest-rank percentile of the handling time."""
        return nearest_rank(sorted(row.elapsed for row in self._counted), share)

    @property
    def _counted(self) -> list[AttainmentRow]:
        return [row for row in self.rows if row.verdict != Verdict.EXCLUDED]

    def _count(self, verdict: Verdict) -> int:
        return sum(1 for row in self.rows if row.verdict == verdict)


def nearest_rank(ordered: Sequence[timedelta], share: int) -> timedelta | None:
    """The smallest value that at least `share` percent of the values do not exceed; None of nothing."""
    return ordered[max(0, ceil(len(ordered) * share / 100) - 1)] if ordered else None


async def attainment(session: AsyncSession, start: datetime, end: datetime, now: datetime) -> Attainment:
    """The 24 h promise over the clocks due in [start, end), judged by their instants as of `now`."""
    found = await session.exec(
        select(Clock, Ticket.number)
        .join(Ticket, col(Ticket.id) == col(Clock.ticket_id))
        .where(Clock.metric == Metric.HANDLING, col(Clock.due_at) >= start, col(Clock.due_at) < end)
        .order_by(col(Clock.due_at), col(Clock.id))
    )
    rows = tuple(_judge(clock, number, now) for clock, number in found.all())
    return Attainment(start=start, end=end, as_of=now, rows=rows)


def _judge(clock: Clock, number: str, now: datetime) -> AttainmentRow:
    return AttainmentRow(
        ticket_id=clock.ticket_id,
        number=number,
        started_at=clock.started_at,
        due_at=clock.due_at,
        met_at=clock.met_at,
        verdict=sla.verdict(clock.due_at, clock.met_at, clock.stopped_at, now),
        elapsed=sla.elapsed(clock.started_at, clock.met_at, clock.stopped_at, now),
    )
