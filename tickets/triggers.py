"""What brings a ticket to the leads before it is due: it comes back, is hurried, or speaks of the law."""

from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from tickets.grievance import Grievance
from tickets.ladder import Ladder
from tickets.tables import Cycle, Level, Ticket, Trigger


class TriggersDesk(Ladder):
    """Each raises a locked ticket once; one that stands with the leads, or higher, stays where it is."""

    async def weigh(self, session: AsyncSession, now: datetime, ticket: Ticket, grievance: Grievance | None) -> None:
        """The buyer's words were of this kind."""
        if grievance in self.rules.triggers.grievances:
            await self._raise(session, now, ticket, Trigger.RISK)

    async def weigh_return(self, session: AsyncSession, now: datetime, ticket: Ticket, cycle: Cycle) -> None:
        """The ticket was reopened, for this cycle."""
        if cycle.ordinal > self.rules.triggers.reopened_times:
            await self._raise(session, now, ticket, Trigger.REOPENED)

    async def weigh_hurry(self, session: AsyncSession, now: datetime, ticket: Ticket) -> None:
        """The ticket was hurried once more."""
        if ticket.hurries >= self.rules.triggers.hurried_times:
            await self._raise(session, now, ticket, Trigger.HURRIED)

    async def _raise(self, session: AsyncSession, now: datetime, ticket: Ticket, trigger: Trigger) -> None:
        await self.escalate(session, now, ticket, Level.LEAD, trigger, actor=f"buyer:{ticket.buyer_id}")
