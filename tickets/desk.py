"""The desk: every verb on a ticket, each inside the caller's transaction, audited and guarded.

The buyers' verbs stand in `buyers`, what moves a ticket up in `ladder`. Verbs of staff and of the sweep speak to the
buyer themselves; open, hear, hand_over and hurry leave the words to the dialogue. Phrases said in these three and in
claims, with their facts:
    to buyers  ticket.escalated {number}, ticket.late {number}, ticket.resolved {number} {outcome},
               claim.replaced {number} {product} {masked} {link} {until}
    to staff   notice.escalated {number} {subject} {why}, notice.escalated_late {…} {minutes},
               notice.late {number} {subject} {minutes},
               notice.hurried {number} {subject} {times}, notice.reopened and notice.assigned {number} {subject},
               notice.mentioned {number} {subject} {agent} {text},
               and for {why}: trigger.due, still_due, asked, pool_empty, opened, reopened, hurried, risk, batch,
               staff, supplier_silent
"""

from datetime import datetime

from sqlalchemy import ColumnElement, update
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from audit.trail import record
from tickets import clocks, compensation, filing, lifecycle, queue, rights, texts
from tickets.batch_incidents import BatchIncidents
from tickets.changes import changing, get_ticket, lock_ticket, move
from tickets.conversations import add_note
from tickets.enclosing import Enclosed
from tickets.errors import AlreadyTaken, InvalidTransition, NotAllowed, SeveralClaims, StaleTicket, TicketError
from tickets.joining import Joining
from tickets.labels import Labels
from tickets.mentions import Mentions
from tickets.naming import Naming
from tickets.outbox import post
from tickets.overheard import Overheard
from tickets.policies import Policies
from tickets.queue import QueueRow
from tickets.raising import Raising
from tickets.ratings import Ratings
from tickets.relations import Relations
from tickets.resending import Resending
from tickets.rights import require_hands
from tickets.rules import DeskRules as DeskRules
from tickets.second_way import place_to_answer
from tickets.silence import Silence
from tickets.spam import Spam
from tickets.staff import get_agent
from tickets.supplier_checks import SupplierChecks
from tickets.tables import (
    Agent,
    Author,
    Message,
    Outcome,
    Phase,
    Priority,
    Ticket,
)
from tickets.taking_back import TakingBack
from tickets.undelivered import Undelivered
from tickets.words import IN_WORDS


def is_free() -> tuple[ColumnElement[bool], ...]:
    """The guard of `take`: of any number of agents, one finds it true."""
    return (col(Ticket.assignee_id).is_(None), col(Ticket.phase).in_(lifecycle.ACTIVE))


