"""Staff ask for somebody above: the ticket moves up one level, once per press, and a note says why."""

from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from tickets import texts
from tickets.changes import lock_ticket
from tickets.conversations import add_note
from tickets.errors import InvalidTransition
from tickets.ladder import Ladder
from tickets.lifecycle import is_active
from tickets.rights import require_hands
from tickets.tables import Author, Level, Ticket, Trigger


class Raising(Ladder):
    """The verb of who cannot settle a matter alone."""

    async def raise_up(
        self,
        session: AsyncSession,
        now: datetime,
        ticket_id: int,
        agent_id: int,
        why: str = "",
        version: int | None = None,
    ) -> Ticket:
        """To the next level, whose people are told; the buyer's promise stays what it was.

        Raises `InvalidTransition` for a settled ticket and for one that stands with the managers, `CodeInText`,
        `HeldByColleague`, `RisenAbove`.
        """
        ticket = await lock_ticket(session, ticket_id, version)
        await require_hands(session, ticket, agent_id)
        if not is_active(ticket.phase) or ticket.level >= max(Level):
            raise InvalidTransition(number=ticket.number, phase=ticket.phase, verb="moved up")
        if why.strip():
            words = texts.tidy(why, self.rules.message_limit)
            await texts.refuse_codes(session, ticket, words)
            await add_note(session, now, ticket, words, author=Author.AGENT, agent_id=agent_id)
        level = Level(max(ticket.level, Level.HUMAN_QUEUE) + 1)
        await self.escalate(session, now, ticket, level, Trigger.STAFF, actor=f"agent:{agent_id}")
        return ticket
