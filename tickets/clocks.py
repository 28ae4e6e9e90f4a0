"""Cycles, their clocks, and the versions of the policies: clocks are started, paused and met here; `sla` judges."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Update, bindparam, case, func, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from audit.trail import record
from tickets import histories, hours
from tickets.errors import UnknownTicket
from tickets.rules import DeskRules
from tickets.rungs import DUE
from tickets.sla import Matter, Policy, choose
from tickets.tables import (
    Buyer,
    Clock,
    Conversation,
    Cycle,
    Ending,
    Message,
    Metric,
    Outgoing,
    Pause,
    Sending,
    SlaPolicy,
    Ticket,
    id_of,
)
from tickets.turns import take_turn

# What the delivery of a human reply, or of an outcome, answers.
ANSWERED = (Metric.HANDLING, Metric.FIRST_RESPONSE, Metric.NEXT_RESPONSE)


async def ensure_policy(session: AsyncSession, now: datetime, policy: Policy) -> SlaPolicy:
    """The version that new clocks run under; a changed policy becomes a new one, and running clocks keep theirs.

    Of several processes that come with the same change, one writes it.
    """
    newest = await _newest(session, policy)
    if newest is None or _facts(newest) != _facts(policy):
        await take_turn(session, now, "policies")
        newest = await _newest(session, policy)
    before, wanted = _facts(newest) if newest else None, _facts(policy)
    if newest is not None and before == wanted:
        return newest
    version = SlaPolicy(
        metric=policy.metric,
        name=policy.name,
        target=policy.target,
        calendar=policy.calendar,
        pause_cap=policy.pause_cap,
        since=now,
    )
    session.add(version)
    await session.flush()
    record(session, now, "system", "policy.changed", f"metric:{policy.metric}", _told(before), _told(wanted))
    return version


async def _newest(session: AsyncSession, policy: Policy) -> SlaPolicy | None:
    versions = select(SlaPolicy).where(SlaPolicy.metric == policy.metric, SlaPolicy.name == policy.name)
    return (await session.exec(versions.order_by(col(SlaPolicy.id).desc()).limit(1))).first()


def _facts(policy: Policy | SlaPolicy) -> dict[str, Any]:
    return {"target": policy.target, "calendar": policy.calendar, "pause_cap": policy.pause_cap}


def _told(policy: dict[str, Any] | None) -> dict[str, Any] | None:
    return None if policy is None else {name: str(value) for name, value in policy.items() if value is not None}


async def policies_of(session: AsyncSession, ticket: Ticket, rules: DeskRules) -> dict[Metric, Policy]:
    """What the desk promises for a ticket like this."""
    buyer = await session.get_one(Buyer, ticket.buyer_id)
    conversation = await session.get_one(Conversation, ticket.conversation_id)
    return choose(rules.promises, Matter(buyer.tier, ticket.category, conversation.channel, ticket.product))


async def begin_cycle(session: AsyncSession, now: datetime, ticket: Ticket, rules: DeskRules) -> Cycle:
    """Open the next cycle of `ticket` with a clock for each promise that begins with it."""
    latest = await find_cycle(session, ticket)
    cycle = Cycle(ticket_id=id_of(ticket), ordinal=latest.ordinal + 1 if latest else 1, opened_at=now)
    session.add(cycle)
    await session.flush()
    await begin(session, now, cycle, ticket, rules, set(Metric) - {Metric.NEXT_RESPONSE})
    return cycle


async def begin(
    session: AsyncSession, at: datetime, cycle: Cycle, ticket: Ticket, rules: DeskRules, metrics: Collection[Metric]
) -> None:
    """Start the clocks of these metrics, where the desk promises them, as of `at`."""
    for metric, policy in (await policies_of(session, ticket, rules)).items():
        if metric in metrics:
            await _start(session, at, cycle, policy, rules)


async def begin_wait(
    session: AsyncSession,
    now: datetime,
    ticket: Ticket,
    rules: DeskRules,
    metrics: Collection[Metric] = (Metric.HANDLING, Metric.NEXT_RESPONSE),
) -> None:
    """An answered ticket owes an answer again: of what each wait is promised, start what does not run for this one."""
    waits = await unanswered(session, ticket)
    if any(clock.metric == Metric.FIRST_RESPONSE or _is_first(clock) for clock in waits):
        return  # nobody has answered yet: what began with the cycle runs
    cycle, running_now = await get_cycle(session, ticket), {clock.metric for clock in waits}
    for metric, policy in (await policies_of(session, ticket, rules)).items():
        if metric in metrics and metric not in running_now:
            same = (Clock.cycle_id == cycle.id, Clock.metric == metric)
            last = (await session.exec(select(func.max(Clock.ordinal)).where(*same))).one() or 0
            await _start(session, now, cycle, policy, rules, ordinal=last + 1)


def _is_first(clock: Clock) -> bool:
    return clock.metric == Metric.HANDLING and clock.ordinal == 1


async def _start(
    session: AsyncSession, now: datetime, cycle: Cycle, policy: Policy, rules: DeskRules, ordinal: int = 1
) -> None:
    version = await ensure_policy(session, now, policy)
    due_at = hours.due(rules.calendar(policy.calendar), now, policy.target)
    rung = rules.rungs.first(now, due_at) if policy.metric == Metric.HANDLING else DUE
    session.add(
        Clock(
            ticket_id=cycle.ticket_id,
            cycle_id=id_of(cycle),
            metric=policy.metric,
            ordinal=ordinal,
            policy_id=id_of(version),
            started_at=now,
            due_at=due_at,
            rung=rung,
            wake_at=rules.rungs.at(rung, due_at),
        )
    )


async def find_cycle(session: AsyncSession, ticket: Ticket) -> Cycle | None:
    """The latest cycle of `ticket`; None before its first."""
    found = await session.exec(
        select(Cycle).where(Cycle.ticket_id == ticket.id).order_by(col(Cycle.ordinal).desc()).limit(1)
    )
    return found.first()


async def get_cycle(session: AsyncSession, ticket: Ticket) -> Cycle:
    """The cycle that `ticket` is in, or was in last."""
    cycle = await find_cycle(session, ticket)
    if cycle is None:
        raise UnknownTicket(ticket=ticket.id)
    return cycle


async def meet_handling(session: AsyncSession, at: datetime, ticket_id: int, *, promised_at: datetime) -> bool:
    """Stop the clocks that a message of `promised_at`, delivered at `at`, answers; False when no handling clock ran.

    A clock that started after the message was written is not its business: the buyer had come back by then.
    """
    met = await session.exec(
        update(Clock)
        .where(col(Clock.ticket_id) == ticket_id, col(Clock.metric).in_(ANSWERED))
        .where(*is_running(), col(Clock.started_at) <= promised_at)
        .values(met_at=at)
        .returning(col(Clock.metric))
        .execution_options(synchronize_session="fetch")
    )
    return Metric.HANDLING in met.scalars().all()


async def meet_resolution(session: AsyncSession, at: datetime, cycle: Cycle) -> None:
    """The cycle has ended: nobody is waited for any more."""
    await session.exec(_still_paused([id_of(cycle)]).values(until=at))
    mine = (col(Clock.cycle_id) == cycle.id, col(Clock.metric) == Metric.RESOLUTION)
    await session.exec(update(Clock).where(*mine, *is_running()).values(met_at=at))


def count_silence(now: datetime, ticket: Ticket, rules: DeskRules) -> None:
    """The buyer's silence counts from now on."""
    ticket.warned_at, ticket.closes_at = None, now + rules.silence_warned_after


