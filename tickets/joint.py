"""What merging and splitting do to clocks: the earlier due instant of two stays, a copy is due with its original."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from tickets import clocks
from tickets.rules import DeskRules
from tickets.tables import Clock, Cycle, Ending, Message, Metric, Outgoing, Pause, Sending, Ticket, id_of

# What a copy takes from its original; whether that was met is the original's own.
_COPIED = {"metric", "policy_id", "started_at", "due_at", "rung", "wake_at", "breached_at"}
# What is owed anew to a matter that was split off after its ticket had been answered.
_OWED = (Metric.HANDLING, Metric.FIRST_RESPONSE)


async def join(session: AsyncSession, now: datetime, source: Ticket, target: Ticket, rules: DeskRules) -> None:
    """End the source's cycle; the clocks that ran there go on in the target, none due later than before."""
    cycle = await clocks.get_cycle(session, target)
    # Held before the clocks, as a delivery takes them: it meets them here, or in the target.
    replies = await _replies_under_way(session, source)
    kept = {clock.metric: clock for clock in await clocks.running(session, target)}
    is_owed = not kept.keys().isdisjoint(clocks.ANSWERED)
    for clock in await clocks.end_cycle(session, now, source, Ending.MERGED):
        if clock.metric in kept:
            _keep_earlier(kept[clock.metric], clock)
            session.add(kept[clock.metric])
        else:  # each for itself: a reply under way answers the wait before it, and not the one after
            await _copy(session, clock, cycle)
    if not is_owed:  # else their delivery would answer the target's own matter, too
        for reply in replies:
            reply.ticket_id = target.id
            session.add(reply)
    # The clocks that pause follow from the pauses of both tickets, now and after the next pause.
    await clocks.reckon(session, [id_of(cycle)], rules)


async def divide(
    session: AsyncSession, now: datetime, ticket: Ticket, new: Ticket, since: datetime, rules: DeskRules
) -> None:
    """Give `new` the cycle of `ticket`: the same clocks, due in the same instants, and the same pauses until now.

    What `ticket` has been answered on is owed to `new` since `since`.
    """
    old = await clocks.get_cycle(session, ticket)
    cycle = Cycle(ticket_id=id_of(new), ordinal=1, opened_at=old.opened_at)
    session.add(cycle)
    await session.flush()
    for pause in (await session.exec(select(Pause).where(Pause.cycle_id == old.id))).all():
        # From now on the buyer is waited for in the old ticket alone.
        session.add(Pause(cycle_id=id_of(cycle), since=pause.since, until=pause.until or now))
    copies = [await _copy(session, clock, cycle) for clock in await clocks.running(session, ticket)]
    latest = {copy.id: copy.due_at for copy in copies}
    missing = set(_OWED) - {Metric(copy.metric) for copy in copies}
    await clocks.begin(session, since, cycle, new, rules, missing)
    await clocks.reckon(session, [id_of(cycle)], rules)
    for copy in copies:
        copy.due_at = min(copy.due_at, latest[copy.id])
        session.add(copy)


async def _replies_under_way(session: AsyncSession, ticket: Ticket) -> Sequence[Outgoing]:
    """What will handle this ticket when it is delivered; locked. By its messages: they have an index."""
    found = await session.exec(
        select(Outgoing)
        .join(Message, col(Message.id) == col(Outgoing.message_id))
        .where(Message.ticket_id == ticket.id, Outgoing.ticket_id == ticket.id)
        .where(Outgoing.state == Sending.QUEUED, col(Outgoing.handles).is_(True))
        .order_by(col(Outgoing.id))
        .with_for_update(of=Outgoing)
    )
    return found.all()


def _keep_earlier(kept: Clock, other: Clock) -> None:
    """The clock of two that is due first, with all that a sweep has done about it; begun when the older one was."""
    kept.started_at = min(kept.started_at, other.started_at)
    if other.due_at < kept.due_at:
        kept.due_at, kept.rung, kept.wake_at = other.due_at, other.rung, other.wake_at
        kept.breached_at = other.breached_at


async def _copy(session: AsyncSession, clock: Clock, cycle: Cycle) -> Clock:
    same = (Clock.cycle_id == cycle.id, Clock.metric == clock.metric)
    last = (await session.exec(select(func.max(Clock.ordinal)).where(*same))).one() or 0
    facts: dict[str, Any] = clock.model_dump(include=_COPIED)
    copy = Clock(ticket_id=cycle.ticket_id, cycle_id=id_of(cycle), ordinal=last + 1, **facts)
    session.add(copy)
    await session.flush()
    return copy
