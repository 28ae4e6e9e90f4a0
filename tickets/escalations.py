"""The sweep: what was due and is not handled goes up, once, however many sweeps run and however late they are.

Deadlines stand on the clocks. A sweep only finds them and acts; nothing that a report says depends on when it ran.
"""

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from time import monotonic
from typing import Any, NamedTuple, Protocol

from sqlalchemy import ColumnElement, bindparam, update
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlmodel import and_, col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from audit import rows
from audit.once import add_once
from tickets import standing
from tickets.breaches import Breaches, find_told
from tickets.clocks import resume_cycles
from tickets.ladder import Ladder
from tickets.notices import find_staff
from tickets.rungs import WARNING
from tickets.tables import Clock, Heartbeat, Metric

BEAT = "sweep"
# Clocks to a transaction, at least and at most; between these as many as the machine moves in HOLD. What a transaction
# costs by itself is what dozens of clocks cost, so fewer would only make a slow machine slower.
LEAST, BATCH = 250, 1_000
HOLD = 0.125  # seconds for which other writers wait; where clocks lie far apart on the disk, one page takes longer
BEAT_EVERY = timedelta(seconds=20)  # of idle sweeps: writing costs more than looking


class Database(Protocol):
    """Where transactions come from."""

    def reading(self) -> AbstractAsyncContextManager[AsyncSession]: ...
    def writing(self) -> AbstractAsyncContextManager[AsyncSession]: ...


@dataclass(frozen=True, slots=True)
class Sweep:
    """What a sweep did."""

    escalated: int = 0  # moved to a higher level
    late: int = 0  # late, but with people already
    late_by: timedelta = timedelta()  # how long after its instant the latest of them was found
    clocks: int = 0  # acted on in all
    problems: tuple[Exception, ...] = ()  # why single clocks could not be acted on

    def and_then(self, other: "Sweep") -> "Sweep":
        return Sweep(
            self.escalated + other.escalated,
            self.late + other.late,
            max(self.late_by, other.late_by),
            self.clocks + other.clocks,
            self.problems + other.problems,
        )


class Due(NamedTuple):
    """A clock that has reached a rung of the ladder, as a look found it."""

    clock_id: int
    ticket_id: int
    rung: int
    wake_at: datetime


class Claimed(NamedTuple):
    """A clock that is this sweep's to act on, as it is now."""

    metric: str
    ordinal: int
    started_at: datetime
    due_at: datetime


def unacted(rung: int | None = None, now: datetime | None = None) -> tuple[ColumnElement[bool], ...]:
    """The guard: nobody has handled or stopped this clock, acted on this `rung` of it, or put it off beyond `now`."""
    running = (col(Clock.met_at).is_(None), col(Clock.stopped_at).is_(None))
    if rung is None:
        return (*running, col(Clock.wake_at).is_not(None))
    return (*running, col(Clock.rung) == rung, col(Clock.wake_at) < now)


async def sweep(database: Database, clock: Callable[[], datetime], ladder: Ladder, limit: int = BATCH) -> Sweep:
    """Act on every clock that has reached a rung, in order of time, up to `limit` to a transaction, until none is left.

    An idle tick is one look at an index and at the last beat: one of a clock that went wrong is no beat. A ticket that
    cannot be acted on raises ExceptionGroup when all others have been: without a beat, the watch raises the alarm.
    """
    now = clock()
    async with database.reading() as session:
        wake_at, beaten_at = await _look(session)
    if (wake_at is None or wake_at >= now) and beaten_at is not None and abs(now - beaten_at) < BEAT_EVERY:
        return Sweep()
    done = await _drain(database, clock, ladder, limit)
    if done.problems:
        raise ExceptionGroup("some due tickets cannot be acted on", done.problems)
    async with database.writing() as session:
        late_by = int(done.late_by.total_seconds())
        await beat(session, clock(), {"escalated": done.escalated, "late": done.late, "late_by": late_by})
    return done