async def pause(session: AsyncSession, now: datetime, ticket: Ticket, rules: DeskRules) -> None:
    """The buyer is waited for from now on; if they were before, only the count of their silence begins anew."""
    count_silence(now, ticket, rules)
    session.add(ticket)
    cycle = await get_cycle(session, ticket)
    open_pause = select(Pause.id).where(Pause.cycle_id == cycle.id, col(Pause.until).is_(None))
    if (await session.exec(open_pause)).first() is None:
        session.add(Pause(cycle_id=id_of(cycle), since=now))
        await reckon(session, [id_of(cycle)], rules)


async def resume(session: AsyncSession, now: datetime, ticket: Ticket, rules: DeskRules) -> None:
    """The buyer is waited for no longer."""
    await resume_cycles(session, {id_of(await get_cycle(session, ticket)): now}, rules)


async def resume_cycles(session: AsyncSession, ended: Mapping[int, datetime], rules: DeskRules) -> None:
    """As `resume`, for the tickets whose latest cycles these are, each at its own instant: that of the event.

    A pause that began after it has lasted no time: who looks late gives nobody more of it.
    """
    await session.flush()
    rows = [{"cycle": cycle_id, "ended_at": at} for cycle_id, at in ended.items()]
    await (await session.connection()).execute(_END, rows)
    await reckon(session, list(ended), rules)


