"""What staff must know before anything else: a stalled sweep, and notices that they have not seen."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from tickets import notices
from tickets.tables import Heartbeat, Notice, Ticket


@dataclass(frozen=True, slots=True)
class News:
    """A notice and the ticket that it speaks of."""

    notice: Notice
    number: str | None


@dataclass(frozen=True, slots=True)
class Banners:
    swept_at: datetime | None  # None: never
    is_stalled: bool
    news: list[News]


async def banners(session: AsyncSession, now: datetime, stale: timedelta, agent_id: int) -> Banners:
    heartbeat = await session.get(Heartbeat, "sweep")
    swept_at = heartbeat.at if heartbeat else None
    unseen = await notices.unseen(session, now, agent_id)
    ids = {notice.ticket_id for notice in unseen}
    numbers = dict((await session.exec(select(Ticket.id, Ticket.number).where(col(Ticket.id).in_(ids)))).all())
    news = [News(notice, numbers.get(notice.ticket_id)) for notice in unseen]
    return Banners(swept_at, swept_at is None or now - swept_at > stale, news)
