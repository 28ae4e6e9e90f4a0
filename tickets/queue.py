"""The queue as people see it: who is next, who stands where. Reading only; the desk moves tickets."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Select, String, cast, func, literal_column, tuple_, union_all
from sqlalchemy.orm import Mapped
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from sqlmodel.sql.expression import SelectOfScalar

from audit.tables import AuditRow
from tickets.routing import Place
from tickets.tables import Agent, Buyer, Clock, Conversation, Metric, Phase, Ticket

# Higher level first, then the longest (weighted) wait, then the older ticket.
AT_PLACE = (col(Ticket.rank_at), col(Ticket.id))
ORDER = (col(Ticket.level).desc(), *AT_PLACE)
_OPEN: ColumnElement[str] = literal_column(f"'{Phase.OPEN}'")
IS_OPEN: ColumnElement[bool] = col(Ticket.phase) == _OPEN
# Written out: PostgreSQL plans a statement anew each time, at several times its cost, when told such numbers late.
ONE: ColumnElement[int] = literal_column("1")
_STANDING = select(col(Ticket.queue), col(Ticket.level), col(Ticket.rank_at), col(Ticket.id))

# The pace of a queue: so many of its last departures, no older than this, among so many of the newest audit rows.
DEPARTURES = 50
PACE_OF = timedelta(hours=24)
LOOK_BACK = 2_000


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
    """What makes a ticket stand in the queue: open, in nobody's hands, not asleep. In the words of its index.

    The phase is written out: neither database uses a partial index for a value that it is only told when it runs, and
    SQLite plans a statement anew whenever it is told another one.
    """
    return (IS_OPEN, col(Ticket.assignee_id).is_(None), col(Ticket.snoozed_until).is_(None))


def stands(ticket: Ticket) -> bool:
    """As `is_queued`, of one that was read."""
    is_free = ticket.assignee_id is None and ticket.snoozed_until is None
    return is_free and ticket.phase == Phase.OPEN and ticket.rank_at is not None


def at_place(place: Place) -> tuple[ColumnElement[bool], ...]:
    """The tickets that stand in one queue at one level: a stretch of the index, in order."""
    return (*is_queued(), col(Ticket.queue) == place[0], col(Ticket.level) == literal_column(str(int(place[1]))))


def heads(places: Sequence[Place], *conditions: ColumnElement[bool]) -> Select[Any]:
    """Queue, level, rank and id of the next ticket that meets the conditions, then those of the other places' heads.

    One look at the index for each place, however many tickets stand there.
    """
    each = [
        _STANDING.where(*at_place(place), *conditions).order_by(*AT_PLACE).limit(ONE).subquery() for place in places
    ]
    every = union_all(*(select(head) for head in each)).subquery()
    return every.select().order_by(every.c.level.desc(), every.c.rank_at, every.c.id)


async def position(session: AsyncSession, ticket: Ticket) -> int:
    """1 when next in its queue, 0 when the ticket does not stand in one."""
    if not stands(ticket):
        return 0
    mine = (*is_queued(), col(Ticket.queue) == ticket.queue)
    earlier = tuple_(col(Ticket.rank_at), col(Ticket.id)) < tuple_(ticket.rank_at, ticket.id)
    above = select(func.count()).where(*mine, col(Ticket.level) > ticket.level).scalar_subquery()
    before = select(func.count()).where(*at_place((ticket.queue, ticket.level)), earlier).scalar_subquery()
    ahead: int = (await session.exec(select(above + before))).one()
    return ahead + 1


def held_by(agent_id: int | Mapped[int | None] | BindParameter[int]) -> SelectOfScalar[int]:
    """Counts what an agent owes an answer on; what waits for its buyer, or sleeps, takes none of their room.

    LIKE, because no index serves it: told that the phase equals something, SQLite goes through all open tickets instead
    of the agent's. PostgreSQL reads a pattern without a wildcard as the word itself.
    """
    held = select(func.count()).where(col(Ticket.assignee_id) == agent_id, col(Ticket.phase).like(_OPEN))
    return held.where(col(Ticket.snoozed_until).is_(None))


async def departures(session: AsyncSession, now: datetime, ticket: Ticket) -> list[datetime]:
    """When tickets of this one's queue were last taken into somebody's hands; those that rank above it left out.

    Read from the newest part of the audit trail, so that a buyer's question costs the same in a big house.
    """
    newest = select(func.max(AuditRow.id)).scalar_subquery()
    rows = (
        select(AuditRow.at, AuditRow.subject, AuditRow.after)
        .where(col(AuditRow.id) > newest - LOOK_BACK, col(AuditRow.at) > now - PACE_OF)
        .where(cast(AuditRow.before, String).contains('"assignee": null'))  # whichever verb it was
        .order_by(col(AuditRow.id))
    )
    left: dict[int, datetime] = {}
    for at, subject, after in (await session.exec(rows)).all():
        if after and after.get("assignee"):
            left[int(subject.removeprefix("ticket:"))] = at
    same = select(Ticket.id).where(col(Ticket.id).in_(left), Ticket.queue == ticket.queue)
    ours = await session.exec(same.where(col(Ticket.level) <= ticket.level))
    return sorted(left[ticket_id] for ticket_id in ours if ticket_id is not None)[-DEPARTURES:]


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
    """When each unhandled ticket is due: first, where several waits of it are unhandled."""
    found = await session.exec(
        select(Clock.ticket_id, Clock.due_at)
        .where(col(Clock.ticket_id).in_(ticket_ids), Clock.metric == Metric.HANDLING)
        .where(col(Clock.met_at).is_(None), col(Clock.stopped_at).is_(None))
        .order_by(col(Clock.due_at).desc())  # of several the last stands in the dictionary
    )
    return dict(found.all())