async def end_cycle(session: AsyncSession, at: datetime, ticket: Ticket, ending: Ending) -> list[Clock]:
    """End the latest cycle without an outcome, and its running clocks without a verdict; returns those clocks.

    A cycle that has ended keeps its end.
    """
    cycle = await get_cycle(session, ticket)
    if cycle.resolved_at is None:
        cycle.resolved_at, cycle.outcome = at, ending
        session.add(cycle)
    await session.exec(_still_paused([id_of(cycle)]).values(until=at))
    stopped = await running(session, ticket)
    for clock in stopped:
        clock.stopped_at = at
        session.add(clock)
    await session.flush()
    return stopped


async def go_on(session: AsyncSession, cycle: Cycle) -> list[datetime]:
    """Undo the end of this cycle: its clocks run again, due when they were. Returns since when answers are owed."""
    ended_at, cycle.resolved_at, cycle.outcome = cycle.resolved_at, None, None
    session.add(cycle)
    found = await session.exec(select(Clock).where(Clock.cycle_id == cycle.id, Clock.stopped_at == ended_at))
    clocks = list(found.all())
    for clock in clocks:
        clock.stopped_at = None
        session.add(clock)
    await session.flush()
    return [clock.started_at for clock in clocks if clock.metric in ANSWERED]


async def running(session: AsyncSession, ticket: Ticket) -> list[Clock]:
    """The clocks of this ticket that still run, the oldest first."""
    await session.flush()
    mine = select(Clock).where(Clock.ticket_id == ticket.id, *is_running()).order_by(col(Clock.id))
    return list((await session.exec(mine.execution_options(populate_existing=True))).all())


async def owes_answer(session: AsyncSession, ticket: Ticket) -> bool:
    """Whether a promise to answer the buyer still runs."""
    return any(clock.metric in ANSWERED for clock in await running(session, ticket))


async def unanswered(session: AsyncSession, ticket: Ticket) -> list[Clock]:
    """The running clocks of answers that nobody has written yet: what is on its way to the buyer answers its own."""
    await session.flush()
    # By its messages: they have an index by ticket, and the outbox has none.
    reply = (
        select(Outgoing.id)
        .join(Message, col(Message.id) == col(Outgoing.message_id))
        .where(Message.ticket_id == Clock.ticket_id, Outgoing.ticket_id == Clock.ticket_id)
        .where(Outgoing.state == Sending.QUEUED, col(Outgoing.handles), col(Outgoing.created_at) >= Clock.started_at)
        .exists()
    )
    mine = (col(Clock.ticket_id) == ticket.id, col(Clock.metric).in_(ANSWERED), *is_running(), ~reply)
    found = select(Clock).where(*mine).order_by(col(Clock.started_at), col(Clock.id))
    return list((await session.exec(found.execution_options(populate_existing=True))).all())


async def unanswered_since(session: AsyncSession, ticket: Ticket) -> datetime | None:
    """Since when the buyer waits for words that nobody has written yet."""
    return next((clock.started_at for clock in await unanswered(session, ticket)), None)


async def reckon(session: AsyncSession, cycle_ids: Collection[int], rules: DeskRules) -> None:
    """When the clocks that pause are due, from the recorded pauses and the version that each runs under.

    The clock of a ticket that others were merged into is due as soon as the first of them all.
    """
    await session.flush()
    found = await session.exec(
        select(Clock, SlaPolicy)
        .join(SlaPolicy, col(SlaPolicy.id) == col(Clock.policy_id))
        .where(col(Clock.cycle_id).in_(cycle_ids), *is_running(), col(SlaPolicy.pause_cap).is_not(None))
    )
    pausing = found.all()
    told = await histories.read(session, {clock.cycle_id for clock, _ in pausing})
    for clock, policy in pausing:
        clock.due_at = min(
            hours.due(rules.calendar(part.calendar), part.started_at, part.target, part.pauses, part.cap)
            for part in told[clock.cycle_id].parts(clock, policy)
        )
        if clock.wake_at is not None:
            clock.wake_at = rules.rungs.at(clock.rung, clock.due_at)
        session.add(clock)
    await session.flush()


_ENDED_AT = bindparam("ended_at", type_=Pause.__table__.c.until.type)  # type: ignore[attr-defined]
_END = (
    update(Pause)
    .where(col(Pause.cycle_id) == bindparam("cycle"), col(Pause.until).is_(None))
    .values(until=case((col(Pause.since) > _ENDED_AT, col(Pause.since)), else_=_ENDED_AT))
)


def _still_paused(cycle_ids: Collection[int]) -> Update:
    return update(Pause).where(col(Pause.cycle_id).in_(cycle_ids), col(Pause.until).is_(None))


def is_running() -> tuple[ColumnElement[bool], ...]:
    """Not met, and not ended without a verdict."""
    return (col(Clock.met_at).is_(None), col(Clock.stopped_at).is_(None))
