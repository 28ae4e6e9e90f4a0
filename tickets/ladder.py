"""The escalation ladder: a ticket moves up, staff are told, and the record says whom and how late."""

from dataclasses import dataclass, field
from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from tickets import clocks, notices, routing
from tickets.assignment import Assignments
from tickets.changes import changing, move
from tickets.outbox import Say, post
from tickets.rules import DeskRules
from tickets.second_way import place_to_answer
from tickets.tables import Agent, Author, Buyer, Conversation, Escalation, Level, Phase, Priority, Role, Ticket, id_of


@dataclass(frozen=True)
class Ladder(Assignments):
    """Who is told what when a ticket rises. `say` gives the words, `rules` the owner's choices."""

    say: Say
    rules: DeskRules = field(default_factory=DeskRules)

    async def escalate(
        self,
        session: AsyncSession,
        now: datetime,
        ticket: Ticket,
        level: Level,
        trigger: str,
        *,
        actor: str,
    ) -> bool:
        """Move a locked ticket up to `level`, once a cycle, and tell staff; False when it stands that high already.

        Above the human queue the owner changes with the level, unless a lead holds it: it stands in the queue again.
        One that waits on its buyer goes on waiting.
        """
        if ticket.level >= level:
            return False
        changes_owner = level > Level.HUMAN_QUEUE and not await _is_led(session, ticket)
        with changing(session, now, ticket, actor, "ticket.escalated", trigger=trigger):
            ticket.level = level
            if changes_owner:
                ticket.assignee_id = None
            if changes_owner and ticket.phase == Phase.OPEN:
                await self.queue_up(session, ticket, now)
        why = self.say(self.rules.staff_language, f"trigger.{trigger}")
        told = await self.tell_staff(session, now, ticket, "notice.escalated", why=why)
        cycle = await clocks.get_cycle(session, ticket)
        session.add(
            Escalation(
                ticket_id=id_of(ticket),
                cycle_id=id_of(cycle),
                level=level,
                trigger=trigger,
                due_at=now,
                escalated_at=now,
                told=told,
            )
        )
        await self.deal(session, now)
        return True

    async def queue_up(self, session: AsyncSession, ticket: Ticket, since: datetime) -> None:
        """Stand in the queue from `since`, or from where the ticket stands already; not in hands that are away."""
        move(ticket, Phase.OPEN, "queued")
        ticket.queue = await self.find_queue(session, ticket, ticket.category)
        if not await self.is_there(session, ticket.assignee_id):
            ticket.assignee_id = None
        buyer = await session.get_one(Buyer, ticket.buyer_id)
        ticket.waiting_since = ticket.waiting_since or since
        ticket.rank_at = routing.rank_at(ticket.waiting_since, buyer.tier, self.rules.head_starts)

    async def find_queue(self, session: AsyncSession, ticket: Ticket, category: str) -> str:
        """Where the ticket stands while it is about this."""
        came = await session.get_one(Conversation, ticket.conversation_id)
        return self.rules.routing.queue_of(category, came.channel, came.account)

    async def words(self, session: AsyncSession, ticket: Ticket, key: str, **facts: object) -> str:
        """The phrase `key` about this ticket in its buyer's language."""
        buyer = await session.get_one(Buyer, ticket.buyer_id)
        return self.say(buyer.language, key, number=ticket.number, **facts)

    async def tell_buyer(self, session: AsyncSession, now: datetime, ticket: Ticket, key: str, **facts: object) -> str:
        """Queue a word of the desk about itself, which handles nothing; returns whom ("buyer:7")."""
        conversation = await place_to_answer(session, now, ticket)
        text = await self.words(session, ticket, key, **facts)
        await post(session, now, conversation, text, author=Author.SYSTEM, ticket=ticket, priority=Priority.NOTICE)
        return f"buyer:{ticket.buyer_id}"

    async def tell_staff(
        self,
        session: AsyncSession,
        now: datetime,
        ticket: Ticket,
        key: str,
        *,
        agent_id: int | None = None,
        holder: bool = False,
        **facts: object,
    ) -> list[str]:
        """Notices for `agent_id`, or for all who answer for the ticket's level, or its `holder`; returns whom."""
        text = self.say(self.rules.staff_language, key, number=ticket.number, subject=ticket.subject, **facts)
        return await notices.tell(session, now, ticket, text, self.rules.quiet, agent_id=agent_id, holder=holder)


async def _is_led(session: AsyncSession, ticket: Ticket) -> bool:
    """Whether a lead, or somebody above, has the ticket already."""
    holder = await session.get(Agent, ticket.assignee_id) if ticket.assignee_id is not None else None
    return holder is not None and Role(holder.role).rank >= Role.LEAD.rank
