"""Sends what stands in the outbox: in order per conversation, urgent ones first, as fast as each channel allows.

Sending is at least once, always the same content. What timed out after sending is `unknown` and not sent again.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime, timedelta

from sqlmodel.ext.asyncio.session import AsyncSession

from bot.bell import Bell
from bot.budget import Budget
from bot.channels.port import Channel
from bot.errors import Ambiguous, BuyerBlocked, BuyerUnreachable, ChatMoved, DeliveryError, QuotaSpent, Unfinished
from bot.faults import place_of
from bot.gallery import Gallery
from bot.plan import Plan
from bot.rations import Rations
from bot.ready import Ready
from bot.receipts import Verdict, together
from bot.together import Together
from bot.transactions import Transactions
from tickets import absence, outbox
from tickets.links import Links
from tickets.tables import Conversation, Outgoing, Sending, id_of

log = logging.getLogger(__name__)

LANES = 32  # conversations of one channel account that are sent to at a time
LOOK_EVERY = 1.0  # seconds between looks for messages that another process wrote
IDLE = 60.0  # seconds after which a route looks without having been rung
LINGER = 1.0  # seconds for which an idle sender stays the elected one, so that two share no second of a budget
GRACE = 3.0  # seconds that messages under way have to arrive when we are stopped
LONGEST_WAIT = timedelta(minutes=1)  # between tries while a channel is down
BUG_TRIES = 5  # a message that makes our own code fail is given up after this many


# What follows from the delivery of a message on a ticket, in the transaction that records it: session, now, its row.
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
        budget: Callable[[Channel], Budget] = lambda channel: Budget(),
    ) -> None:
        self._routes = {
            (one.name, one.account): Route(database, one, clock, links, then, budget(one)) for one in channels
        }
        self._database = database
        self._bell = bell

    async def run(self) -> None:
        """Send until cancelled."""
        async with asyncio.TaskGroup() as routes:
            for route in self._routes.values():
                routes.create_task(route.run())
            while True:
                try:
                    await self._pass_on()
                except Exception as error:  # the database is away: weather, not a reason to stop
                    log.error("delivery stumbled: %s", place_of(error))
                await self._bell.wait(LOOK_EVERY)

    async def _pass_on(self) -> None:
        """Ring at the routes that something waits for: one question for all of them, where each would ask its own."""
        async with self._database.reading(is_brief=True) as session:
            for place in await outbox.places_with_mail(session, self._routes):
                self._routes[place].bell.ring()

    async def drain(self) -> int:
        """Send until nothing is ready; how many messages were sent."""
        return sum(await asyncio.gather(*(route.drain() for route in self._routes.values())))


class Route:
    """The way to the buyers of one channel account: a lane per conversation, so that a slow one holds up no other."""

    def __init__(
        self,
        database: Transactions,
        channel: Channel,
        clock: Callable[[], datetime],
        links: Links,
        then: Then | None,
        budget: Budget,
    ) -> None:
        self.bell = Bell()
        self._then = then
        self._database = database
        self._channel = channel
        self._clock = clock
        self._budget = budget
        self._plan = Plan(database, channel, links, budget)
        self._rations = Rations(database, channel, Gallery(database, links.vault, clock), clock)
        self._together = Together(database, LANES)
        self._verdicts: dict[int, Verdict] = {}  # of outgoing messages, until they are written down
        self._turn = asyncio.Lock()  # two drains at once would send twice
        self._was_refused = False  # the last election: another process sends

    async def run(self) -> None:
        """Send until cancelled."""
        while True:
            try:
                await self.drain(LINGER)
            except Exception as error:  # the database is away: weather, not a reason to stop
                log.error("delivery stumbled: %s", place_of(error))
            if self._was_refused:  # who sends looks for itself: no need to stand for election at every ring
                await asyncio.sleep(LOOK_EVERY)
            await self.bell.wait(IDLE)

    async def drain(self, linger: float = 0) -> int:
        """Send until nothing is ready, and for `linger` seconds nothing becomes so; how many were sent."""
        async with self._turn:
            if not await self._plan.look(self._clock()):
                return 0
            # Of several processes one sends for this account: two would overtake each other within a conversation.
            async with self._database.elected(f"sender {self._channel.name}:{self._channel.account}") as is_ours:
                was_refused, self._was_refused = self._was_refused, not is_ours
                if not is_ours:
                    return 0
                if was_refused:
                    self._budget.empty(self._clock())
                self._plan.forget()  # the one before us may have sent what we saw
                return await self._send(linger)

    async def _send(self, linger: float) -> int:
        lanes: dict[asyncio.Task[bool], int] = {}  # → the conversation
        loop = asyncio.get_running_loop()
        sent, busy_at = 0, loop.time()
        try:
            while True:
                for ready in await self._plan.next(self._clock(), LANES - len(lanes), lanes.values()):
                    lanes[asyncio.create_task(self._serve(ready))] = ready.row.conversation_id
                if lanes or self._plan.wait:
                    busy_at = loop.time()
                if not lanes and (not linger or loop.time() - busy_at >= linger):
                    return sent
                for lane in await self._rest(lanes):
                    del lanes[lane]
                    sent += lane.result()
        finally:
            await _land(lanes)

    async def _rest(self, lanes: Iterable[asyncio.Task[bool]]) -> set[asyncio.Task[bool]]:
        """Until a lane is free, the bell rings or something may be sent again; the lanes that are through."""
        wait = self._plan.wait.total_seconds() if self._plan.wait else LOOK_EVERY
        ring: asyncio.Task[None] = asyncio.create_task(self.bell.wait(min(wait, LOOK_EVERY)))
        try:
            done, _ = await asyncio.wait({ring, *lanes}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ring.cancel()
        return {lane for lane in lanes if lane in done}

    async def _serve(self, ready: Ready) -> bool:
        """Deliver one message and write down what is known of it afterwards; whether it arrived."""
        number = id_of(ready.row)
        # What is known and could not be written is not tried again: it would arrive twice.
        verdict = self._verdicts.get(number) or await self._try(ready)
        self._verdicts[number] = verdict
        if self._database.has_one_writer or all(row.ticket_id is None for row in ready.rows):
            await self._together.write(verdict.write)
        else:  # a transaction that locked several tickets would wait for another that locked them in another order
            async with self._database.writing() as session:
                await verdict.write(session)
        del self._verdicts[number]
        return verdict.is_sent

    async def _try(self, ready: Ready) -> Verdict:
        try:
            foreign_id = await self._rations.deliver(ready)
        except DeliveryError as error:
            return together([self._settle(self._clock(), row, error) for row in ready.rows])
        except Exception as error:
            return together([self._give_way(self._clock(), row, place_of(error)) for row in ready.rows])
        at = self._clock()  # one instant for all that went out as one message
        return together([self._arrived(at, row, foreign_id) for row in ready.rows])

    def _arrived(self, at: datetime, row: Outgoing, foreign_id: str) -> Verdict:
        return Verdict(lambda session: self._record(session, at, row, foreign_id), is_sent=True)

    async def _record(self, session: AsyncSession, at: datetime, row: Outgoing, foreign_id: str) -> None:
        is_new = await outbox.mark_sent(session, at, id_of(row), foreign_id)
        if is_new and row.ticket_id is not None and self._then is not None:
            await self._then(session, at, id_of(row))

    def _settle(self, at: datetime, row: Outgoing, error: DeliveryError) -> Verdict:
        """What the error decides."""
        if isinstance(error, Unfinished):
            return Verdict(lambda session: outbox.note_part(session, id_of(row), error.foreign_id))
        problem = str(error)
        log.warning("message %s was not delivered on %s: %s", row.message_id, row.channel, problem)
        if isinstance(error, ChatMoved):
            return Verdict(lambda session: outbox.move(session, at, row.conversation_id, error.address))
        if isinstance(error, BuyerBlocked):
            return Verdict(lambda session: _leave(session, at, row, problem))
        if error.is_permanent or isinstance(error, Ambiguous):
            return _lost(at, row, _state_after(error), problem)
        # What is spent is that of an interface, not of a chat: answers in passing go on.
        if error.retry_after is not None and not isinstance(error, QuotaSpent):
            self._budget.obey(at, row.address, error.retry_after)
        return _postponed(at, row, error.retry_after or _backoff(row.attempts), problem)

    def _give_way(self, at: datetime, row: Outgoing, problem: str) -> Verdict:
        """Our own code failed: try again, but never hold the conversation up for good."""
        log.error("delivering message %s on %s stumbled: %s", row.message_id, row.channel, problem)
        if row.attempts + 1 < BUG_TRIES:
            return _postponed(at, row, _backoff(row.attempts), problem)
        return _lost(at, row, Sending.FAILED, problem)


async def is_delivered(session: AsyncSession, channel: str, account: str) -> bool:
    """Whether nothing of this account waits to be sent."""
    return not await outbox.places_with_mail(session, [(channel, account)])


async def _land(lanes: Iterable[asyncio.Task[bool]]) -> None:
    """Let what is under way arrive and be written down: what is cut off would be sent again."""
    under_way = set(lanes)
    if under_way:
        _, late = await asyncio.wait(under_way, timeout=GRACE)
        for lane in late:
            lane.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)


def _lost(at: datetime, row: Outgoing, state: Sending, problem: str) -> Verdict:
    return Verdict(lambda session: outbox.mark_failed(session, at, id_of(row), state, problem))


async def _leave(session: AsyncSession, at: datetime, row: Outgoing, problem: str) -> None:
    """What else waits for this buyer would go the same way."""
    await absence.leave(session, at, await session.get_one(Conversation, row.conversation_id), problem)


def _postponed(at: datetime, row: Outgoing, wait: timedelta, problem: str) -> Verdict:
    return Verdict(lambda session: outbox.postpone(session, at, id_of(row), at + wait, problem))


def _state_after(error: DeliveryError) -> Sending:
    if isinstance(error, Ambiguous):
        return Sending.UNKNOWN
    return Sending.BLOCKED if isinstance(error, BuyerUnreachable) else Sending.FAILED


def _backoff(attempts: int) -> timedelta:
    return min(timedelta(seconds=2 ** min(attempts, 10)), LONGEST_WAIT)
