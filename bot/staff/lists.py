"""What staff look up in a chat: the queue, their own tickets, the promises, and tickets by what is known of them."""

from datetime import datetime, timedelta

from sqlalchemy import func
from sqlmodel import col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from bot import topics
from bot.staff import cards, commands
from bot.staff.errors import CannotRead
from bot.staff.rules import Room
from bot.tables import Topic
from shop.masking import normalise_code
from tickets import queue, reports
from tickets.reports import Attainment
from tickets.tables import Agent, Buyer, Level, Ticket, id_of

SHOWN = 10
DAY = timedelta(days=1)


class Lists:
    """Answers in words."""

    def __init__(self, room: Room) -> None:
        self._room = room

    async def queue(self, session: AsyncSession, now: datetime) -> str:
        rows = await self._room.desk.queue(session, now, SHOWN)
        total = (await session.exec(select(func.count()).select_from(Ticket).where(*queue.is_queued()))).one()
        if not rows:
            return self._room.words("list.nobody")
        lines = [f"{cards.row_text(self._room, one)}{await self._way(session, one.ticket)}" for one in rows]
        return "\n".join([self._room.words("list.queue", count=total), *lines])

    async def mine(self, session: AsyncSession, now: datetime, agent: Agent) -> str:
        rows = await self._room.desk.held(session, now, id_of(agent), SHOWN)
        if not rows:
            return self._room.words("list.none_held")
        lines = [
            f"{cards.row_text(self._room, one, is_own=True)}{await self._way(session, one.ticket)}" for one in rows
        ]
        return "\n".join([self._room.words("list.mine", agent=agent.name), *lines])

    async def take_next(self, session: AsyncSession, now: datetime, agent: Agent) -> str:
        """The head of the queue into this agent's hands. Raises `IsAway`, `HandsFull`."""
        ticket_id = await self._room.desk.take_next(session, now, id_of(agent))
        if ticket_id is None:
            return self._room.words("list.nobody")
        (row,) = await queue.rows(session, now, col(Ticket.id) == ticket_id)
        text = cards.row_text(self._room, row, is_own=True)
        return self._room.words("list.next", ticket=text) + await self._way(session, row.ticket)

    async def sla(self, session: AsyncSession, now: datetime) -> str:
        """How the 24-hour promise stands: what fell due in the last day, and what is late now."""
        kept = await reports.attainment(session, now - DAY, now, now, self._room.desk.rules)
        late = await queue.rows(session, now, queue.IS_OPEN, col(Ticket.level) > Level.BOT_LANE, limit=200)
        lines = [cards.row_text(self._room, row) for row in late if row.is_late][:SHOWN]
        key = "sla" if kept.n else "sla_none"
        return "\n".join([self._room.words(key, **figures(self._room, kept)), *lines])

    async def find(self, session: AsyncSession, now: datetime, words: str) -> str:
        """By the ticket's number, the order's, or the buyer's name. Raises `CannotRead`."""
        wanted = " ".join(words.split())
        if len(wanted) < 2:
            raise CannotRead(usage=self._room.words("usage.find"))
        if commands.is_ticket_number(wanted) or (wanted.isdecimal() and len(wanted) < 7):
            condition = col(Ticket.number) == commands.ticket_number(wanted)
        else:
            order = normalise_code(wanted)
            named = select(Buyer.id).where(col(Buyer.name).icontains(wanted, autoescape=True))
            ordered = col(Ticket.order_ref).endswith(f"/{order}", autoescape=True)
            condition = or_(ordered, col(Ticket.buyer_id).in_(named))
        rows = await queue.rows(session, now, condition, limit=SHOWN)
        if not rows:
            return self._room.words("list.not_found")
        lines = [
            f"{cards.row_text(self._room, one)} · {cards.status_of(self._room, one)}"
            f"{await self._way(session, one.ticket)}"
            for one in rows
        ]
        return "\n".join(lines)

    async def _way(self, session: AsyncSession, ticket: Ticket) -> str:
        """Where the ticket can be worked on: its topic, else its page."""
        topic = await topics.find(session, self._room.rules.account, id_of(ticket))
        return f"\n  {link_to(topic) if topic and topic.thread_id else self._room.rules.page_of(ticket.number)}"


def link_to(topic: Topic) -> str:
    """The address of a topic, which opens it in the app."""
    return f"https://t.me/c/{topic.chat_id.removeprefix('-100')}/{topic.thread_id}"


def figures(room: Room, kept: Attainment) -> dict[str, object]:
    """The figures of `tickets.reports`, each with its n."""
    share = "-" if kept.share is None else f"{kept.share:.0%}"
    median = "-" if kept.median is None else _span(kept.median)
    p90 = "-" if kept.p90 is None else _span(kept.p90)
    counts = {"n": kept.n, "met": kept.met, "late": kept.breached, "open": kept.breached_open}
    return {"share": share, "median": median, "p90": p90, **counts}


def _span(span: timedelta) -> str:
    minutes = round(span.total_seconds() / 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"