class Desk(
    BatchIncidents,
    Joining,
    Relations,
    Silence,
    Spam,
    Naming,
    Labels,
    Mentions,
    Overheard,
    Raising,
    Ratings,
    Policies,
    Resending,
    SupplierChecks,
    TakingBack,
    Undelivered,
):
    """All verbs: those of buyers, of staff, and of the bot."""

    async def take(
        self, session: AsyncSession, now: datetime, ticket_id: int, agent_id: int, version: int | None = None
    ) -> Ticket:
        """Put the ticket into this agent's hands; `AlreadyTaken` names who was first. Taking is not handling.

        Raises `RisenAbove` for one that stands with the leads or managers: it is theirs to choose.
        """
        reach = await rights.reach(session, await get_agent(session, agent_id))
        guard = (
            *is_free(),
            col(Ticket.level) <= reach,
            *(() if version is None else (col(Ticket.version) == version,)),
        )
        taken = await session.exec(
            update(Ticket)
            .where(col(Ticket.id) == ticket_id, *guard)
            .values(assignee_id=agent_id, version=Ticket.version + 1)
            .execution_options(synchronize_session=False)
        )
        ticket = await lock_ticket(session, ticket_id)
        if taken.rowcount == 1:
            before, after = {"assignee": None}, {"assignee": agent_id}
            record(session, now, f"agent:{agent_id}", "ticket.taken", f"ticket:{ticket_id}", before, after)
            return ticket
        if ticket.assignee_id == agent_id:
            return ticket
        raise await _why_not_free(session, ticket, agent_id)

    async def release(self, session: AsyncSession, now: datetime, ticket_id: int, agent_id: int) -> Ticket:
        """Give the ticket back to the queue, where it stands as if it had never left: its holder may, and a lead."""
        ticket = await lock_ticket(session, ticket_id)
        await _require_holder(session, ticket, agent_id, "release this ticket")
        _require_active(ticket, "given back")
        with changing(session, now, ticket, f"agent:{agent_id}", "ticket.released"):
            ticket.assignee_id = None
        return ticket

    async def assign(self, session: AsyncSession, now: datetime, ticket_id: int, agent_id: int, to_id: int) -> Ticket:
        """Put the ticket into another agent's hands: its holder may, and a lead."""
        ticket = await lock_ticket(session, ticket_id)
        await _require_holder(session, ticket, agent_id, "assign this ticket")
        _require_active(ticket, "assigned")
        await get_agent(session, to_id)
        with changing(session, now, ticket, f"agent:{agent_id}", "ticket.assigned"):
            ticket.assignee_id = to_id
        await self.tell_staff(session, now, ticket, "notice.assigned", agent_id=to_id)
        return ticket

    async def reply(
        self,
        session: AsyncSession,
        now: datetime,
        ticket_id: int,
        agent_id: int,
        text: str,
        version: int | None = None,
        enclosed: Enclosed | None = None,
    ) -> Message:
        """Answer the buyer. The ticket waits on them now; it is handled when the reply is delivered.

        Pictures need no words beside them. Raises `CodeInText`: a code goes out by a link alone.
        """
        text = texts.tidy(text, self.rules.message_limit, may_be_empty=bool(enclosed and enclosed.pixels))
        await get_agent(session, agent_id)
        ticket = await lock_ticket(session, ticket_id, version)
        await texts.refuse_codes(session, ticket, text)
        message = await self.answer(session, now, ticket, agent_id, text)
        if enclosed is not None:
            await enclosed.put_into(session, now, message, agent_id)
        return message

    async def answer(
        self,
        session: AsyncSession,
        now: datetime,
        ticket: Ticket,
        agent_id: int,
        text: str,
        link_id: int | None = None,
    ) -> Message:
        """`reply` for a locked ticket, and an agent whose words were looked at; `text` may hold a link's mark.

        No clock pauses before it has arrived (`Owed.follow_arrival`). Anybody may help a buyer out, but what has risen
        beyond their reach does not become theirs by that.
        """
        may_have = ticket.level <= await rights.reach(session, await get_agent(session, agent_id))
        with changing(session, now, ticket, f"agent:{agent_id}", "ticket.replied"):
            move(ticket, Phase.WAITING, "answered")
            ticket.assignee_id = ticket.assignee_id or (agent_id if may_have else None)
            clocks.count_silence(now, ticket, self.rules)
        return await self.speak(session, now, ticket, agent_id, text, link_id)

    async def note(self, session: AsyncSession, now: datetime, ticket_id: int, agent_id: int, text: str) -> Message:
        """Write something that only staff see; who is mentioned is told. Raises `CodeInText`, as `reply` does."""
        text = texts.tidy(text, self.rules.message_limit)
        await get_agent(session, agent_id)
        ticket = await get_ticket(session, ticket_id)
        await texts.refuse_codes(session, ticket, text)
        note = await add_note(session, now, ticket, text, author=Author.AGENT, agent_id=agent_id)
        await self.tell_mentioned(session, now, ticket, agent_id, text)
        return note

    async def resolve(
        self,
        session: AsyncSession,
        now: datetime,
        ticket_id: int,
        agent_id: int,
        outcome: Outcome,
        text: str | None = None,
        version: int | None = None,
        *,
        is_for_all: bool = False,
    ) -> Ticket:
        """End the cycle with an outcome and tell the buyer; the delivery of that message handles the ticket.

        Words alone decide one claim (`tickets.grants` has the verb where there are several), or with `is_for_all` each.
        Raises `HeldByColleague`, `CodeInText`, `SeveralClaims`, and what stands against the outcome (see
        `tickets.compensation`).
        """
        text = None if text is None else texts.tidy(text, self.rules.message_limit)
        ticket = await lock_ticket(session, ticket_id, version)
        await require_hands(session, ticket, agent_id)
        if text is not None:
            await texts.refuse_codes(session, ticket, text)
        if outcome in IN_WORDS and not is_for_all and len(left := await filing.undecided_of(session, ticket)) > 1:
            raise SeveralClaims(number=ticket.number, count=len(left))
        return await self.conclude(session, now, ticket, agent_id, outcome, text)

    async def conclude(
        self,
        session: AsyncSession,
        now: datetime,
        ticket: Ticket,
        agent_id: int | None,
        outcome: Outcome,
        text: str | None,
        link_id: int | None = None,
    ) -> Ticket:
        """`resolve` for a locked ticket, and an agent whose right and words were looked at; None: by the bot."""
        actor = "bot" if agent_id is None else f"agent:{agent_id}"
        with changing(session, now, ticket, actor, "ticket.resolved", outcome=outcome):
            ticket.assignee_id = ticket.assignee_id or agent_id
            await _end_cycle(session, now, ticket, outcome, actor)
            ticket.closes_at = now + self.rules.reopen_within
        closing = await self.words(session, ticket, "ticket.resolved", outcome=outcome)
        text = f"{text}\n\n{closing}" if text else closing
        await self.speak(session, now, ticket, agent_id, text, link_id)
        return ticket

    async def speak(
        self,
        session: AsyncSession,
        now: datetime,
        ticket: Ticket,
        agent_id: int | None,
        text: str,
        link_id: int | None = None,
        *,
        handles: bool = True,
    ) -> Message:
        """Send the buyer these words as this agent's, or the bot's; where they handle the ticket, delivery does."""
        conversation = await place_to_answer(session, now, ticket)
        return await post(
            session,
            now,
            conversation,
            text,
            author=Author.BOT if agent_id is None else Author.AGENT,
            ticket=ticket,
            agent_id=agent_id,
            priority=Priority.OUTCOME if agent_id is None else Priority.AGENT_REPLY,
            handles=handles,
            link_id=link_id,
        )

    async def queue(self, session: AsyncSession, now: datetime, limit: int = 50) -> list[QueueRow]:
        """Who waits, in the order in which they will be served."""
        return await queue.rows(session, now, *queue.is_queued(), limit=limit)

    async def held(self, session: AsyncSession, now: datetime, agent_id: int, limit: int = 50) -> list[QueueRow]:
        """The unsettled tickets in this agent's hands."""
        mine = (col(Ticket.assignee_id) == agent_id, col(Ticket.phase).in_(lifecycle.ACTIVE))
        return await queue.rows(session, now, *mine, limit=limit)


