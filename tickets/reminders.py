"""Notices given again: those that nobody has seen in time, and those that there was nobody to give to."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, func, update
from sqlmodel import col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from audit.trail import record
from tickets import lifecycle
from tickets.notices import Staff, find_staff, written
from tickets.rules import DeskRules
from tickets.tables import Agent, Level, Notice, Phase, Ticket

ACTOR = "scheduler"
PAGE = 500  # notices in one transaction


async def remind(session: AsyncSession, now: datetime, rules: DeskRules) -> int:
    """Give the unseen notices of moved tickets again, where nobody else has taken the ticket; returns how many.

    One at a time may run; `rules.reminders` says when and how often.
    """
    chosen = rules.reminders
    last = func.max(func.coalesce(Notice.not_before, Notice.created_at))
    found = await session.exec(
        select(Notice.agent_id, Notice.text, Ticket.id, Ticket.level)
        .join(Ticket, col(Ticket.id) == col(Notice.ticket_id))
        .join(Agent, col(Agent.id) == col(Notice.agent_id))
        .where(col(Notice.seen_at).is_(None), Ticket.phase == Phase.OPEN, col(Ticket.level) > Level.BOT_LANE)
        .where(col(Ticket.snoozed_until).is_(None), col(Agent.is_active), col(Agent.is_away).is_(False))
        .where(or_(col(Ticket.assignee_id).is_(None), col(Ticket.assignee_id) == col(Notice.agent_id)))
        .group_by(col(Notice.agent_id), col(Notice.text), col(Ticket.id), col(Ticket.level))
        .having(last <= now - chosen.after, func.count() <= chosen.times)
        .order_by(last, col(Ticket.id))
        .limit(PAGE)
    )
    told: dict[int, list[str]] = defaultdict(list)
    for agent_id, text, ticket_id, level in found.all():
        session.add_all(Notice(**row) for row in written(now, rules.quiet, ticket_id, level, text, [agent_id or 0]))
        told[ticket_id or 0].append(f"agent:{agent_id}")
    _record(session, now, "notice.repeated", told)
    return sum(map(len, told.values()))


async def deliver_late(session: AsyncSession, now: datetime, rules: DeskRules) -> int:
    """Give what nobody could be told to whoever is there by now; returns how many were left over until now.

    What is settled meanwhile need not be told any more.
    """
    found = await session.exec(
        select(Notice, Ticket)
        .join(Ticket, col(Ticket.id) == col(Notice.ticket_id), isouter=True)
        .where(*is_undeliverable())
        .order_by(col(Notice.id))
        .limit(PAGE)
    )
    waiting = found.all()
    staff = await find_staff(session) if waiting else Staff(())
    if not staff.people:
        return 0
    told: dict[int, list[str]] = defaultdict(list)
    for notice, ticket in waiting:
        if ticket is not None and not lifecycle.is_active(ticket.phase):
            await _take(session, notice, {"seen_at": now})
        else:
            level, number = (ticket.level, ticket.number) if ticket else (Level.MANAGER, "")
            people = staff.told(level, number)
            first, *others = written(now, rules.quiet, notice.ticket_id, level, notice.text, people)
            if await _take(session, notice, {name: first[name] for name in ("agent_id", "not_before")}):
                session.add_all(Notice(**row) for row in others)
                told[notice.ticket_id or 0] += [f"agent:{person}" for person in people]
    _record(session, now, "notice.told_late", told)
    return len(waiting)


def is_undeliverable() -> tuple[ColumnElement[bool], ...]:
    """Nobody was there to be told, and nobody has been since."""
    return (col(Notice.agent_id).is_(None), col(Notice.seen_at).is_(None))


async def count_undeliverable(session: AsyncSession) -> int:
    """How many notices have nobody to go to: an alarm."""
    return (await session.exec(select(func.count()).select_from(Notice).where(*is_undeliverable()))).one()


async def _take(session: AsyncSession, notice: Notice, values: Mapping[str, object]) -> bool:
    taken = await session.exec(update(Notice).where(col(Notice.id) == notice.id, *is_undeliverable()).values(**values))
    return bool(taken.rowcount == 1)


def _record(session: AsyncSession, now: datetime, action: str, told: Mapping[int, Sequence[str]]) -> None:
    for ticket_id, people in told.items():
        record(session, now, ACTOR, action, f"ticket:{ticket_id}", after={"told": list(people)})
