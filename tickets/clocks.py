"""Cycles, their clocks, and the versions of the targets. Clocks are started and met here; `sla` judges them."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from audit.trail import record
from tickets import sla
from tickets.errors import UnknownTicket
from tickets.rungs import DUE, Rungs
from tickets.tables import Clock, Cycle, Metric, SlaPolicy, Ticket, id_of


async def ensure_policy(session: AsyncSession, now: datetime, metric: Metric, target: timedelta) -> SlaPolicy:
    """The version that new clocks run under; a changed target becomes a new one, and running clocks keep theirs."""
    found = await session.exec(
        select(SlaPolicy).where(SlaPolicy.metric == metric).order_by(col(SlaPolicy.id).desc()).limit(1)
    )
    newest = found.first()
    if newest is not None and newest.target == target:
        return newest
    policy = SlaPolicy(metric=metric, target=target, since=now)
    session.add(policy)
    await session.flush()
    before = {"target": str(newest.target)} if newest else None
    record(session, now, "system", "policy.changed", f"metric:{metric}", before, {"target": str(target)})
    return policy


async def begin_cycle(
    session: AsyncSession, now: datetime, ticket: Ticket, targets: Mapping[Metric, timedelta], rungs: Rungs
) -> Cycle:
    """Open the next cycle of `ticket` with one clock per target."""
    latest = await find_cycle(session, ticket)
    cycle = Cycle(ticket_id=id_of(ticket), ordinal=latest.ordinal + 1 if latest else 1, opened_at=now)
    session.add(cycle)
    await session.flush()
    for metric, target in targets.items():
        policy = await ensure_policy(session, now, metric, target)
        due_at = sla.due(now, target)
        rung = rungs.first(now, due_at) if metric == Metric.HANDLING else DUE
        session.add(
            Clock(
                ticket_id=id_of(ticket),
                cycle_id=id_of(cycle),
                metric=metric,
                policy_id=id_of(policy),
                started_at=now,
                due_at=due_at,
                rung=rung,
                wake_at=rungs.at(rung, due_at),
            )
        )
    return cycle


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
    """Stop the handling clock that a message of `promised_at`, delivered at `at`, answers; False when none ran.

    A clock that started after the message was written is not its business: the buyer had come back by then.
    """
    met = await session.exec(
        update(Clock)
        .where(col(Clock.ticket_id) == ticket_id, col(Clock.metric) == Metric.HANDLING)
        .where(col(Clock.met_at).is_(None), col(Clock.stopped_at).is_(None), col(Clock.started_at) <= promised_at)
        .values(met_at=at)
    )
    return met.rowcount > 0
