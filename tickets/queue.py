"""The queue as people see it: who is next, who stands where. Reading only; the desk moves tickets."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, func
from sqlmodel import and_, col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from tickets.tables import Agent, Buyer, Clock, Conversation, Metric, Phase, Ticket

# The order of `routing.queue_key`, for the database.
ORDER = (col(Ticket.level).desc(), col(Ticket.rank_at), col(Ticket.id))


@dataclass(frozen=True, slots=True)
class QueueRow:
    """A ticket with what an agent needs to choose it."""

    ticket: Ticket
    buyer: str  # name
    tier: str
    channel: str
    assignee: str | None  # name
    due_at: datetime | None  # of the running handling clock; None once handled
    is_late: bool


def is_queued() -> tuple[ColumnElement[bool], ...]:
    """What makes a ticket stand in the queue: open, and in nobody's hands."""
    return (col(Ticket.phase) == Phase.OPEN, col(Ticket.assignee_id).is_(None))


async def find_next(session: AsyncSession) -> int | None:
    """The id of the ticket at the head; other transactions' picks are passed over."""
    head = select(Ticket.id).where(*is_queued()).order_by(*ORDER).limit(1)
    return (await session.exec(head.with_for_update(skip_locked=True))).first()


async def position(session: AsyncSession, ticket: Ticket) -> int:
    """1 when next, 0 when the ticket does not stand in the queue."""
    if ticket.phase != Phase.OPEN or ticket.assignee_id is not None or ticket.rank_at is None:
        return 0
    level, rank = col(Ticket.level), col(Ticket.rank_at)
    earlier = or_(rank < ticket.rank_at, and_(rank == ticket.rank_at, col(Ticket.id) < ticket.id))
    ahead = or_(level > ticket.level, and_(level == ticket.level, earlier))
    return (await session.exec(select(func.count(col(Ticket.id))).where(*is_queued(), ahead))).one() + 1


async def rows(
    session: AsyncSession, now: datetime, *conditions: ColumnElement[bool], limit: int = 50
) -> list[QueueRow]:
    """Tickets that meet `conditions`, in queue order."""
    found = await session.exec(
        select(Ticket, Buyer, Conversation, Agent)
        .join(Buyer, col(Buyer.id) == col(Ticket.buyer_id))
        .join(Conversation, col(Conversation.id) == col(Ticket.conversation_id))
        .join(Agent, col(Agent.id) == col(Ticket.assignee_id), isouter=True)
        .where(*conditions)
        .order_by(*ORDER)
        .limit(limit)
    )
    # An outer join brings None where nobody holds the ticket; the statement's type does not know.
    joined: list[tuple[Ticket, Buyer, Conversation, Agent | None]] = list(found.all())
    due = await _due(session, [ticket.id for ticket, *_ in joined])
    return [
        QueueRow(
            ticket=ticket,
            buyer=buyer.name,
            tier=buyer.tier,
            channel=conversation.channel,
            assignee=agent.name if agent else None,
            due_at=due.get(ticket.id),
            is_late=ticket.id in due and due[ticket.id] < now,
        )
        for ticket, buyer, conversation, agent in joined
    ]


async def _due(session: AsyncSession, ticket_ids: list[int | None]) -> dict[int | None, datetime]:
    """When each unhandled ticket is due; of several cycles the latest counts."""
    found = await session.exec(
        select(Clock.ticket_id, Clock.due_at)
        .where(col(Clock.ticket_id).in_(ticket_ids), Clock.metric == Metric.HANDLING)
        .where(col(Clock.met_at).is_(None), col(Clock.stopped_at).is_(None))
        .order_by(col(Clock.id))
    )
    return dict(found.all())
