"""What staff must know before anything else: a stalled sweep, messages that got stuck, notices they have not seen."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from tickets import notices, outbox
from tickets.tables import Notice, Ticket
from tickets.watch import Watch, look


@dataclass(frozen=True, slots=True)
class News:
    """A notice and the ticket that it speaks of."""

    notice: Notice
    number: str | None


@dataclass(frozen=True, slots=True)
class Banners:
    watch: Watch  # of the sweep, and of notices that reached nobody
    news: list[News]


async def banners(session: AsyncSession, now: datetime, stale: timedelta, agent_id: int) -> Banners:
    unseen = await notices.unseen(session, now, agent_id)
    ids = {notice.ticket_id for notice in unseen}
    numbers = dict((await session.exec(select(Ticket.id, Ticket.number).where(col(Ticket.id).in_(ids)))).all())
    news = [News(notice, numbers.get(notice.ticket_id)) for notice in unseen]
    return Banners(await look(session, now, stale), news)


class DeadLetter(Protocol):
    """A buyer's message that was laid aside, without its words."""

    @property
    def id(self) -> int: ...
    @property
    def channel(self) -> str: ...
    @property
    def conversation_id(self) -> int | None: ...
    @property
    def received_at(self) -> datetime: ...
    @property
    def problem(self) -> str: ...


class DeadLetters(Protocol):
    """The list of these; `bot.dead_letters` is one."""

    async def count(self, session: AsyncSession) -> int: ...

    async def latest(self, session: AsyncSession, limit: int) -> Sequence[DeadLetter]: ...

    async def retry(self, session: AsyncSession, now: datetime, row_id: int, actor: str) -> None: ...

    async def drop(self, session: AsyncSession, now: datetime, row_id: int, actor: str) -> None: ...


class Readable(Protocol):
    def reading(self) -> AbstractAsyncContextManager[AsyncSession]: ...


@dataclass(frozen=True, slots=True)
class Counts:
    """How many messages got stuck."""

    laid_aside: int = 0  # of buyers
    lost: int = 0  # of ours: they did not arrive, or may not have


class Stranded:
    """Counts what got stuck. Every page says so, and each count walks through a long table: so now and then only."""

    COUNTED_FOR = timedelta(seconds=15)
    SHOWN_FOR = timedelta(days=3)  # a message of ours that was lost; there is nothing to tick off

    def __init__(self, letters: DeadLetters) -> None:
        self.letters = letters
        self._counts = Counts()
        self._counted_at: datetime | None = None

    async def counts(self, database: Readable, now: datetime) -> Counts:
        """As they were at most `COUNTED_FOR` ago."""
        if self._counted_at is None or now - self._counted_at >= self.COUNTED_FOR:
            self._counted_at = now  # before the look: of many pages one looks
            async with database.reading() as session:
                lost = await outbox.count_lost(session, now - self.SHOWN_FOR)
                self._counts = Counts(await self.letters.count(session), lost)
        return self._counts

    def count_anew(self) -> None:
        """Something was done about it."""
        self._counted_at = None
