"""The sweep: what was due and is not handled goes up, once, however many sweeps run and however late they are.

Deadlines stand on the clocks. A sweep only finds them and acts; nothing that a report says depends on when it ran.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

from sqlalchemy import ColumnElement, update
from sqlalchemy.exc import IntegrityError
from sqlmodel import and_, col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from tickets import lifecycle
from tickets.ladder import Ladder
from tickets.tables import Clock, Heartbeat, Level, Ticket, Trigger

ACTOR = "scheduler"
BEAT = "sweep"


class Database(Protocol):
    """Where transactions come from."""

    def reading(self) -> AbstractAsyncContextManager[AsyncSession]: ...
    def writing(self) -> AbstractAsyncContextManager[AsyncSession]: ...


@dataclass(frozen=True, slots=True)
class Sweep:
    """What a sweep did."""

    escalated: int = 0  # moved to the human queue
    late: int = 0  # late, but with people already
    late_by: timedelta = timedelta()  # how long after its due instant the latest of them was found


class Due(NamedTuple):
    """A clock whose due instant has passed."""

    clock_id: int
    ticket_id: int
    started_at: datetime
    due_at: datetime


def unacted() -> tuple[ColumnElement[bool], ...]:
    """The guard: nobody has handled, stopped or swept this clock."""
    return (col(Clock.met_at).is_(None), col(Clock.breached_at).is_(None), col(Clock.stopped_at).is_(None))


async def sweep(database: Database, clock: Callable[[], datetime], ladder: Ladder, limit: int = 200) -> Sweep:
    """Act on every clock that is past due, in order of due time, `limit` to a transaction, until none is left."""
    done, after = Sweep(), None
    while True:
        now = clock()
        async with database.reading() as session:
            batch = await find_due(session, now, after, limit)
        if not batch:
            break
        # Between the look and the act anything may happen to these clocks; the guard decides again.
        async with database.writing() as session:
            acted = await act(session, now, ladder, batch)
        after = batch[-1]
        done = Sweep(done.escalated + acted.escalated, done.late + acted.late, max(done.late_by, acted.late_by))
    async with database.writing() as session:
        await beat(session, now, {"escalated": done.escalated, "late": done.late})
    return done


async def find_due(session: AsyncSession, now: datetime, after: Due | None, limit: int) -> list[Due]:
    """The next `limit` clocks to act on. Not those due at `now` itself: they can still be met in this instant."""
    clocks = (
        select(Clock.id, Clock.ticket_id, Clock.started_at, Clock.due_at)
        .where(*unacted(), col(Clock.due_at) < now)
        .order_by(col(Clock.due_at), col(Clock.id))
        .limit(limit)
    )
    if after is not None:
        later = and_(col(Clock.due_at) == after.due_at, col(Clock.id) > after.clock_id)
        clocks = clocks.where(or_(col(Clock.due_at) > after.due_at, later))
    return [Due._make(row) for row in (await session.exec(clocks)).all()]


async def act(session: AsyncSession, now: datetime, ladder: Ladder, batch: Sequence[Due]) -> Sweep:
    """Breach what is still unhandled of `batch`, in this transaction, and move or report its tickets."""
    tickets = await _lock(session, {due.ticket_id for due in batch})
    breached = await session.exec(
        update(Clock)
        .where(col(Clock.id).in_([due.clock_id for due in batch if due.ticket_id in tickets]), *unacted())
        .values(breached_at=Clock.due_at)
        .returning(col(Clock.id))
        .execution_options(synchronize_session=False)
    )
    ours = set(breached.scalars().all())
    escalated = late = 0
    late_by = timedelta()
    for due in batch:
        if due.clock_id not in ours:
            continue
        late_by = max(late_by, now - due.due_at)
        ticket = tickets[due.ticket_id]
        if not lifecycle.is_active(ticket.phase):
            continue  # settled, only its last word is not delivered: late in the report, nothing left to do
        if await ladder.escalate(
            session, now, ticket, Level.HUMAN_QUEUE, Trigger.DUE, actor=ACTOR, due_at=due.due_at, since=due.started_at
        ):
            escalated += 1
        else:
            await ladder.report_late(session, now, ticket, actor=ACTOR, due_at=due.due_at, since=due.started_at)
            late += 1
    return Sweep(escalated, late, late_by)


async def next_due(session: AsyncSession) -> datetime | None:
    """The first instant at which a sweep will find something; the scheduler wakes then."""
    found = await session.exec(select(Clock.due_at).where(*unacted()).order_by(col(Clock.due_at)).limit(1))
    due_at = found.first()
    return None if due_at is None else due_at + timedelta.resolution


async def beat(session: AsyncSession, now: datetime, detail: dict[str, int]) -> None:
    """A sweep has ended well."""
    beaten = await session.exec(update(Heartbeat).where(col(Heartbeat.name) == BEAT).values(at=now, detail=detail))
    if beaten.rowcount == 0:
        try:
            async with session.begin_nested():
                session.add(Heartbeat(name=BEAT, at=now, detail=detail))
        except IntegrityError:
            pass  # another scheduler's first sweep ended in the same moment


async def heartbeat_age(session: AsyncSession, now: datetime) -> timedelta | None:
    """How long ago a sweep ended well; None before the first."""
    heartbeat = await session.get(Heartbeat, BEAT)
    return None if heartbeat is None else now - heartbeat.at


async def _lock(session: AsyncSession, ticket_ids: set[int]) -> dict[int, Ticket]:
    """Hold the tickets. One that another transaction holds is passed over; the next sweep looks at it again."""
    found = await session.exec(
        select(Ticket)
        .where(col(Ticket.id).in_(ticket_ids))
        .order_by(col(Ticket.id))
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True)
    )
    return {ticket.id: ticket for ticket in found.all() if ticket.id is not None}
