"""Who may decide on a ticket: whoever holds it, and leads; on one that is free, anybody, and it becomes theirs."""

from sqlmodel.ext.asyncio.session import AsyncSession

from tickets.errors import HeldByColleague
from tickets.staff import get_agent
from tickets.tables import Agent, Role, Ticket


def is_lead(agent: Agent) -> bool:
    """A lead, or more."""
    return Role(agent.role).rank >= Role.LEAD.rank


async def require_hands(session: AsyncSession, ticket: Ticket, agent_id: int) -> Agent:
    """The account, if it may decide on this ticket; raises `HeldByColleague`, `UnknownAgent`."""
    agent = await get_agent(session, agent_id)
    if ticket.assignee_id not in (None, agent_id) and not is_lead(agent):
        holder = await session.get_one(Agent, ticket.assignee_id)
        raise HeldByColleague(number=ticket.number, agent=holder.name)
    return agent
