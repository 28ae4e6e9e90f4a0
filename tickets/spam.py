"""Spam: out of everybody's way without a word, and back when that was wrong."""

from datetime import datetime

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from tickets import clocks, rights
from tickets.changes import changing, lock_ticket
from tickets.errors import InvalidTransition, NotAllowed, NotSpam, Undecided
from tickets.ladder import Ladder
from tickets.silence import end
from tickets.staff import get_agent
from tickets.tables import Claim, Ending, Metric, Phase, Ticket, id_of


class Spam(Ladder):
    """The verbs of spam."""

    async def mark_spam(
        self, session: AsyncSession, now: datetime, ticket_id: int, agent_id: int, version: int | None = None
    ) -> Ticket:
        """Close the ticket without telling its buyer; its clocks end without a verdict, so nothing escalates any more.

        Raises `RisenAbove`, and `Undecided` when there is a claim: who has proved an order is no spammer.
        """
        ticket = await lock_ticket(session, ticket_id, version)
        await rights.require_rank(session, ticket, await rights.require_hands(session, ticket, agent_id))
        if ticket.phase == Phase.RESOLVED:
            raise InvalidTransition(number=ticket.number, phase=ticket.phase, verb="marked as spam")
        undecided = select(Claim.id).where(Claim.ticket_id == ticket.id, col(Claim.decided_at).is_(None)).limit(1)
        if (await session.exec(undecided)).first() is not None:
            raise Undecided(number=ticket.number)
        await end(session, now, ticket, Ending.SPAM, actor=f"agent:{agent_id}")
        return ticket

    async def take_back_spam(self, session: AsyncSession, now: datetime, ticket_id: int, agent_id: int) -> Ticket:
        """A lead looked again: the ticket goes on where it ended, with the due instants that it had.

        The buyer has waited all that time, so a promise that has passed by now is late. Raises `NotSpam`.
        """
        agent = await get_agent(session, agent_id)
        ticket = await lock_ticket(session, ticket_id)
        if not rights.is_lead(agent):
            raise NotAllowed(role=agent.role, verb="take spam back")
        cycle = await clocks.get_cycle(session, ticket)
        if ticket.phase != Phase.CLOSED or cycle.outcome != Ending.SPAM:
            raise NotSpam(number=ticket.number)
        owed = await clocks.go_on(session, cycle)
        await clocks.reckon(session, [id_of(cycle)], self.rules)  # a wait for the buyer ended when it was marked
        with changing(session, now, ticket, f"agent:{agent_id}", "ticket.spam_taken_back"):
            ticket.phase = ticket.status = Phase.RESOLVED  # a closed ticket never moves; this one should not be closed
            await self.queue_up(session, ticket, min([*owed, now]))
        # One that had been answered stands in front of people again, and no open ticket may lie there without an end.
        await clocks.begin_wait(session, now, ticket, self.rules, {Metric.HANDLING})
        return ticket
