"""A ticket as its topic is to show it, read in one snapshot."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from bot import topics
from bot.staff.cards import Line
from bot.staff.tables import Mirrored
from bot.tables import Topic
from shop.masking import mask_text
from tickets import filing, queue
from tickets.outbox import LOST
from tickets.queue import QueueRow
from tickets.tables import Agent, Author, Claim, Message, MessageRevision, Outgoing, Ticket

CONTEXT = timedelta(days=1)  # how far back words before the ticket explain it
CONTEXT_SHOWN = 8
PAGE = 200  # messages that are looked at at once


@dataclass(frozen=True, slots=True)
class Lost:
    """A message of ours that did not reach the buyer, or may not have."""

    message_id: int
    shown_as: int | None  # its message in the topic
    text: str
    problem: str


@dataclass(frozen=True, slots=True)
class View:
    """What there is to show."""

    row: QueueRow
    topic: Topic | None
    product: str
    claims: Mapping[int, Claim]  # undecided, by their numbers on the ticket
    news: Sequence[Line]  # not shown yet, oldest first
    edits: Sequence[tuple[Line, int]]  # shown, and changed since: with the last revision
    lost: Sequence[Lost]

    @property
    def ticket(self) -> Ticket:
        return self.row.ticket


async def read(session: AsyncSession, now: datetime, bot: str, ticket_id: int) -> View | None:
    """None when there is no such ticket."""
    rows = await queue.rows(session, now, col(Ticket.id) == ticket_id)
    if not rows:
        return None
    topic = await topics.find(session, bot, ticket_id)
    ticket = rows[0].ticket
    return View(
        row=rows[0],
        topic=topic,
        product=await _product(session, ticket),
        claims=filing.undecided(await filing.by_number(session, ticket)),
        news=await _news(session, ticket, rows[0].buyer, topic),
        edits=await _edits(session, topic, rows[0].buyer) if topic else (),
        lost=await _lost(session, topic) if topic else (),
    )


async def _product(session: AsyncSession, ticket: Ticket) -> str:
    claimed = select(Claim.product_name).where(Claim.ticket_id == ticket.id).order_by(col(Claim.id).desc()).limit(1)
    return (await session.exec(claimed)).first() or ticket.product or ""


async def _news(session: AsyncSession, ticket: Ticket, buyer: str, topic: Topic | None) -> list[Line]:
    """In a new topic with what was said before there was a ticket."""
    shown = select(Mirrored.message_id).where(Mirrored.topic_id == (topic.id if topic else 0))
    is_fresh = topic is None or (await session.exec(shown.limit(1))).first() is None
    found = await session.exec(
        select(Message, Agent.name)
        .join(Agent, col(Agent.id) == col(Message.agent_id), isouter=True)
        .where(col(Message.ticket_id) == ticket.id, col(Message.id).not_in(shown))
        .order_by(col(Message.id))
        .limit(PAGE)
    )
    before = await _before(session, ticket) if is_fresh else []
    said = [(message, None) for message in before] + list(found.all())
    edited = await _last_edits(session, [message.id for message, _ in said])
    return [_line(message, name, buyer, edited.get(message.id, 0)) for message, name in said]


async def _last_edits(session: AsyncSession, message_ids: Sequence[int | None]) -> dict[int | None, int]:
    last = select(MessageRevision.message_id, func.max(MessageRevision.id))
    mine = last.where(col(MessageRevision.message_id).in_(message_ids)).group_by(col(MessageRevision.message_id))
    return {message_id: revision or 0 for message_id, revision in (await session.exec(mine)).all()}


async def _before(session: AsyncSession, ticket: Ticket) -> list[Message]:
    found = await session.exec(
        select(Message)
        .where(Message.conversation_id == ticket.conversation_id, col(Message.ticket_id).is_(None))
        .where(col(Message.is_note).is_(False), col(Message.created_at) <= ticket.created_at)
        .where(col(Message.created_at) > ticket.created_at - CONTEXT)
        .order_by(col(Message.id).desc())
        .limit(CONTEXT_SHOWN)
    )
    return list(reversed(found.all()))


async def _edits(session: AsyncSession, topic: Topic, buyer: str) -> list[tuple[Line, int]]:
    found = await session.exec(
        select(Message, Agent.name, MessageRevision.id)
        .join(Mirrored, col(Mirrored.message_id) == col(Message.id))
        .join(MessageRevision, col(MessageRevision.message_id) == col(Message.id))
        .join(Agent, col(Agent.id) == col(Message.agent_id), isouter=True)
        .where(Mirrored.topic_id == topic.id, col(MessageRevision.id) > col(Mirrored.revision_id))
        .order_by(col(MessageRevision.id))
    )
    latest = {message.id: (_line(message, name, buyer), revision or 0) for message, name, revision in found.all()}
    return list(latest.values())


async def _lost(session: AsyncSession, topic: Topic) -> list[Lost]:
    found = await session.exec(
        select(Message.id, Mirrored.telegram_id, Message.text, Outgoing.problem)
        .join(Mirrored, col(Mirrored.message_id) == col(Message.id))
        .join(Outgoing, col(Outgoing.message_id) == col(Message.id))
        .where(Mirrored.topic_id == topic.id, col(Mirrored.is_lost_told).is_(False))
        .where(col(Outgoing.state).in_(LOST))
        .order_by(col(Message.id))
    )
    return [Lost(number or 0, shown, text, problem or "") for number, shown, text, problem in found.all()]


def _line(message: Message, agent: str | None, buyer: str, revision: int = 0) -> Line:
    pictures = tuple(int(one["picture"]) for one in message.attachments if one.get("picture"))
    author = buyer if message.author == Author.BUYER else agent or ""
    return Line(message, mask_text(author), pictures, revision)