@contextmanager
def _uncollected() -> Iterator[None]:
    """A batch makes ten thousands of objects and no cycle; looking for cycles among them takes a third of its time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


async def _drain(database: Database, clock: Callable[[], datetime], ladder: Ladder, limit: int) -> Sweep:
    """Pass over the due clocks until nothing is left: after an outage a clock may have several rungs to take."""
    done = passed = await _pass(database, clock, ladder, limit)
    while passed.clocks:
        passed = await _pass(database, clock, ladder, limit)
        done = replace(done.and_then(passed), problems=passed.problems)
    return done


async def _pass(database: Database, clock: Callable[[], datetime], ladder: Ladder, limit: int) -> Sweep:
    """Every due clock once, page by page."""
    done, after, size = Sweep(), None, min(LEAST, limit)
    while True:
        now = clock()
        async with database.reading() as session:
            batch = await find_due(session, now, after, size)
        if not batch:
            return done
        # Between the look and the act anything may happen to these clocks; the guard decides again.
        began = monotonic()
        with _uncollected():
            done = done.and_then(await _act_apart(database, now, ladder, batch))
        after, size = batch[-1], _next_size(size, monotonic() - began, limit)


def _next_size(size: int, seconds: float, limit: int) -> int:
    """How many clocks to take next, when so many took so long: twice as many, if others can wait for that.

    Doubled and halved, so that the sizes come again: each makes statements of its own, which the driver keeps.
    """
    after = min(2 * size, limit)
    while after > LEAST and after * seconds / size > HOLD:
        after //= 2
    return max(after, min(LEAST, limit))


async def _act_apart(database: Database, now: datetime, ladder: Ladder, batch: Sequence[Due]) -> Sweep:
    """Act in one transaction; where that fails, in one for each half: a bad ticket must not hold up the others."""
    try:
        async with database.writing() as session:
            return await act(session, now, ladder, batch)
    except (OperationalError, InterfaceError, OSError):  # the database is away: the same for every half
        raise
    except Exception as error:
        if len(batch) == 1:
            return Sweep(problems=(error,))
    middle = len(batch) // 2
    first = await _act_apart(database, now, ladder, batch[:middle])
    return first.and_then(await _act_apart(database, now, ladder, batch[middle:]))


async def _look(session: AsyncSession) -> tuple[datetime | None, datetime | None]:
    """The next rung of all, and when a sweep last ended well."""
    first = select(Clock.wake_at).where(*unacted()).order_by(col(Clock.wake_at)).limit(1).scalar_subquery()
    beaten = select(Heartbeat.at).where(Heartbeat.name == BEAT).scalar_subquery()
    found = await (await session.connection()).execute(select(first, beaten))
    wake_at, beaten_at = found.one()
    return wake_at, beaten_at


async def find_due(session: AsyncSession, now: datetime, after: Due | None, limit: int) -> list[Due]:
    """The next `limit` clocks to act on. Not those due at `now` itself: they can still be met in this instant."""
    columns = (getattr(Clock, name) for name in ("id", *Due._fields[1:]))
    clocks = (
        select(*columns)
        .where(*unacted(), col(Clock.wake_at) < now)
        .order_by(col(Clock.wake_at), col(Clock.id))
        .limit(limit)
    )
    if after is not None:
        later = and_(col(Clock.wake_at) == after.wake_at, col(Clock.id) > after.clock_id)
        clocks = clocks.where(or_(col(Clock.wake_at) > after.wake_at, later))
    found = await (await session.connection()).execute(clocks)
    return [Due._make(row) for row in found.all()]


async def act(session: AsyncSession, now: datetime, ladder: Ladder, batch: Sequence[Due]) -> Sweep:
    """Do what the rungs of `batch` ask for, in this transaction, where nobody has handled the clocks since."""
    tickets = await standing.lock(session, {due.ticket_id for due in batch})
    ours = await _claim(session, now, [due for due in batch if due.ticket_id in tickets])
    again = {due.ticket_id for due in batch if due.clock_id in ours and ours[due.clock_id].ordinal > 1}
    breaches = Breaches(now, ladder, await find_staff(session), await find_told(session, again))
    rungs, late_by = ladder.rules.rungs, timedelta()
    stepped: list[dict[str, Any]] = []
    breached: list[dict[str, Any]] = []
    for due in (due for due in batch if due.clock_id in ours):
        metric, _, started_at, due_at = ours[due.clock_id]
        rung = rungs.current(due.rung, due_at, now)
        late_by = max(late_by, now - rungs.at(rung, due_at))
        goes_on = breaches.fall(tickets[due.ticket_id], metric, rung, started_at, due_at) or rung == WARNING
        after = rungs.after(rung, due_at, now)
        wake_at = rungs.at(after, due_at) if goes_on and metric == Metric.HANDLING else None
        moved = {"clock": due.clock_id, "new_rung": after, "new_wake_at": wake_at}
        (stepped if rung == WARNING else breached).append(moved)
    await breaches.write(session)
    await _set(session, stepped, breached)
    if breaches.woken:
        await resume_cycles(session, breaches.woken, ladder.rules)
    return Sweep(breaches.escalated, breaches.late, late_by, len(ours))


async def _claim(session: AsyncSession, now: datetime, batch: Sequence[Due]) -> dict[int, Claimed]:
    """The guarded write: of any number of sweeps, one gets each clock, and none gets one that is not due any more."""
    ours: dict[int, Claimed] = {}
    connection = await session.connection()
    for rung in sorted({due.rung for due in batch}):
        claimed = await connection.execute(
            update(Clock)
            .where(col(Clock.id).in_([due.clock_id for due in batch if due.rung == rung]), *unacted(rung, now))
            .values(rung=rung + 1)
            .returning(*(getattr(Clock, name) for name in ("id", *Claimed._fields)))
        )
        ours.update((row[0] or 0, Claimed._make(row[1:])) for row in claimed.all())
    return ours


_STEP = (
    update(Clock)
    .where(col(Clock.id) == bindparam("clock"))
    .values(rung=bindparam("new_rung"), wake_at=bindparam("new_wake_at"))
)
_BREACH = _STEP.values(breached_at=col(Clock.due_at))  # the instant of the event, never of the tick


async def _set(session: AsyncSession, stepped: Sequence[dict[str, Any]], breached: Sequence[dict[str, Any]]) -> None:
    """What the clocks look like after their rungs."""
    connection = await session.connection()
    await rows.execute(connection, _STEP, stepped)
    await rows.execute(connection, _BREACH, breached)


async def next_due(session: AsyncSession) -> datetime | None:
    """The first instant at which a sweep will find something; the scheduler wakes then."""
    wake_at, _ = await _look(session)
    return None if wake_at is None else wake_at + timedelta.resolution


async def beat(session: AsyncSession, now: datetime, detail: dict[str, int]) -> None:
    """A sweep has ended well."""
    beaten = await session.exec(update(Heartbeat).where(col(Heartbeat.name) == BEAT).values(at=now, detail=detail))
    if beaten.rowcount == 0:
        # Another scheduler's first sweep may have ended in the same moment.
        await add_once(session, Heartbeat(name=BEAT, at=now, detail=detail))
