"""Notices: what staff must know. Shown in the console until seen."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from tickets.tables import Agent, Level, Notice, Role, Ticket

log = logging.getLogger(__name__)

# Who is told of a ticket at a level. When none of them is active, the managers are.
TOLD: dict[Level, tuple[Role, ...]] = {
    Level.BOT_LANE: (Role.AGENT, Role.LEAD),
    Level.HUMAN_QUEUE: (Role.AGENT, Role.LEAD),
    Level.LEAD: (Role.LEAD,),
    Level.MANAGER: (Role.MANAGER, Role.ADMIN),
}
FALLBACK = (Role.MANAGER, Role.ADMIN)


async def tell(
    session: AsyncSession, now: datetime, ticket: Ticket, text: str, *, agent_id: int | None = None
) -> list[str]:
    """Tell `agent_id`, or all who answer for the ticket's level; returns whom ("agent:3"). Nobody is an alarm."""
    staff = await find_staff(session)
    people = [agent_id] if agent_id is not None else staff.told(ticket.level, ticket.number)
    session.add_all([Notice(agent_id=person, ticket_id=ticket.id, text=text, created_at=now) for person in people])
    return [f"agent:{person}" for person in people]


async def unseen(session: AsyncSession, agent_id: int, limit: int = 50) -> list[Notice]:
    """What this agent has not seen yet, newest first."""
    found = await session.exec(
        select(Notice)
        .where(Notice.agent_id == agent_id, col(Notice.seen_at).is_(None))
        .order_by(col(Notice.id).desc())
        .limit(limit)
    )
    return list(found.all())


async def mark_seen(session: AsyncSession, now: datetime, agent_id: int, up_to_id: int) -> None:
    """This agent has seen their notices up to `up_to_id`."""
    await session.exec(
        update(Notice)
        .where(col(Notice.agent_id) == agent_id, col(Notice.id) <= up_to_id, col(Notice.seen_at).is_(None))
        .values(seen_at=now)
    )


@dataclass(frozen=True, slots=True)
class Staff:
    """Who can be told anything now."""

    people: tuple[tuple[int, str], ...]  # id and role of the active accounts

    def told(self, level: int, number: str, holder_id: int | None = None) -> list[int]:
        """Who hears of ticket `number`: its active holder where one is named, else all who answer for the level."""
        if any(person == holder_id for person, _ in self.people):
            return [holder_id] if holder_id is not None else []
        people = self._of(TOLD[Level(level)]) or self._of(FALLBACK)
        if not people:
            log.error("no active staff account: nobody was told of ticket %s", number)
        return people

    def _of(self, roles: Sequence[Role]) -> list[int]:
        return [person for person, role in self.people if role in roles]


async def find_staff(session: AsyncSession) -> Staff:
    found = await session.exec(
        select(Agent.id, Agent.role).where(col(Agent.is_active).is_(True)).order_by(col(Agent.id))
    )
    return Staff(tuple((agent_id, role) for agent_id, role in found.all() if agent_id is not None))
