"""Who may decide on a ticket: whoever holds it, and leads; on one that is free, anybody, and it becomes theirs.

What has risen to the leads or the managers is for them to choose, give away or end. Where none of them is there, it is
for the highest who are: a shop whose only account is an agent's works as any other.
"""

from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from tickets.errors import HeldByColleague, RisenAbove
from tickets.routing import OWNERS, Level
from tickets.staff import get_agent, is_there
from tickets.tables import Agent, Role, Ticket


def is_lead(agent: Agent) -> bool:
    """A lead, or more."""
    return Role(agent.role).rank >= Role.LEAD.rank


async def require_hands(session: AsyncSession, ticket: Ticket, agent_id: int) -> Agent:
    """The account, if it may decide on this ticket; raises `HeldByColleague`, `RisenAbove`, `UnknownAgent`."""
    agent = await get_agent(session, agent_id)
    if ticket.assignee_id == agent_id:
        return agent
    if ticket.assignee_id is not None and not is_lead(agent):
        holder = await session.get_one(Agent, ticket.assignee_id)
        raise HeldByColleague(number=ticket.number, agent=holder.name)
    await require_rank(session, ticket, agent)
    return agent


async def require_rank(session: AsyncSession, ticket: Ticket, agent: Agent) -> None:
    """Raises `RisenAbove` when the ticket, whoever holds it, has risen beyond this agent's reach."""
    if ticket.level > await reach(session, agent):
        raise RisenAbove(number=ticket.number, role=agent.role, owner=OWNERS[Level(ticket.level)])


async def reach(session: AsyncSession, agent: Agent) -> Level:
    """The highest level whose tickets this agent may choose, give away or end: all, where nobody there is above."""
    rank = Role(agent.role).rank
    owned = max(level for level in Level if level not in OWNERS or rank >= OWNERS[level].rank)
    if owned == max(Level):
        return owned
    there = (await session.exec(select(Agent.role).where(*is_there()).distinct())).all()
    return owned if any(Role(role).rank > rank for role in there) else max(Level)
