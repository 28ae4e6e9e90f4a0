"""Notices: what staff must know. Shown in the console until seen, once the quiet hours have ended."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, func, update
from sqlmodel import col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from tickets.quiet import QuietHours
from tickets.tables import Agent, Level, Notice, Role, Ticket

log = logging.getLogger(__name__)

# Who is told of a ticket at a level.
TOLD: dict[Level, tuple[Role, ...]] = {
    Level.BOT_LANE: (Role.AGENT, Role.LEAD),
    Level.HUMAN_QUEUE: (Role.AGENT, Role.LEAD),
    Level.LEAD: (Role.LEAD,),
    Level.MANAGER: (Role.MANAGER, Role.ADMIN),
}
# And when there is none of them: the managers, then whoever is left.
FALLBACK: tuple[tuple[Role, ...], ...] = ((Role.MANAGER, Role.ADMIN), (Role.LEAD,), (Role.AGENT,))


async def tell(
    session: AsyncSession,
    now: datetime,
    ticket: Ticket,
    text: str,
    quiet: QuietHours,
    *,
    agent_id: int | None = None,
    holder: bool = False,
) -> list[str]:
    """Tell `agent_id`, or who answers for the ticket: all of its level, or its `holder` alone where they are there.

    Returns whom ("agent:3"). Nobody is an alarm.
    """
    people = [agent_id] if agent_id is not None else None
    if people is None:
        staff = await find_staff(session)
        people = staff.told(ticket.level, ticket.number, ticket.assignee_id if holder else None)
    session.add_all([Notice(**row) for row in written(now, quiet, ticket.id, ticket.level, text, people)])
    return [f"agent:{person}" for person in people]


async def tell_managers(
    session: AsyncSession, now: datetime, text: str, quiet: QuietHours, ticket_id: int | None = None
) -> None:
    """Tell those who answer for the install."""
    people = (await find_staff(session)).told(Level.MANAGER, "-")
    session.add_all([Notice(**row) for row in written(now, quiet, ticket_id, Level.MANAGER, text, people)])


def written(
    now: datetime, quiet: QuietHours, ticket_id: int | None, level: int, text: str, people: Sequence[int]
) -> Iterator[dict[str, Any]]:
    """The rows that tell `people`; one without an agent when there is nobody, which counts as undeliverable."""
    not_before = quiet.not_before(now, level)
    for person in people or (None,):
        yield {
            "agent_id": person,
            "ticket_id": ticket_id,
            "text": text,
            "created_at": now,
            "not_before": not_before,
        }


async def unseen(session: AsyncSession, now: datetime, agent_id: int, limit: int = 50) -> list[Notice]:
    """What this agent has not seen yet and may be disturbed with, newest first; of what was repeated the last."""
    last = (
        select(func.max(Notice.id))
        .where(Notice.agent_id == agent_id, *may_appear(now))
        .group_by(col(Notice.ticket_id), col(Notice.text))
    )
    found = await session.exec(
        select(Notice).where(col(Notice.id).in_(last)).order_by(col(Notice.id).desc()).limit(limit)
    )
    return list(found.all())


async def mark_seen(session: AsyncSession, now: datetime, agent_id: int, up_to_id: int) -> None:
    """This agent has seen their notices up to `up_to_id`; what waits for the end of the quiet hours is not seen yet."""
    # Reckoned with, the number is no way to the rows: SQLite would walk all that were ever told, up to this one.
    mine = (col(Notice.agent_id) == agent_id, col(Notice.id) + 0 <= up_to_id)
    await session.exec(update(Notice).where(*mine, *may_appear(now)).values(seen_at=now))


def may_appear(now: datetime) -> tuple[ColumnElement[bool], ...]:
    """Not seen, and not kept back by the quiet hours."""
    begun = or_(col(Notice.not_before).is_(None), col(Notice.not_before) <= now)
    return (col(Notice.seen_at).is_(None), begun)


class Person(NamedTuple):
    id: int
    role: str
    is_away: bool = False


@dataclass(frozen=True, slots=True)
class Staff:
    """Who can be told anything now."""

    people: tuple[Person, ...]  # of the active accounts

    def told(self, level: int, number: str, holder_id: int | None = None) -> list[int]:
        """Who hears of ticket `number`: its holder where one is named and there, else all who answer for the level.

        When nobody of the level's roles is there, the managers hear of it, then anybody; who is away comes last.
        """
        present = [person for person in self.people if not person.is_away]
        if any(person.id == holder_id for person in present):
            return [holder_id] if holder_id is not None else []
        for pool in (present, self.people):
            for roles in (TOLD[Level(level)], *FALLBACK):
                if people := [person.id for person in pool if person.role in roles]:
                    return people
        log.error("no active staff account: nobody was told of ticket %s", number)
        return []


async def find_staff(session: AsyncSession) -> Staff:
    found = await session.exec(
        select(Agent.id, Agent.role, Agent.is_away).where(col(Agent.is_active).is_(True)).order_by(col(Agent.id))
    )
    return Staff(tuple(Person(*row) for row in found.all() if row[0] is not None))
