"""Everything that an agent sees of one ticket, read in one snapshot."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from audit.tables import AuditRow
from console.claim_cards import ClaimCard, cards_of
from shop.tables import RevealLink
from tickets import clocks, lifecycle, queue, sla
from tickets.labels import tags_of
from tickets.relations import Relation, children_of, relations_of
from tickets.said import former_words
from tickets.tables import (
    Agent,
    Buyer,
    Clock,
    Conversation,
    Cycle,
    Escalation,
    Message,
    MessageRevision,
    Metric,
    Outgoing,
    Rating,
    ReplyWindow,
    Ticket,
    id_of,
)

MESSAGES = 300  # the newest of the conversation
TRAIL = 40  # audit rows


@dataclass(frozen=True, slots=True)
class Line:
    """A message, who wrote it, and what is known of its delivery."""

    message: Message
    agent: str | None
    sending: Outgoing | None
    link: RevealLink | None  # what the mark in its text stands for
    former: Sequence[MessageRevision] = ()  # what it said before it was edited, the oldest first


@dataclass(frozen=True, slots=True)
class Promise:
    """A clock of the latest cycle, and how it stands."""

    clock: Clock
    verdict: sla.Verdict

    @property
    def is_owed(self) -> bool:
        """Neither kept nor given up, late or not."""
        return self.clock.met_at is None and self.clock.stopped_at is None


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The tickets that this one has to do with."""

    relations: list[Relation]
    parent: Ticket | None  # the incident that it is part of
    parts: list[Ticket]  # of the incident that it is
    merged_into: Ticket | None
    others: list[Ticket]  # of the same buyer, newest first


@dataclass(frozen=True, slots=True)
class Case:
    """A ticket with all that belongs to it."""

    ticket: Ticket
    buyer: Buyer
    conversation: Conversation
    assignee: Agent | None
    window: ReplyWindow | None  # the messenger's own clock, where it has one
    position: int  # in the queue; 0 when it does not stand there
    lines: list[Line]
    promises: list[Promise]  # of the latest cycle, the first due first
    ending: str | None  # Outcome or Ending of the latest cycle
    escalations: list[Escalation]
    claims: list[ClaimCard]
    neighbours: Neighbours
    tags: list[str]
    rating: Rating | None  # of the latest cycle that was asked about
    trail: list[AuditRow]
    staff: list[Agent]

    @property
    def pressing(self) -> Promise | None:
        """The promise to keep next: the first due of those that are owed; when none is, how handling went."""
        owed = [one for one in self.promises if one.is_owed]
        return next(iter([*owed, *(one for one in self.promises if one.clock.metric == Metric.HANDLING)]), None)

    @property
    def to_grant(self) -> list[ClaimCard]:
        """The claims of this ticket that wait for their outcome."""
        return [card for card in self.claims if card.claim.ticket_id == self.ticket.id and card.is_undecided]

    @property
    def names(self) -> dict[int | None, str]:
        """Of agents."""
        return {agent.id: agent.name for agent in self.staff}

    @property
    def manager(self) -> str | None:
        """Who looks after this buyer."""
        return self.names.get(self.buyer.account_manager_id) if self.buyer.account_manager_id else None

    @property
    def colleagues(self) -> list[Agent]:
        """Who can be given something, or mentioned."""
        return [agent for agent in self.staff if agent.is_active]

    @property
    def unsettled(self) -> list[Ticket]:
        """The parts that an answer to all of the incident reaches."""
        return [part for part in self.neighbours.parts if lifecycle.is_active(part.phase)]


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
    cycle = await clocks.find_cycle(session, ticket)
    promises = await _promises(session, now, cycle) if cycle else []
    cards = await cards_of(session, ticket)
    return Case(
        ticket=ticket,
        buyer=buyer,
        conversation=conversation,
        assignee=assignee,
        window=await session.get(ReplyWindow, id_of(conversation)),
        position=await queue.position(session, ticket),
        lines=await _lines(session, ticket),
        promises=promises,
        ending=cycle.outcome if cycle else None,
        escalations=await _escalations(session, ticket),
        claims=cards,
        neighbours=await _neighbours(session, ticket),
        tags=await tags_of(session, id_of(ticket)),
        rating=await _rating(session, ticket),
        trail=await _trail(session, ticket, cards),
        staff=list((await session.exec(select(Agent).order_by(col(Agent.name)))).all()),
    )


async def _promises(session: AsyncSession, now: datetime, cycle: Cycle) -> list[Promise]:
    """The newest clock of each metric."""
    mine = select(Clock).where(Clock.cycle_id == cycle.id).order_by(col(Clock.ordinal))
    newest = {clock.metric: clock for clock in (await session.exec(mine)).all()}
    found = sorted(newest.values(), key=lambda clock: clock.due_at)
    return [Promise(one, sla.verdict(one.due_at, one.met_at, one.stopped_at, now)) for one in found]


async def _lines(session: AsyncSession, ticket: Ticket) -> list[Line]:
    found = await session.exec(
        select(Message, Agent.name, Outgoing, RevealLink)
        .join(Agent, col(Agent.id) == col(Message.agent_id), isouter=True)
        .join(Outgoing, col(Outgoing.message_id) == col(Message.id), isouter=True)
        .join(RevealLink, col(RevealLink.id) == col(Message.link_id), isouter=True)
        # What was merged into it may have been said in another conversation of the buyer.
        .where(or_(Message.conversation_id == ticket.conversation_id, Message.ticket_id == ticket.id))
        # A note on another ticket of the same buyer is that ticket's.
        .where(or_(col(Message.is_note).is_(False), col(Message.ticket_id) == ticket.id))
        .order_by(col(Message.id).desc())
        .limit(MESSAGES)
    )
    rows = list(reversed(found.all()))
    former = await former_words(session, [id_of(row[0]) for row in rows])
    return [Line(*row, former.get(id_of(row[0]), ())) for row in rows]


async def _escalations(session: AsyncSession, ticket: Ticket) -> list[Escalation]:
    found = await session.exec(
        select(Escalation).where(Escalation.ticket_id == ticket.id).order_by(col(Escalation.id).desc())
    )
    return list(found.all())


async def _neighbours(session: AsyncSession, ticket: Ticket) -> Neighbours:
    return Neighbours(
        relations=await relations_of(session, id_of(ticket)),
        parent=await session.get(Ticket, ticket.parent_id) if ticket.parent_id else None,
        parts=await children_of(session, id_of(ticket)),
        merged_into=await session.get(Ticket, ticket.merged_into_id) if ticket.merged_into_id else None,
        others=await _others(session, ticket),
    )


async def _rating(session: AsyncSession, ticket: Ticket) -> Rating | None:
    asked = select(Rating).where(Rating.ticket_id == ticket.id).order_by(col(Rating.cycle_id).desc()).limit(1)
    return (await session.exec(asked)).first()


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
