"""Figures that can be trusted: each states its cohort and instant, counts what is late or open, leads to its rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from tickets import histories, hours, sla
from tickets.histories import History
from tickets.rules import DeskRules
from tickets.sla import Verdict
from tickets.tables import Clock, Metric, SlaPolicy, Ticket

PAGE = 5_000  # cycles whose pauses are read at once


@dataclass(frozen=True, slots=True)
class AttainmentRow:
    """One clock of the cohort."""

    ticket_id: int
    number: str
    started_at: datetime
    due_at: datetime
    met_at: datetime | None
    verdict: Verdict
    elapsed: timedelta  # until met, or so far; in the hours of the promise


@dataclass(frozen=True, slots=True)
class Attainment:
    """How a promise was kept: of the clocks of one metric that fell due from `start` up to `end`, as of `as_of`.

    Times are counted as the promise was: in the hours of its calendar, without the pauses that its cap allows. They
    are of every clock that is not excluded: an open one counts with its time so far.
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
        """The nearest-rank percentile of the times."""
        return nearest_rank(sorted(row.elapsed for row in self._counted), share)

    @property
    def _counted(self) -> list[AttainmentRow]:
        return [row for row in self.rows if row.verdict != Verdict.EXCLUDED]

    def _count(self, verdict: Verdict) -> int:
        return sum(1 for row in self.rows if row.verdict == verdict)


def nearest_rank(ordered: Sequence[timedelta], share: int) -> timedelta | None:
    """The smallest value that at least `share` percent of the values do not exceed; None of nothing."""
    return ordered[max(0, ceil(len(ordered) * share / 100) - 1)] if ordered else None


async def attainment(
    session: AsyncSession,
    start: datetime,
    end: datetime,
    now: datetime,
    rules: DeskRules,
    metric: Metric = Metric.HANDLING,
) -> Attainment:
    """A promise over its clocks due in [start, end), judged by their instants as of `now`."""
    found = await session.exec(
        select(Clock, SlaPolicy, Ticket.number)
        .join(Ticket, col(Ticket.id) == col(Clock.ticket_id))
        .join(SlaPolicy, col(SlaPolicy.id) == col(Clock.policy_id))
        .where(Clock.metric == metric, col(Clock.due_at) >= start, col(Clock.due_at) < end)
        .order_by(col(Clock.due_at), col(Clock.id))
    )
    cohort = found.all()
    told = await _histories(session, [clock for clock, policy, _ in cohort if policy.pause_cap is not None])
    rows = tuple(
        _judge(clock, number, now, _elapsed(clock, policy, now, rules, told.get(clock.cycle_id)))
        for clock, policy, number in cohort
    )
    return Attainment(start=start, end=end, as_of=now, rows=rows)


async def _histories(session: AsyncSession, pausing: Sequence[Clock]) -> dict[int, History]:
    """By cycle. What was merged into a ticket counts in its latest cycle."""
    told: dict[int, History] = {}
    latest = {clock.ticket_id: clock.cycle_id for clock in sorted(pausing, key=lambda clock: clock.cycle_id)}
    earlier = {clock.cycle_id for clock in pausing} - set(latest.values())
    for cycle_ids in (sorted(latest.values()), sorted(earlier)):
        for first in range(0, len(cycle_ids), PAGE):
            told |= await histories.read(session, cycle_ids[first : first + PAGE])
    for cycle_id in earlier:
        told[cycle_id].joined.clear()
    return told


def _elapsed(clock: Clock, policy: SlaPolicy, now: datetime, rules: DeskRules, history: History | None) -> timedelta:
    """How long it took as the promise counts; of matters that were merged the one that waited longest."""
    ended_at = clock.met_at or clock.stopped_at or now
    if history is None:
        return hours.elapsed(rules.calendar(policy.calendar), clock.started_at, ended_at)
    return max(
        hours.elapsed(rules.calendar(part.calendar), part.started_at, ended_at, part.pauses, part.cap)
        for part in history.parts(clock, policy)
    )


def _judge(clock: Clock, number: str, now: datetime, elapsed: timedelta) -> AttainmentRow:
    return AttainmentRow(
        ticket_id=clock.ticket_id,
        number=number,
        started_at=clock.started_at,
        due_at=clock.due_at,
        met_at=clock.met_at,
        verdict=sla.verdict(clock.due_at, clock.met_at, clock.stopped_at, now),
        elapsed=elapsed,
    )
