"""Everything that an agent sees of one ticket, read in one snapshot."""

from dataclasses import dataclass
from datetime import datetime

from sqlmodel import col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from audit.tables import AuditRow
from shop.tables import Code, CodeState, Replacement, RevealLink
from tickets import clocks, queue, sla
from tickets.tables import (
    Agent,
    Buyer,
    Claim,
    Clock,
    Conversation,
    Escalation,
    Message,
    Metric,
    Outgoing,
    Ticket,
)

MESSAGES = 300  # the newest of the conversation
TRAIL = 40  # audit rows
SETTLED = 5  # claims that the bot settled in this conversation without a ticket, the newest


@dataclass(frozen=True, slots=True)
class Line:
    """A message, who wrote it, and what is known of its delivery."""

    message: Message
    agent: str | None
    sending: Outgoing | None
    link: RevealLink | None  # what the mark in its text stands for


@dataclass(frozen=True, slots=True)
class ClaimCard:
    """A claim and, when it was replaced, what became of the new code."""

    claim: Claim
    replacement: Replacement | None
    code: Code | None  # the new one, sealed
    opened_at: datetime | None  # when the buyer looked at it

    @property
    def masked(self) -> str:
        """The new code."""
        return self.code.masked if self.code else ""

    @property
    def is_unseen(self) -> bool:
        """Whether a new link to the new code may be sent."""
        return self.code is not None and self.code.state == CodeState.ISSUED and self.opened_at is None


@dataclass(frozen=True, slots=True)
class Case:
    """A ticket with all that belongs to it."""

    ticket: Ticket
    buyer: Buyer
    conversation: Conversation
    assignee: Agent | None
    position: int  # in the queue; 0 when it does not stand there
    lines: list[Line]
    clock: Clock | None
    verdict: sla.Verdict | None
    escalations: list[Escalation]
    claims: list[ClaimCard]
    others: list[Ticket]  # of the same buyer, newest first
    trail: list[AuditRow]
    names: dict[int, str]  # of agents


async def find_case(session: AsyncSession, now: datetime, number: str) -> Case | None:
    """The case of a ticket number; None when there is no such ticket."""
    found = await session.exec(
        select(Ticket, Buyer, Conversation, Agent)
        .join(Buyer, col(Buyer.id) == col(Ticket.buyer_id))
        .join(Conversation, col(Conversation.id) == col(Ticket.conversation_id))
        .join(Agent, col(Agent.id) == col(Ticket.assignee_id), isouter=True)
        .where(Ticket.number == number)
    )
    row = found.first()
    if row is None:
        return None
    ticket, buyer, conversation, assignee = row
    clock = await _handling_clock(session, ticket)
    cards = await _claims(session, ticket)
    return Case(
        ticket=ticket,
        buyer=buyer,
        conversation=conversation,
        assignee=assignee,
        position=await queue.position(session, ticket),
        lines=await _lines(session, ticket),
        clock=clock,
        verdict=sla.verdict(clock.due_at, clock.met_at, clock.stopped_at, now) if clock else None,
        escalations=await _escalations(session, ticket),
        claims=cards,
        others=await _others(session, ticket),
        trail=await _trail(session, ticket, cards),
        names={number: name for number, name in (await session.exec(select(Agent.id, Agent.name))).all() if number},
    )


async def _handling_clock(session: AsyncSession, ticket: Ticket) -> Clock | None:
    cycle = await clocks.find_cycle(session, ticket)
    if cycle is None:
        return None
    found = await session.exec(select(Clock).where(Clock.cycle_id == cycle.id, Clock.metric == Metric.HANDLING))
    return found.first()


async def _lines(session: AsyncSession, ticket: Ticket) -> list[Line]:
    found = await session.exec(
        select(Message, Agent.name, Outgoing, RevealLink)
        .join(Agent, col(Agent.id) == col(Message.agent_id), isouter=True)
        .join(Outgoing, col(Outgoing.message_id) == col(Message.id), isouter=True)
        .join(RevealLink, col(RevealLink.id) == col(Message.link_id), isouter=True)
        .where(Message.conversation_id == ticket.conversation_id)
        # A note on another ticket of the same buyer is that ticket's.
        .where(or_(col(Message.is_note).is_(False), col(Message.ticket_id) == ticket.id))
        .order_by(col(Message.id).desc())
        .limit(MESSAGES)
    )
    return [Line(*row) for row in reversed(found.all())]


async def _escalations(session: AsyncSession, ticket: Ticket) -> list[Escalation]:
    found = await session.exec(
        select(Escalation).where(Escalation.ticket_id == ticket.id).order_by(col(Escalation.id).desc())
    )
    return list(found.all())


async def _claims(session: AsyncSession, ticket: Ticket) -> list[ClaimCard]:
    settled = (
        select(Claim.id)
        .where(Claim.conversation_id == ticket.conversation_id, col(Claim.ticket_id).is_(None))
        .order_by(col(Claim.id).desc())
        .limit(SETTLED)
    )
    found = await session.exec(
        select(Claim, Replacement, Code, RevealLink.opened_at)
        .join(Replacement, col(Replacement.claim_id) == col(Claim.id), isouter=True)
        .join(Code, col(Code.id) == col(Replacement.code_id), isouter=True)
        .join(RevealLink, col(RevealLink.code_id) == col(Code.id), isouter=True)
        .where(or_(col(Claim.ticket_id) == ticket.id, col(Claim.id).in_(settled)))
        .order_by(col(Claim.id), col(RevealLink.opened_at).is_(None))
    )
    # A code may have had several links; the opened one tells most.
    cards: dict[int | None, ClaimCard] = {}
    for claim, replacement, code, opened_at in found.all():
        cards.setdefault(claim.id, ClaimCard(claim, replacement, code, opened_at))
    return list(cards.values())


async def _others(session: AsyncSession, ticket: Ticket) -> list[Ticket]:
    found = await session.exec(
        select(Ticket)
        .where(Ticket.buyer_id == ticket.buyer_id, col(Ticket.id) != ticket.id)
        .order_by(col(Ticket.id).desc())
        .limit(8)
    )
    return list(found.all())


async def _trail(session: AsyncSession, ticket: Ticket, cards: list[ClaimCard]) -> list[AuditRow]:
    subjects = [f"ticket:{ticket.id}", *(f"claim:{card.claim.id}" for card in cards)]
    found = await session.exec(
        select(AuditRow).where(col(AuditRow.subject).in_(subjects)).order_by(col(AuditRow.id).desc()).limit(TRAIL)
    )
    return list(found.all())
