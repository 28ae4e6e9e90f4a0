"""Tickets that rest: asleep until an instant or the buyer's word, or ended without an outcome."""

from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from tickets import clocks, compensation, filing, lifecycle
from tickets.changes import changing, lock_ticket, move
from tickets.errors import InvalidTransition, PastInstant, StillOwed
from tickets.ladder import Ladder
from tickets.rights import require_hands
from tickets.tables import Ending, Phase, Ticket


def wake(session: AsyncSession, now: datetime, ticket: Ticket, actor: str) -> bool:
    """Back to where a locked ticket stood when it was sent to sleep; False when it is awake."""
    if ticket.snoozed_until is None:
        return False
    with changing(session, now, ticket, actor, "ticket.woken", snoozed_until=ticket.snoozed_until.isoformat()):
        ticket.snoozed_until = None
    return True


async def end(
    session: AsyncSession, now: datetime, ticket: Ticket, ending: Ending, *, actor: str, at: datetime | None = None
) -> None:
    """Close a locked ticket, with effect from `at`: a cycle that runs ends there without an outcome.

    Its claims end with it: one that nobody decided lapses, and may be filed again.
    """
    with changing(session, now, ticket, actor, "ticket.closed", ending=ending, closed_at=(at or now).isoformat()):
        move(ticket, Phase.CLOSED, "closed")
    await clocks.end_cycle(session, at or now, ticket, ending)
    await filing.end(session, now, ticket, actor, ending=ending)


class Silence(Ladder):
    """The verbs of rest."""

    async def snooze(
        self, session: AsyncSession, now: datetime, ticket_id: int, agent_id: int, until: datetime
    ) -> Ticket:
        """Out of the queue until `until`, or until the buyer speaks or the promise is due; no clock stops meanwhile.

        Raises `PastInstant`, `HeldByColleague`, and `InvalidTransition` for a settled ticket.
        """
        ticket = await lock_ticket(session, ticket_id)
        await require_hands(session, ticket, agent_id)
        if not lifecycle.is_active(ticket.phase):
            raise InvalidTransition(number=ticket.number, phase=ticket.phase, verb="snoozed")
        if until <= now:
            raise PastInstant()
        with changing(session, now, ticket, f"agent:{agent_id}", "ticket.snoozed", until=until.isoformat()):
            ticket.snoozed_until = until
        return ticket

    async def wake(self, session: AsyncSession, now: datetime, ticket_id: int, agent_id: int) -> Ticket:
        """Take a snooze back."""
        ticket = await lock_ticket(session, ticket_id)
        await require_hands(session, ticket, agent_id)
        wake(session, now, ticket, f"agent:{agent_id}")
        return ticket

    async def close(
        self, session: AsyncSession, now: datetime, ticket_id: int, agent_id: int, version: int | None = None
    ) -> Ticket:
        """Close a resolved ticket, or one whose buyer was answered and is waited for; the buyer is told of the latter.

        Raises `StillOwed` while an answer is promised, `RefundPending`, `AlreadyAsked`: closing is no way round them.
        """
        ticket = await lock_ticket(session, ticket_id, version)
        await require_hands(session, ticket, agent_id)
        is_told = ticket.phase == Phase.WAITING
        if is_told and (reason := await compensation.find_under_way(session, ticket)) is not None:
            raise reason
        if ticket.phase == Phase.OPEN or await clocks.owes_answer(session, ticket):
            raise StillOwed(number=ticket.number)
        await end(session, now, ticket, Ending.CLOSED, actor=f"agent:{agent_id}")
        if is_told:
            await self.tell_buyer(session, now, ticket, "ticket.closed")
        return ticket
