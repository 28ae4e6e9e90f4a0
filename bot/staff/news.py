"""What staff are told on Telegram: their notices, once the quiet hours have ended, and the managers' daily figures.

A notice goes to its agent in private where they are linked, else once to the group for all who are not. It stays in the
console until it is seen there: this is a second way to it, not the record.
"""

import hashlib
import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import func
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from bot import topics
from bot.staff.lists import figures, link_to
from bot.staff.posts import say_once
from bot.staff.rules import Room
from bot.staff.tables import PostState, StaffPost
from bot.transactions import Transactions
from shop.masking import mask_text
from tickets import notices, queue, reports
from tickets.link_tables import StaffLink
from tickets.routing import GENERAL
from tickets.tables import Agent, Notice, Role, Ticket, id_of

log = logging.getLogger(__name__)

PAGE = 200
KEPT = timedelta(days=3)  # an older notice that nobody has seen is not news any more
LATE = timedelta(hours=6)  # after its time a digest waits for the next day
MANAGERS = (Role.MANAGER, Role.ADMIN)


class News:
    """Writes posts for what is new."""

    def __init__(self, database: Transactions, room: Room, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._room = room
        self._clock = clock

    async def collect(self) -> int:
        """How many notices were taken."""
        now = self._clock()
        async with self._database.reading() as session:
            waiting = await self._waiting(session, now)
        if not waiting:
            return 0
        async with self._database.writing() as session:
            for notice, ticket, user_id in await self._waiting(session, now):
                await self._tell(session, now, notice, ticket, user_id)
        return len(waiting)

    async def digest(self) -> int:
        """Yesterday's figures to each linked manager, once; how many were written."""
        now, at = self._clock(), self._room.rules.digest_at
        here = now.astimezone(self._room.rules.zone)
        if at is None or not timedelta() <= here - here.replace(hour=at.hour, minute=at.minute, second=0) < LATE:
            return 0
        today = here.replace(hour=0, minute=0, second=0, microsecond=0)
        cause, written = f"digest:{today.date()}", 0
        async with self._database.reading() as session:
            people = await self._managers(session)
            told = select(StaffPost.cause).where(StaffPost.bot == self._room.rules.account)
            known = set((await session.exec(told.where(col(StaffPost.cause).startswith(cause)))).all())
            if not people.keys() - {int((one or "").rpartition(":")[2]) for one in known}:
                return 0
            text = await self._figures(session, now, (here.replace(hour=0, minute=0) - timedelta(hours=12)), today)
        async with self._database.writing() as session:
            for agent_id, user_id in people.items():
                post = self._post(now, str(user_id), text)
                post.cause = f"{cause}:{agent_id}"
                written += await say_once(session, post)
        return written

    async def _waiting(self, session: AsyncSession, now: datetime) -> list[tuple[Notice, Ticket | None, int | None]]:
        told = select(StaffPost.notice_id).where(StaffPost.notice_id == Notice.id)
        found = await session.exec(
            select(Notice, Ticket, StaffLink.user_id)
            .join(Ticket, col(Ticket.id) == col(Notice.ticket_id), isouter=True)
            .join(StaffLink, col(StaffLink.agent_id) == col(Notice.agent_id), isouter=True)
            .where(*notices.may_appear(now), col(Notice.created_at) > now - KEPT, ~told.exists())
            .where(col(Notice.agent_id).is_not(None))
            .order_by(col(Notice.id))
            .limit(PAGE)
        )
        return [(notice, ticket, user_id) for notice, ticket, user_id in found.all()]

    async def _tell(
        self, session: AsyncSession, now: datetime, notice: Notice, ticket: Ticket | None, user_id: int | None
    ) -> None:
        text = await self._words(session, notice, ticket)
        group = self._room.rules.group_of(ticket.queue if ticket else GENERAL)
        post = self._post(now, str(user_id or group), text)
        post.notice_id = notice.id
        if user_id is None:
            # The same for several people is said once; without a group they find it in the console.
            same = f"{notice.ticket_id}:{notice.created_at.isoformat()}:{notice.text}"
            cause = f"notice:{hashlib.sha256(same.encode()).hexdigest()[:32]}"
            known = select(StaffPost.id).where(StaffPost.bot == post.bot, StaffPost.cause == cause)
            is_told = (await session.exec(known)).first() is not None
            post.cause = None if is_told else cause
            post.state = PostState.TOLD if is_told or not group else PostState.QUEUED
        try:
            async with session.begin_nested():
                session.add(post)
        except IntegrityError:  # another process was first
            log.info("staff: notice %s was told already", notice.id)

    async def _words(self, session: AsyncSession, notice: Notice, ticket: Ticket | None) -> str:
        rules = self._room.rules
        text = f"🔔 {mask_text(self._room.retell(rules.language, notice.text))}"
        if ticket is None:
            return text
        topic = await topics.find(session, rules.account, id_of(ticket))
        return f"{text}\n{link_to(topic) if topic and topic.thread_id else rules.page_of(ticket.number)}"

    async def _managers(self, session: AsyncSession) -> dict[int, int]:
        """User numbers by account."""
        found = await session.exec(
            select(StaffLink.agent_id, StaffLink.user_id)
            .join(Agent, col(Agent.id) == col(StaffLink.agent_id))
            .where(col(Agent.is_active).is_(True), col(Agent.role).in_(MANAGERS))
            .order_by(col(StaffLink.agent_id))
        )
        return dict(found.all())

    async def _figures(self, session: AsyncSession, now: datetime, day: datetime, today: datetime) -> str:
        start = day.replace(hour=0, minute=0, second=0, microsecond=0)
        kept = await reports.attainment(session, start, today, now, self._room.desk.rules)
        waiting = (await session.exec(select(func.count()).select_from(Ticket).where(*queue.is_queued()))).one()
        facts = figures(self._room, kept) | {"waiting": waiting}
        page = f"{self._room.rules.console}/console/reports"
        key = "digest" if kept.n else "digest_none"
        return self._room.words(key, day=start.strftime("%m-%d"), page=page, **facts)

    def _post(self, now: datetime, chat_id: str, text: str) -> StaffPost:
        bot = self._room.rules.account
        return StaffPost(bot=bot, chat_id=chat_id, text=text, buttons=[], not_before=now, created_at=now)