async def _end_cycle(session: AsyncSession, now: datetime, ticket: Ticket, outcome: Outcome, actor: str) -> None:
    move(ticket, Phase.RESOLVED, "resolved")
    cycle = await clocks.get_cycle(session, ticket)
    cycle.resolved_at, cycle.outcome = now, outcome
    session.add(cycle)
    await clocks.meet_resolution(session, now, cycle)
    await compensation.decide(session, now, ticket, outcome, actor)


async def _require_holder(session: AsyncSession, ticket: Ticket, agent_id: int, verb: str) -> None:
    agent = await get_agent(session, agent_id)
    if ticket.assignee_id != agent_id:
        if not rights.is_lead(agent):
            raise NotAllowed(role=agent.role, verb=verb)
        await rights.require_rank(session, ticket, agent)


def _require_active(ticket: Ticket, verb: str) -> None:
    if not lifecycle.is_active(ticket.phase):
        raise InvalidTransition(number=ticket.number, phase=ticket.phase, verb=verb)


async def _why_not_free(session: AsyncSession, ticket: Ticket, agent_id: int) -> TicketError:
    if not lifecycle.is_active(ticket.phase):
        return InvalidTransition(number=ticket.number, phase=ticket.phase, verb="taken")
    if ticket.assignee_id is None:
        await rights.require_rank(session, ticket, await get_agent(session, agent_id))
        return StaleTicket(number=ticket.number)
    holder = await session.get_one(Agent, ticket.assignee_id)
    return AlreadyTaken(number=ticket.number, agent=holder.name)
