"""What did not arrive, or may not have, is sent again by somebody's decision, never by itself."""

from datetime import datetime

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from tickets import outbox
from tickets.changes import lock_ticket
from tickets.staff import get_agent
from tickets.tables import Message, Outgoing


class Resending:
    """The verb of staff for lost words."""

    async def send_again(
        self, session: AsyncSession, now: datetime, ticket_id: int, agent_id: int, message_id: int
    ) -> None:
        """Send this message of the ticket again; anybody may, as anybody may reply. Raises `NotLost`."""
        await get_agent(session, agent_id)
        ticket = await lock_ticket(session, ticket_id)
        found = await session.exec(
            select(Outgoing.id)
            .join(Message, col(Message.id) == col(Outgoing.message_id))
            .where(Message.id == message_id, Message.ticket_id == ticket.id)
        )
        await outbox.send_again(session, now, found.first() or 0, f"agent:{agent_id}")
