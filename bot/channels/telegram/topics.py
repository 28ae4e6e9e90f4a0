"""Topics in a buyer's own chat, where the bot has them: each ticket is spoken of in one of its own.

They are for the buyer's eyes only. Whatever Telegram refuses of them, the message goes out, in no topic if need be.
In private chats topics cannot be closed: the name says of which the ticket is settled.
Source: https://core.telegram.org/bots/api#createforumtopic (in private chats since Bot API 9.4).
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar

from aiogram import Bot
from aiogram.exceptions import AiogramError, ClientDecodeError, TelegramAPIError, TelegramNotFound
from aiogram.methods import TelegramMethod
from sqlalchemy import update
from sqlmodel import col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from bot import topics
from bot.channels.botapi.line import Elected
from bot.channels.telegram import addresses
from bot.channels.telegram.errors import is_bad_markup, translate
from bot.channels.telegram.methods import CreateForumTopic, EditForumTopic, GetMe
from bot.errors import Ambiguous, DeliveryError, Refused, TopicGone
from bot.faults import place_of
from bot.tables import Topic, TopicMessage, TopicState
from bot.transactions import Transactions
from shop.masking import mask_text
from tickets.lifecycle import ACTIVE, is_active
from tickets.tables import Direction, Message, Outgoing, Ticket, id_of

log = logging.getLogger(__name__)

ASK_EVERY = timedelta(minutes=10)  # whether the bot has topics: its owner switches that at @BotFather
ASK_AGAIN = timedelta(minutes=1)  # after no answer
REST = timedelta(minutes=10)  # after a refusal, before a topic is asked for again for the same ticket
PATIENCE = timedelta(seconds=5)  # that a message waits for its topic, where Telegram names the time
TEND_EVERY = 60.0  # seconds between looks whether the names are right
AT_ONCE = 50  # names that are put right in one look
TIMEOUT = 15  # seconds for one call: the message waits for it
SUBJECT = 60  # characters of a ticket's subject in a name

T = TypeVar("T")
Send = Callable[[int | None], Awaitable[T]]  # in this topic of the chat; None: in none


class Topics:
    """Of one bot."""

    def __init__(self, bot: Bot, database: Transactions, clock: Callable[[], datetime]) -> None:
        self._bot = bot
        self._account = str(bot.id)
        self._database = database
        self._clock = clock
        self._has_topics = False
        self._ask_at: datetime | None = None
        self._rests_until: datetime | None = None  # Telegram takes no new topics before: it counts them apart

    async def send(self, outgoing: Outgoing, send: Send[T]) -> T:
        """Send in the topic that this message belongs to. Raises what `send` raises in none, and `RateLimited`."""
        for _ in range(2):  # a topic that was deleted is made anew, once
            thread = await self._place(outgoing)
            if thread is None:
                break
            try:
                return await send(thread)
            except TelegramAPIError as error:
                decision = translate(error)
                if is_bad_markup(error) or not isinstance(decision, Refused):
                    raise
                log.info("telegram %s: topic %s took no message: %s", self._account, thread, decision)
                if not isinstance(decision, TopicGone) or outgoing.ticket_id is None:
                    break
                await self._lose(thread, outgoing)
        return await send(None)

    async def tend(self) -> None:
        """Let the names say which tickets are settled. Telegram's trouble puts it off."""
        if not await self._are_there():
            return
        for topic, ticket in await self._misnamed():
            name = name_of(ticket)
            problem = None if name == topic.name else await self._rename(topic, name)
            if problem is not None and not isinstance(problem, Refused):
                return
            # A refusal would be the same the next time.
            state = TopicState.OPEN if is_active(ticket.phase) else TopicState.CLOSED
            gone = {"state": TopicState.GONE, "thread_id": None} if isinstance(problem, TopicGone) else {"state": state}
            await self._write(topic, name=name, **gone)

    async def run(self, elected: Elected) -> None:
        """Tend them until cancelled, in one of all processes."""
        while True:
            try:
                async with elected(f"topics telegram:{self._account}") as is_ours:
                    if is_ours:
                        await self.tend()
            except Exception as error:  # the database is away: weather, not a reason to stop
                log.error("telegram %s: the topics stumbled: %s", self._account, place_of(error))
            await asyncio.sleep(TEND_EVERY)

    async def _are_there(self) -> bool:
        """Whether the bot has topics in private chats."""
        now = self._clock()
        if self._ask_at is None or now >= self._ask_at:
            self._ask_at = now + ASK_AGAIN
            try:
                me = await self._bot(GetMe(), request_timeout=TIMEOUT)
            except AiogramError as error:
                log.info("telegram %s: whether it has topics is not known (%s)", self._account, type(error).__name__)
            else:
                self._has_topics = me.get("has_topics_enabled") is True
                self._ask_at = now + ASK_EVERY
        return self._has_topics

    async def _place(self, outgoing: Outgoing) -> int | None:
        """Of a ticket its topic, made now if need be; of an answer where its question was asked."""
        address = addresses.parse(outgoing.address)
        if address.connection or address.is_group or not await self._are_there():
            return None
        async with self._database.reading(is_brief=True) as session:
            if outgoing.ticket_id is None:
                asked = await session.get(TopicMessage, outgoing.message_id)
                return asked.thread_id if asked else None
            topic = await topics.find(session, self._account, outgoing.ticket_id)
        if topic is not None and topic.thread_id is not None:
            return topic.thread_id
        return await self.make(outgoing.ticket_id, address.chat_id, topic)

    async def make(self, ticket_id: int, chat_id: str, old: Topic | None) -> int | None:
        """The new topic; None where there is none for now. `old` is its row as it was seen.

        A lost answer leaves a topic that nothing is sent to before its buyer writes there.
        """
        now = self._clock()
        if old is not None and not _may_make(old, now):
            return None
        async with self._database.writing() as session:
            ticket = await session.get_one(Ticket, ticket_id)
            if not is_active(ticket.phase):
                return None
            topic = await self._claim(session, now, ticket, chat_id, old)
            begun = await self._begun_by_buyer(session, ticket, chat_id)
        if topic is None:
            return None
        if begun is None and self._rests_until is not None and now < self._rests_until:
            await self._write(topic, state=TopicState.GONE)  # the next message asks for one
            return None
        name = name_of(ticket)
        try:
            thread = begun or await self._create(chat_id, name)
        except DeliveryError as error:
            state = TopicState.UNKNOWN if isinstance(error, Ambiguous) else TopicState.GONE
            if error.retry_after is not None:
                self._rests_until = now + error.retry_after
            if error.retry_after is not None and error.retry_after <= PATIENCE:
                await self._write(topic, state=state)
                raise  # the message would be told to wait as well: then both go out
            await self._write(topic, state=state, problem=str(error))
            log.info("telegram %s: no topic for %s: %s", self._account, ticket.number, error)
            return None
        shown = "" if begun and await self._rename(topic.model_copy(update={"thread_id": begun}), name) else name
        return await self._settle(topic, thread, shown)

    async def _claim(
        self, session: AsyncSession, now: datetime, ticket: Ticket, chat_id: str, old: Topic | None
    ) -> Topic | None:
        return await topics.claim(session, now, self._account, chat_id, id_of(ticket), old)

    async def _settle(self, topic: Topic, thread: int, name: str) -> int | None:
        """The topic that stands from now on: another's, when we took so long that another made one."""
        same = (col(Topic.id) == topic.id, col(Topic.claimed_at) == topic.claimed_at, col(Topic.thread_id).is_(None))
        facts = {"thread_id": thread, "state": TopicState.OPEN, "name": name, "problem": None}
        async with self._database.writing() as session:
            await session.exec(update(Topic).where(*same).values(**facts))
            kept = await session.get(Topic, topic.id, populate_existing=True)
            return kept.thread_id if kept else None

    async def _begun_by_buyer(self, session: AsyncSession, ticket: Ticket, chat_id: str) -> int | None:
        """A topic that the buyer opened, and wrote in what this ticket is about; no other ticket's."""
        said = (
            select(TopicMessage.thread_id)
            .join(Message, col(Message.id) == col(TopicMessage.message_id))
            .where(Message.ticket_id == ticket.id, Message.direction == Direction.IN)
            .order_by(col(TopicMessage.message_id).desc())
            .limit(1)
        )
        thread = (await session.exec(said)).first()
        if thread is None or await topics.find_at(session, self._account, chat_id, thread) is not None:
            return None
        return thread

    async def _create(self, chat_id: str, name: str) -> int:
        made = await self._ask(CreateForumTopic(chat_id=chat_id, name=name))
        number = str(made.get("message_thread_id")) if isinstance(made, dict) else ""
        if not number.isdecimal() or not 0 < int(number) <= topics.LARGEST:
            raise Ambiguous
        return int(number)

    async def _rename(self, topic: Topic, name: str) -> DeliveryError | None:
        """What stood against it."""
        assert topic.thread_id is not None
        try:
            await self._ask(EditForumTopic(chat_id=topic.chat_id, message_thread_id=topic.thread_id, name=name))
        except DeliveryError as error:
            return None if "not_modified" in str(error).lower() else error
        return None

    async def _ask(self, method: TelegramMethod[Any]) -> object:
        """Raises DeliveryError; a server that does not know the method has refused it."""
        try:
            return await self._bot(method, request_timeout=TIMEOUT)
        except TelegramNotFound as error:
            raise Refused(reason="there is no such method") from error
        except (TelegramAPIError, ClientDecodeError) as error:
            raise translate(error) from error

    async def _lose(self, thread: int, outgoing: Outgoing) -> None:
        """The buyer deleted it: the next one is made at once."""
        mine = (col(Topic.bot) == self._account, col(Topic.ticket_id) == outgoing.ticket_id)
        gone = {"state": TopicState.GONE, "thread_id": None, "problem": None}
        async with self._database.writing() as session:
            await session.exec(update(Topic).where(*mine, col(Topic.thread_id) == thread).values(**gone))

    async def _misnamed(self) -> list[tuple[Topic, Ticket]]:
        is_settled = col(Ticket.phase).not_in(ACTIVE)
        was_open = col(Topic.state) == TopicState.OPEN
        wrong = or_(was_open & is_settled, (col(Topic.state) == TopicState.CLOSED) & ~is_settled, Topic.name == "")
        found = (
            select(Topic, Ticket)
            .join(Ticket, col(Ticket.id) == col(Topic.ticket_id))
            .where(Topic.bot == self._account, col(Topic.thread_id).is_not(None), wrong)
            .order_by(col(Topic.id))
            .limit(AT_ONCE)
        )
        async with self._database.reading() as session:
            return [(topic, ticket) for topic, ticket in (await session.exec(found)).all()]

    async def _write(self, topic: Topic, **values: object) -> None:
        """Unless it was claimed anew meanwhile."""
        same = (col(Topic.id) == topic.id, col(Topic.claimed_at) == topic.claimed_at)
        async with self._database.writing() as session:
            await session.exec(update(Topic).where(*same).values(**values))


def name_of(ticket: Ticket) -> str:
    """What the buyer's list of topics shows."""
    tick = "" if is_active(ticket.phase) else "✅ "
    return f"{tick}{ticket.number} · {mask_text(ticket.subject)[:SUBJECT]}"


def _may_make(topic: Topic, now: datetime) -> bool:
    """One that was refused after a rest; see `bot.topics.may_make` for the others."""
    if topic.state == TopicState.GONE and topic.problem is not None:
        return now - topic.claimed_at >= REST
    return topics.may_make(topic, now)
