"""Sends what stands in the outbox: in order per conversation, urgent ones first, as fast as each channel allows.

Sending is at least once, always the same content. What timed out after sending is `unknown` and not sent again.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime, timedelta

from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from bot.bell import Bell
from bot.channels.port import Channel
from bot.errors import Ambiguous, BuyerUnreachable, DeliveryError
from bot.faults import place_of
from bot.transactions import Transactions
from tickets import outbox
from tickets.links import Links
from tickets.tables import Message, Outgoing, Sending

log = logging.getLogger(__name__)

AT_ONCE = 8  # conversations of one channel account that are sent to at a time
LOOK_EVERY = 1.0  # seconds between looks for messages that another process wrote
LONGEST_WAIT = timedelta(minutes=1)  # between tries while a channel is down
BUG_TRIES = 5  # a message that makes our own code fail is given up after this many


# What follows from a delivery, in the transaction that records it: session, now, the outgoing message's id.
Then = Callable[[AsyncSession, datetime, int], Awaitable[None]]


class Delivery:
    """One sender for all channel accounts of this process."""

    def __init__(
        self,
        database: Transactions,
        channels: Iterable[Channel],
        clock: Callable[[], datetime],
        *,
        bell: Bell,
        links: Links,
        then: Then | None = None,
    ) -> None:
        self._database = database
        self._routes = [Route(database, channel, clock, links, then) for channel in channels]
        self._bell = bell

    async def run(self) -> None:
        """Send until cancelled."""
        while True:
            try:
                await self.drain()
            except Exception as error:  # the database is away: weather, not a reason to stop
                log.error("delivery stumbled: %s", place_of(error))
            await self._bell.wait(LOOK_EVERY)

    async def drain(self) -> int:
        """Send until nothing is ready; how many messages were sent."""
        return sum(await asyncio.gather(*(route.drain() for route in self._routes)))


class Route:
    """The way to the buyers of one channel account."""

    def __init__(
        self,
        database: Transactions,
        channel: Channel,
        clock: Callable[[], datetime],
        links: Links,
        then: Then | None = None,
    ) -> None:
        self._then = then
        self._links = links
        self._database = database
        self._channel = channel
        self._clock = clock
        self._paused_until: datetime | None = None
        self._turn = asyncio.Lock()  # two drains at once would send twice

    async def drain(self) -> int:
        async with self._turn:
            sent = 0
            while await self._ready():
                # Of several processes one sends for this account: two would overtake each other within a conversation.
                async with self._database.elected(f"sender {self._channel.name}:{self._channel.account}") as is_ours:
                    if not is_ours:
                        return sent
                    sent += await self._send_ready()
            return sent

    async def _send_ready(self) -> int:
        sent = 0
        while batch := await self._ready():
            sent += sum(await asyncio.gather(*(self._send(*one) for one in batch)))
        return sent

    async def _ready(self) -> list[tuple[Outgoing, Message]]:
        now = self._clock()
        if self._paused_until and now < self._paused_until:
            return []
        async with self._database.reading() as session:
            rows = await outbox.waiting(session, now, self._channel.name, self._channel.account, AT_ONCE)
            messages = [await session.get_one(Message, row.message_id) for row in rows]
            texts = await self._links.texts(session, now, messages)
            for message, text in zip(messages, texts, strict=True):
                session.expunge(message)  # what the channel is to send is not what is kept
                message.text = text
            return list(zip(rows, messages, strict=True))

    async def _send(self, row: Outgoing, message: Message) -> bool:
        """Deliver one message and write down what is known of it afterwards."""
        try:
            foreign_id = await self._channel.deliver(row, message)
        except DeliveryError as error:
            await self._settle(row, error)
            return False
        except Exception as error:
            await self._give_way(row, place_of(error))
            return False
        await self._write(lambda session, now: self._record(session, now, _id(row), foreign_id))
        return True

    async def _record(self, session: AsyncSession, now: datetime, outgoing_id: int, foreign_id: str) -> None:
        if await outbox.mark_sent(session, now, outgoing_id, foreign_id) and self._then is not None:
            await self._then(session, now, outgoing_id)

    async def _settle(self, row: Outgoing, error: DeliveryError) -> None:
        """Do what the error decides."""
        problem = str(error)
        log.warning("message %s was not delivered on %s: %s", row.message_id, row.channel, problem)
        if error.is_permanent or isinstance(error, Ambiguous):
            state = _state_after(error)
            await self._write(lambda session, now: outbox.mark_failed(session, now, _id(row), state, problem))
            return
        if error.retry_after is not None:
            # The channel may mean this chat or the whole account, and does not say which: hold all.
            self._paused_until = self._clock() + error.retry_after
        wait = error.retry_after or _backoff(row.attempts)
        await self._postpone(row, wait, problem)

    async def _give_way(self, row: Outgoing, problem: str) -> None:
        """Our own code failed: try again, but never hold the conversation up for good."""
        log.error("delivering message %s on %s stumbled: %s", row.message_id, row.channel, problem)
        if row.attempts + 1 < BUG_TRIES:
            await self._postpone(row, _backoff(row.attempts), problem)
        else:
            await self._write(lambda session, now: outbox.mark_failed(session, now, _id(row), Sending.FAILED, problem))

    async def _postpone(self, row: Outgoing, wait: timedelta, problem: str) -> None:
        await self._write(lambda session, now: outbox.postpone(session, now, _id(row), now + wait, problem))

    async def _write(self, verb: Callable[[AsyncSession, datetime], Awaitable[object]]) -> None:
        async with self._database.writing() as session:
            await verb(session, self._clock())


async def is_delivered(session: AsyncSession, channel: str, account: str) -> bool:
    """Whether nothing of this account waits to be sent."""
    queued = select(Outgoing.id).where(Outgoing.channel == channel, Outgoing.account == account)
    return (await session.exec(queued.where(Outgoing.state == Sending.QUEUED).limit(1))).first() is None


def _state_after(error: DeliveryError) -> Sending:
    if isinstance(error, Ambiguous):
        return Sending.UNKNOWN
    return Sending.BLOCKED if isinstance(error, BuyerUnreachable) else Sending.FAILED


def _backoff(attempts: int) -> timedelta:
    return min(timedelta(seconds=2 ** min(attempts, 10)), LONGEST_WAIT)


def _id(row: Outgoing) -> int:
    assert row.id is not None
    return row.id
