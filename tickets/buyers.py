"""The buyers' side of the desk: what their word does to a ticket, and what they may see."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from tickets import clocks, lifecycle, meant, queue
from tickets.changes import changing, enter, get_ticket, lock_ticket, move, new_number
from tickets.errors import InvalidTransition, TooSoon
from tickets.grievance import find_grievance
from tickets.relations import relate
from tickets.silence import wake
from tickets.tables import Category, Conversation, Cycle, Level, LinkKind, Message, Phase, Ticket, Trigger, id_of
from tickets.triggers import TriggersDesk

SUBJECT_LIMIT = 120


class Became(StrEnum):
    """What a buyer's word did."""

    HEARD = "heard"
    REOPENED = "reopened"  # in a new cycle
    FOLLOWED = "followed"  # too late for that: in a new ticket


@dataclass(frozen=True, slots=True)
class Heard:
    """The ticket on which a buyer's word stands now."""

    ticket: Ticket
    became: Became


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
        actor: str = "",
    ) -> Ticket:
        """Promise to settle a matter: a number, a cycle, a running clock. From level 1 up staff are told at once.

        `actor` is who asked for it, the buyer if left out.
        """
        ticket = Ticket(
            number=new_number(),
            conversation_id=id_of(conversation),
            buyer_id=conversation.buyer_id,
            category=category,
            subject=subject.strip()[:SUBJECT_LIMIT],
            status=Phase.OPEN,
            order_ref=order_ref,
            product=product,
            created_at=now,
        )
        await enter(session, ticket)
        actor = actor or f"buyer:{ticket.buyer_id}"
        facts = {"number": ticket.number, "category": category, "order": order_ref}
        with changing(session, now, ticket, actor, "ticket.opened", **facts):
            await self.queue_up(session, ticket, now)
        await clocks.begin_cycle(session, now, ticket, self.rules)
        if level > Level.BOT_LANE:
            await self.escalate(session, now, ticket, level, trigger or Trigger.OPENED, actor=actor)
        return ticket

    async def hear(self, session: AsyncSession, now: datetime, ticket: Ticket, message: Message) -> Heard:
        """The buyer spoke on `ticket`: the word stands where its matter is now, and wakes, answers or reopens it.

        A merged ticket is heard in the last of its merges. One that was resolved is open again inside of
        `reopen_within`, in a new cycle. With one that ended before a new ticket goes on, and hears the next words.
        """
        ticket = await self._lock_matter(session, now, ticket)
        became = Became.HEARD
        if lifecycle.is_active(ticket.phase):
            await self.wait_on(session, now, ticket)
        elif await self.may_reopen(session, now, ticket):
            became = Became.REOPENED
            cycle = await self.reopen(session, now, ticket, f"buyer:{ticket.buyer_id}")
            await self.weigh_return(session, now, ticket, cycle)
        else:
            became = Became.FOLLOWED
            ticket = await self._follow(session, now, ticket, message)
        message.ticket_id = ticket.id
        session.add(message)
        grievance = find_grievance(message.text, self.rules.triggers.risky_words)
        await self.weigh(session, now, ticket, grievance)
        return Heard(ticket, became)

    async def hand_over(
        self,
        session: AsyncSession,
        now: datetime,
        conversation: Conversation,
        subject: str,
        about: Ticket | None = None,  # unsettled: that which is meant, where it is known
    ) -> Ticket:
        """The buyer wants a person: the ticket spoken of last here goes to the human queue, or a new one does.

        A new one is linked with the ticket of this conversation that ended last.
        """
        # Two presses at once must not make two tickets. Not against those who only refer to the conversation: an agent
        # who holds the ticket, and writes to it now, would wait for us while we wait for the ticket.
        lock = {"key_share": True}
        await session.get_one(Conversation, conversation.id, with_for_update=lock, populate_existing=True)
        known = await meant.spoken_of(session, conversation) if about is None else [about]
        human, asked, actor = Level.HUMAN_QUEUE, Trigger.ASKED, f"buyer:{conversation.buyer_id}"
        if not known:
            ended = await meant.find_ended(session, conversation)
            ticket = await self.open(session, now, conversation, Category.QUESTION, subject, level=human, trigger=asked)
            if ended is not None:
                await relate(session, now, ticket, ended, LinkKind.FOLLOWS, actor)
            return ticket
        ticket = await lock_ticket(session, known[0].id)
        await self.escalate(session, now, ticket, human, asked, actor=actor)
        await self.wait_on(session, now, ticket)
        return ticket

    async def reopen(self, session: AsyncSession, now: datetime, ticket: Ticket, actor: str) -> Cycle:
        """Open a locked, resolved ticket again, in a new cycle with new clocks; how often is the cycle's ordinal."""
        with changing(session, now, ticket, actor, "ticket.reopened"):
            move(ticket, Phase.OPEN, "reopened")
            ticket.assignee_id = None  # whoever had it may be away
            await self.queue_up(session, ticket, now)
        cycle = await clocks.begin_cycle(session, now, ticket, self.rules)
        await self.tell_staff(session, now, ticket, "notice.reopened")
        return cycle

    async def may_reopen(self, session: AsyncSession, now: datetime, ticket: Ticket) -> bool:
        """Whether the buyer's word opens this ticket again; later it opens a new one."""
        ended_at = (await clocks.get_cycle(session, ticket)).resolved_at
        return lifecycle.may_reopen(ticket.phase, ended_at, now, self.rules.reopen_within)

    async def find_settled(self, session: AsyncSession, now: datetime, conversation: Conversation) -> Ticket | None:
        """The ticket that ended last in this conversation, while a word may still be about it."""
        return await meant.find_settled(session, conversation, now - self.rules.reopen_within)

    async def hurry(self, session: AsyncSession, now: datetime, ticket: Ticket) -> int:
        """催单: seen by staff, counted, wakes, resets nothing; returns how often. `TooSoon` within `hurry_every`."""
        ticket = await lock_ticket(session, ticket.id)
        if not lifecycle.is_active(ticket.phase):
            raise InvalidTransition(number=ticket.number, phase=ticket.phase, verb="hurried")
        if ticket.hurried_at is not None and now - ticket.hurried_at < self.rules.hurry_every:
            raise TooSoon(number=ticket.number, until=ticket.hurried_at + self.rules.hurry_every)
        with changing(session, now, ticket, f"buyer:{ticket.buyer_id}", "ticket.hurried"):
            ticket.hurried_at = now
            ticket.hurries += 1
            ticket.snoozed_until = None
        await self.tell_staff(session, now, ticket, "notice.hurried", holder=True, times=ticket.hurries)
        await self.weigh_hurry(session, now, ticket)
        return ticket.hurries

    async def _lock_matter(self, session: AsyncSession, now: datetime, ticket: Ticket) -> Ticket:
        """Where the matter of a ticket is now, locked: after its merges, and with the ticket that goes on with it."""
        # A merge is for good, and its target may be the older one: to lock both would be against the order of ids.
        ticket = await meant.last_of(session, await get_ticket(session, ticket.id))
        while True:
            ticket = await lock_ticket(session, ticket.id)
            after = await meant.find_next(session, ticket)
            if lifecycle.is_active(ticket.phase) or after is None or await self.may_reopen(session, now, ticket):
                return ticket
            ticket = after

    async def wait_on(self, session: AsyncSession, now: datetime, ticket: Ticket) -> None:
        """The buyer of a locked, unsettled ticket waits for an answer, if they did not before."""
        actor = f"buyer:{ticket.buyer_id}"
        if ticket.phase == Phase.OPEN and ticket.waiting_since is not None:
            wake(session, now, ticket, actor)  # one more word of a wait that is already counted
        else:
            was_waiting = ticket.phase == Phase.WAITING
            since = await clocks.unanswered_since(session, ticket)
            with changing(session, now, ticket, actor, "ticket.heard"):
                await self.queue_up(session, ticket, since or now)
            if was_waiting:
                await clocks.resume(session, now, ticket, self.rules)
        await clocks.begin_wait(session, now, ticket, self.rules)

    async def _follow(self, session: AsyncSession, now: datetime, old: Ticket, message: Message) -> Ticket:
        """A new ticket for people, which goes on with a matter that has ended."""
        if await meant.is_spam(session, old):
            raise InvalidTransition(number=old.number, phase=old.phase, verb="reopened")
        ticket = await self.open(
            session,
            now,
            await session.get_one(Conversation, message.conversation_id),
            old.category,
            old.subject,
            level=Level.HUMAN_QUEUE,
            order_ref=old.order_ref,
            product=old.product,
        )
        await relate(session, now, ticket, old, LinkKind.FOLLOWS, f"buyer:{old.buyer_id}")
        return ticket

    async def position(self, session: AsyncSession, now: datetime, ticket: Ticket) -> int:
        """Where the ticket stands in the queue: 1 is next, 0 is not in it (taken, answered, resolved)."""
        return await queue.position(session, ticket)

    async def words_about(self, session: AsyncSession, now: datetime, conversation: Conversation) -> list[Ticket]:
        """The unsettled tickets that words in this conversation may be about, the one spoken of last first."""
        return await meant.spoken_of(session, conversation)

    async def open_tickets(self, session: AsyncSession, now: datetime, buyer_id: int) -> list[Ticket]:
        """This buyer's unsettled tickets, oldest first."""
        found = await session.exec(
            select(Ticket)
            .where(Ticket.buyer_id == buyer_id, col(Ticket.phase).in_(lifecycle.ACTIVE))
            .order_by(col(Ticket.id))
        )
        return list(found.all())

    async def find_ticket(self, session: AsyncSession, now: datetime, buyer_id: int, words: str) -> Ticket | None:
        """This buyer's ticket whose number stands in `words`; another buyer's looks like none."""
        return await meant.find_named(session, buyer_id, words)
