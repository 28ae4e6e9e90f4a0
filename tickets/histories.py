"""How the time of a cycle went: when its buyer was waited for, and what the tickets merged into it bring along.

A merged ticket's clock goes on in the cycle that it joined: its own pauses count until then, those of that cycle after.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from tickets.hours import Pause as Stretch
from tickets.tables import Clock, Cycle, Ending, Pause, SlaPolicy, Ticket, id_of


@dataclass(frozen=True, slots=True)
class Part:
    """What one matter asks of a clock: a target from an instant on, outside of the pauses."""

    started_at: datetime
    target: timedelta
    calendar: str
    cap: timedelta
    pauses: Sequence[Stretch]


@dataclass
class History:
    """A cycle's pauses, and the matters that joined it, by metric."""

    opened_at: datetime
    pauses: list[Stretch]
    joined: dict[str, list[Part]] = field(default_factory=lambda: defaultdict(list))

    def parts(self, clock: Clock, policy: SlaPolicy) -> Iterator[Part]:
        """What `clock` must keep: the cycle's own promise, and those that joined it."""
        # A merge moves `started_at` back to that of the older ticket, whose time was another one.
        yield _part(max(clock.started_at, self.opened_at), policy, self.pauses)
        yield from self.joined[clock.metric]


def _part(started_at: datetime, policy: SlaPolicy, pauses: Sequence[Stretch]) -> Part:
    return Part(started_at, policy.target, policy.calendar, policy.pause_cap or timedelta(), pauses)


async def read(session: AsyncSession, cycle_ids: Collection[int]) -> dict[int, History]:
    """The histories of these cycles, each the latest of its ticket."""
    cycles = (await session.exec(select(Cycle).where(col(Cycle.id).in_(cycle_ids)))).all()
    pauses = await _pauses(session, cycle_ids)
    found = {id_of(cycle): History(cycle.opened_at, pauses[id_of(cycle)]) for cycle in cycles}
    # Of each ticket that others may have joined: since when, how the time went on there, and whose history it is.
    roots = {cycle.ticket_id: (cycle.opened_at, pauses[id_of(cycle)], found[id_of(cycle)]) for cycle in cycles}
    while roots:
        roots = await _joined(session, roots)
    return found


Roots = dict[int, tuple[datetime, list[Stretch], History]]


async def _joined(session: AsyncSession, roots: Roots) -> Roots:
    """Tell the histories of the tickets merged into `roots`; returns these tickets, which others may have joined."""
    found = await session.exec(
        select(Ticket.merged_into_id, Cycle)
        .join(Cycle, col(Cycle.ticket_id) == col(Ticket.id))
        .where(col(Ticket.merged_into_id).in_(roots), Cycle.outcome == Ending.MERGED)
    )
    ended = {id_of(cycle): (target or 0, cycle) for target, cycle in found.all()}
    pauses, clocks = await _pauses(session, ended), await _stopped(session, ended)
    later: Roots = {}
    for cycle_id, (target, cycle) in ended.items():
        since, after, history = roots[target]
        joined_at = cycle.resolved_at
        if joined_at is None or joined_at < since:
            continue  # it joined an earlier cycle, which is over
        stretches = [*pauses[cycle_id], *_from(after, joined_at)]
        for clock, policy in clocks[cycle_id]:
            if clock.stopped_at == joined_at:
                started_at = max(clock.started_at, cycle.opened_at)
                history.joined[clock.metric].append(_part(started_at, policy, stretches))
        later[cycle.ticket_id] = (cycle.opened_at, stretches, history)
    return later


def _from(stretches: Sequence[Stretch], at: datetime) -> list[Stretch]:
    return [Stretch(max(one.since, at), one.until) for one in stretches if one.until is None or one.until > at]


async def _pauses(session: AsyncSession, cycle_ids: Collection[int]) -> dict[int, list[Stretch]]:
    pauses: dict[int, list[Stretch]] = defaultdict(list)
    if cycle_ids:
        found = select(Pause).where(col(Pause.cycle_id).in_(cycle_ids)).execution_options(populate_existing=True)
        for one in (await session.exec(found)).all():
            pauses[one.cycle_id].append(Stretch(one.since, one.until))
    return pauses


async def _stopped(session: AsyncSession, cycle_ids: Collection[int]) -> dict[int, list[tuple[Clock, SlaPolicy]]]:
    """The pausing clocks of these cycles that ended without a verdict."""
    clocks: dict[int, list[tuple[Clock, SlaPolicy]]] = defaultdict(list)
    if cycle_ids:
        found = await session.exec(
            select(Clock, SlaPolicy)
            .join(SlaPolicy, col(SlaPolicy.id) == col(Clock.policy_id))
            .where(col(Clock.cycle_id).in_(cycle_ids), col(Clock.stopped_at).is_not(None))
            .where(col(SlaPolicy.pause_cap).is_not(None))
        )
        for clock, policy in found.all():
            clocks[clock.cycle_id].append((clock, policy))
    return clocks
