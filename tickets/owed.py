"""Who waits for whom: once a word of ours has arrived its buyer is waited for, or waits for what is still to do."""

from datetime import datetime, timedelta

from sqlmodel.ext.asyncio.session import AsyncSession

from tickets import clocks, compensation
from tickets.ladder import Ladder
from tickets.tables import Metric, Outgoing, Phase, Ticket


class Owed(Ladder):
    """The verbs of the ball, and in whose court it is."""

    async def follow_arrival(self, session: AsyncSession, now: datetime, outgoing_id: int) -> None:
        """An answer has arrived at `now`: from here on its buyer is waited for, and their silence counts.

        Not where an answer is owed that was not written yet or has not arrived, nor where money or a second person's
        word is awaited: that wait has a clock of its own. Called in the transaction that records the delivery, and
        holds the ticket. What never arrives stops no clock.
        """
        outgoing = await session.get_one(Outgoing, outgoing_id)
        if not outgoing.handles or outgoing.ticket_id is None:
            return
        ticket = await session.get_one(Ticket, outgoing.ticket_id)
        if ticket.phase != Phase.WAITING or await clocks.owes_answer(session, ticket):
            return
        if await compensation.find_under_way(session, ticket) is None:
            await clocks.pause(session, now, ticket, self.rules)
        else:
            await self.owe(session, now, ticket)

    async def owe(self, session: AsyncSession, now: datetime, ticket: Ticket) -> None:
        """The buyer of a locked, unsettled ticket waits for us, whoever has spoken last: it is escalated like any wait.

        What was said in this same instant does not answer it.
        """
        if ticket.phase == Phase.WAITING:
            await clocks.resume(session, now, ticket, self.rules)
        await clocks.begin_wait(session, now + timedelta.resolution, ticket, self.rules, {Metric.HANDLING})
