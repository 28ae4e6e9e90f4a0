"""The buyers' side of the desk: what their word does to a ticket, and what they may see."""

from datetime import datetime
from secrets import token_hex

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from tickets import clocks, lifecycle, queue
from tickets.changes import changing, lock_ticket, move
from tickets.errors import InvalidTransition, TooSoon
from tickets.grievance import find_grievance
from tickets.tables import Conversation, Level, Message, Phase, Ticket, Trigger, id_of
from tickets.triggers import TriggersDesk

SUBJECT_LIMIT = 120


class BuyersDesk(TriggersDesk):
    """The verbs that the dialogue calls for a buyer."""

    async def open(
        self,
        session: AsyncSession,
        now: datetime,
        conversation: Conversation,
        category: str,
        subject: str,
        *,
        level: Level = Level.BOT_LANE,
        trigger: str = "",
        order_ref: str | None = None,
        product: str | None = None,
    ) -> Ticket:
        """Promise to settle a matter: a number, a cycle, a running clock. From level 1 up staff are told at once."""
        ticket = Ticket(
            number=token_hex(8),  # unique until the row has an id to be numbered by
            conversation_id=id_of(conversation),
            buyer_id=conversation.buyer_id,
            category=category,
            subject=subject.strip()[:SUBJECT_LIMIT],
            status=Phase.OPEN,
            order_ref=order_ref,
            product=product,
            created_at=now,
        )
        session.add(ticket)
        await session.flush()
        ticket.number = f"K-{ticket.id:06d}"
        actor = f"buyer:{ticket.buyer_id}"
        facts = {"number": ticket.number, "category": category, "order": order_ref}
        with changing(session, now, ticket, actor, "ticket.opened", **facts):
            await self.queue_up(session, ticket, now)
        await clocks.begin_cycle(session, now, ticket, self.rules)
        if level > Level.BOT_LANE:
            await self.escalate(session, now, ticket, level, trigger or Trigger.OPENED, actor=actor)
        return ticket

    async def hear(self, session: AsyncSession, now: datetime, ticket: Ticket, message: Message) -> bool:
        """The buyer spoke on `ticket`; True when that reopened it, as a new cycle with a new clock."""
        ticket = await lock_ticket(session, ticket.id)
        was_resolved = ticket.phase == Phase.RESOLVED
        message.ticket_id = ticket.id
        session.add(message)
        grievance = find_grievance(message.text, self.rules.triggers.risky_words)
        if ticket.phase == Phase.OPEN and ticket.waiting_since is not None:
            await self.weigh(session, now, ticket, grievance)
            return False  # one more word of a wait that is already counted
        was_waiting = ticket.phase == Phase.WAITING
        action = "ticket.reopened" if was_resolved else "ticket.heard"
        with changing(session, now, ticket, f"buyer:{ticket.buyer_id}", action):
            move(ticket, Phase.OPEN, "reopened")
            if was_resolved:
                ticket.assignee_id = None  # whoever had it may be away
            await self.queue_up(session, ticket, now)
        if was_resolved:
            cycle = await clocks.begin_cycle(session, now, ticket, self.rules)
            await self.tell_staff(session, now, ticket, "notice.reopened")
            await self.weigh_return(session, now, ticket, cycle)
        elif was_waiting:
            await clocks.resume(session, now, ticket, self.rules)
            await clocks.begin_next_response(session, now, ticket, self.rules)
        await self.weigh(session, now, ticket, grievance)
        return was_resolved

    async def hand_over(self, session: AsyncSession, now: datetime, conversation: Conversation, subject: str) -> Ticket:
        """The buyer wants a person: their latest unsettled ticket here goes to the human queue, or a new one does."""
        # Two presses at once must not make two tickets.
        await session.get_one(Conversation, conversation.id, with_for_update=True, populate_existing=True)
        found = await session.exec(
            select(Ticket)
            .where(Ticket.conversation_id == conversation.id, col(Ticket.phase).in_(lifecycle.ACTIVE))
            .order_by(col(Ticket.id).desc())
            .limit(1)
            .with_for_update()
        )
        ticket = found.first()
        human, asked = Level.HUMAN_QUEUE, Trigger.ASKED
        if ticket is None:
            return await self.open(session, now, conversation, "question", subject, level=human, trigger=asked)
        actor = f"buyer:{ticket.buyer_id}"
        await self.escalate(session, now, ticket, human, asked, actor=actor)
        if ticket.phase != Phase.OPEN:
            with changing(session, now, ticket, actor, "ticket.heard"):
                await self.queue_up(session, ticket, now)
            await clocks.resume(session, now, ticket, self.rules)
            await clocks.begin_next_response(session, now, ticket, self.rules)
        return ticket

    async def hurry(self, session: AsyncSession, now: datetime, ticket: Ticket) -> int:
        """催单: seen by staff, counted, nothing else; returns how often. `TooSoon` within `hurry_every` of the last."""
        ticket = await lock_ticket(session, ticket.id)
        if not lifecycle.is_active(ticket.phase):
            raise InvalidTransition(number=ticket.number, phase=ticket.phase, verb="hurried")
        if ticket.hurried_at is not None and now - ticket.hurried_at < self.rules.hurry_every:
            raise TooSoon(number=ticket.number, until=ticket.hurried_at + self.rules.hurry_every)
        with changing(session, now, ticket, f"buyer:{ticket.buyer_id}", "ticket.hurried"):
            ticket.hurried_at = now
            ticket.hurries += 1
        await self.tell_staff(session, now, ticket, "notice.hurried", agent_id=ticket.assignee_id, times=ticket.hurries)
        await self.weigh_hurry(session, now, ticket)
        return ticket.hurries

    async def position(self, session: AsyncSession, now: datetime, ticket: Ticket) -> int:
        """Where the ticket stands in the queue: 1 is next, 0 is not in it (taken, answered, resolved)."""
        return await queue.position(session, ticket)

    async def open_tickets(self, session: AsyncSession, now: datetime, buyer_id: int) -> list[Ticket]:
        """This buyer's unsettled tickets, oldest first."""
        found = await session.exec(
            select(Ticket)
            .where(Ticket.buyer_id == buyer_id, col(Ticket.phase).in_(lifecycle.ACTIVE))
            .order_by(col(Ticket.id))
        )
        return list(found.all())

    async def find_ticket(self, session: AsyncSession, now: datetime, buyer_id: int, number: str) -> Ticket | None:
        """This buyer's ticket of that number; another buyer's looks like none."""
        found = await session.exec(
            select(Ticket).where(Ticket.buyer_id == buyer_id, Ticket.number == number.strip().upper())
        )
        return found.first()
