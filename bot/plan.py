"""What one channel account sends next: the most urgent message of each conversation that may be written to now."""

import asyncio
from collections.abc import Collection
from datetime import datetime, timedelta

from sqlmodel import col, select

from bot.budget import Budget
from bot.channels.port import Channel, Rationed
from bot.rations import HELD, ration
from bot.ready import Ready
from bot.transactions import Transactions
from tickets import outbox
from tickets.links import Links
from tickets.tables import Message

AHEAD = 64  # messages read at a time
# Seconds that what was read is good for, at least and at most: between them, four times as long as the reading took.
FRESH, LONGEST = 0.25, 1.0


class Plan:
    """Reads ahead, for in a long queue a look takes longer than a message."""

    def __init__(self, database: Transactions, channel: Channel, links: Links, budget: Budget) -> None:
        self.wait: timedelta | None = None  # until something that waits for the budget may be sent; None: nothing does
        self._database = database
        self._channel = channel
        self._links = links
        self._budget = budget
        self._ahead: list[Ready] = []
        self._has_more = True  # than was read
        self._good_until = 0.0  # by the event loop's clock
        self._resting: dict[int, datetime] = {}  # conversations whose chat was written to a moment ago → until when

    def forget(self) -> None:
        self._ahead, self._has_more = [], True

    async def look(self, now: datetime, but_not: Collection[int] = ()) -> bool:
        """Read what may be sent, except to these conversations; whether there is anything."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        self._resting = {one: until for one, until in self._resting.items() if until > now}
        self._ahead = await self._read(now, {*but_not, *self._resting})
        self._has_more = len(self._ahead) == AHEAD
        self._good_until = loop.time() + min(max(4 * (loop.time() - begun), FRESH), LONGEST)
        return bool(self._ahead or self._resting)

    async def next(self, now: datetime, room: int, busy: Collection[int]) -> list[Ready]:
        """At most `room` messages to send now, each counted in the budget; none of a conversation that is `busy`."""
        self.wait = None
        chosen: list[Ready] = []
        if room and not self._is_closed(now):
            if not self._ahead or asyncio.get_running_loop().time() >= self._good_until:
                await self.look(now, busy)
            self._choose(now, room, busy, chosen)
            while len(chosen) < room and not self._ahead and self._has_more and not self._is_closed(now):
                await self.look(now, {*busy, *(ready.row.conversation_id for ready in chosen)})
                self._choose(now, room, busy, chosen)
        if self.wait is None and self._resting and len(chosen) < room:
            self.wait = max(timedelta(0), min(self._resting.values()) - now)
        return chosen

    def _is_closed(self, now: datetime, messages: int = 1) -> bool:
        """Whether so many messages may be sent to nobody at all now."""
        self.wait = self._budget.closed_for(now, messages) or None
        return self.wait is not None

    def _choose(self, now: datetime, room: int, busy: Collection[int], chosen: list[Ready]) -> None:
        """Move what may be sent now from what was read to `chosen`."""
        taken = {*busy, *(ready.row.conversation_id for ready in chosen)}
        # An album waits for room and lets nothing overtake it: what is smaller would always find some before it.
        while self._ahead and len(chosen) < room and not self._is_closed(now, self._ahead[0].messages):
            ready = self._ahead.pop(0)
            if ready.row.conversation_id in taken:
                continue
            if wait := self._budget.wait_for(now, ready.row.address, messages=ready.messages):
                self._resting[ready.row.conversation_id] = now + wait
            else:
                chosen.append(ready)

    async def _read(self, now: datetime, but_not: Collection[int]) -> list[Ready]:
        async with self._database.reading() as session:
            place = self._channel.name, self._channel.account
            found = await outbox.waiting(session, now, *place, AHEAD, but_not)
            if not found:
                return []
            if isinstance(self._channel, Rationed):
                found = await outbox.queue_of(session, now, [row.conversation_id for row in found])
            wanted = select(Message).where(col(Message.id).in_([row.message_id for row in found]))
            messages = {message.id: message for message in (await session.exec(wanted)).all()}
            said = [messages[row.message_id] for row in found]
            texts = await self._links.texts(session, now, said)
            session.expunge_all()  # what the channel is to send is not what is kept
            for message, text in zip(said, texts, strict=True):
                message.text = text
            read = [Ready(row, message) for row, message in zip(found, said, strict=True)]
            if not isinstance(self._channel, Rationed):
                return read
            chosen, held = await ration(session, now, self._channel, read)
        self._resting |= dict.fromkeys(held, now + HELD)
        return chosen
