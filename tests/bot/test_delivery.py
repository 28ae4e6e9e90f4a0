"""Sending: in order per conversation, at the channel's pace, and honest about what is not known."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta

import pytest
from sqlmodel.ext.asyncio.session import AsyncSession

from bot.bell import Bell
from bot.budget import Budget, Rate
from bot.channels.port import Inbound, Update
from bot.delivery import Delivery
from bot.errors import Ambiguous, BuyerUnreachable, ChannelDown, RateLimited, Refused
from kadesk.database import Database
from tests.bot.conftest import House
from tickets import conversations, outbox
from tickets.tables import Author, Conversation, Message, Outgoing, Priority, Sending


class Pigeon:
    """A channel whose flights end as a test wants."""

    name, account = "pigeon", "loft"

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.tries: list[str] = []
        self.arrived = asyncio.Event()
        self.weather: Callable[[str], Exception | None] = lambda text: None

    def read(self, update: Update) -> Inbound:
        raise NotImplementedError

    async def deliver(self, outgoing: Outgoing, message: Message) -> str:
        self.tries.append(message.text)
        await asyncio.sleep(0)
        if error := self.weather(message.text):
            raise error
        self.sent.append(message.text)
        self.arrived.set()
        return f"feather-{message.id}"

    def fail_once(self, error: Exception) -> None:
        errors = [error]
        self.weather = lambda text: errors.pop() if errors else None


@pytest.fixture
def pigeon() -> Pigeon:
    return Pigeon()


async def post(house: House, *texts: str, address: str = "anna", priority: Priority = Priority.BOT_REPLY) -> None:
    async with house.database.writing() as session:
        place = ("pigeon", "loft", address)
        conversation: Conversation = await conversations.find_or_create(session, house.clock(), *place, address, "zh")
        for text in texts:
            author = Author.BOT
            await outbox.post(session, house.clock(), conversation, text, author=author, priority=priority)


async def test_a_conversation_is_sent_in_order(house: House, pigeon: Pigeon) -> None:
    await post(house, "一", "二", "三")

    sent = await house.delivery(pigeon).drain()

    assert sent == 3
    assert pigeon.sent == ["一", "二", "三"]
    rows = await house.all(Outgoing)
    assert [row.state for row in rows] == [Sending.SENT] * 3
    assert [row.foreign_id for row in rows] == [f"feather-{row.message_id}" for row in rows]


async def test_urgent_conversations_go_first(house: House, pigeon: Pigeon) -> None:
    for number in range(10):
        await post(house, f"bot {number}", address=f"buyer {number}")
    await post(house, "agent", address="late", priority=Priority.AGENT_REPLY)

    await house.delivery(pigeon).drain()

    assert pigeon.tries.index("agent") < 8


async def test_the_wait_that_the_channel_names_holds_the_chat_and_no_other(house: House, pigeon: Pigeon) -> None:
    await post(house, "一", "二")
    delivery = house.delivery(pigeon)
    pigeon.fail_once(RateLimited(7))

    await delivery.drain()
    await post(house, "别人的", address="ben")
    house.clock.advance(seconds=6)
    await delivery.drain()
    during = list(pigeon.sent)
    house.clock.advance(seconds=1)
    await delivery.drain()

    assert during == ["别人的"]
    assert pigeon.sent == ["别人的", "一", "二"]


async def test_two_chats_that_are_refused_hold_the_whole_account(house: House, pigeon: Pigeon) -> None:
    await post(house, "一")
    await post(house, "二", address="ben")
    delivery = house.delivery(pigeon)
    pigeon.weather = lambda text: RateLimited(7)

    await delivery.drain()
    pigeon.weather = lambda text: None
    await post(house, "三", address="cai")
    house.clock.advance(seconds=6)
    during = (await delivery.drain(), list(pigeon.sent))
    house.clock.advance(seconds=1)
    await delivery.drain()

    assert during == (0, [])
    assert sorted(pigeon.sent) == ["一", "三", "二"]


@pytest.mark.parametrize(
    ("error", "state", "problem"),
    [
        (Ambiguous(), Sending.UNKNOWN, "may have arrived"),
        (BuyerUnreachable(reason="blocked"), Sending.BLOCKED, "blocked"),
        (Refused(reason="too long"), Sending.FAILED, "too long"),
    ],
    ids=["timed out", "blocked", "refused"],
)
async def test_what_cannot_be_sent_is_marked_and_not_sent_again(
    house: House, pigeon: Pigeon, error: Exception, state: Sending, problem: str
) -> None:
    await post(house, "一", "二")
    pigeon.fail_once(error)
    delivery = house.delivery(pigeon)

    await delivery.drain()
    house.clock.advance(days=1)
    await delivery.drain()

    first, second = await house.all(Outgoing)
    assert (first.state, second.state) == (state, Sending.SENT)
    assert problem in first.problem
    assert pigeon.tries == ["一", "二"]


async def test_while_the_channel_is_down_messages_wait_in_order(house: House, pigeon: Pigeon) -> None:
    await post(house, "一", "二")
    pigeon.weather = lambda text: ChannelDown(reason="storm")
    delivery = house.delivery(pigeon)

    for _ in range(20):
        await delivery.drain()
        house.clock.advance(minutes=1)
    pigeon.weather = lambda text: None
    await delivery.drain()

    assert set(pigeon.tries[:-2]) == {"一"}
    assert pigeon.sent == ["一", "二"]


async def test_waits_grow_while_the_channel_is_down(house: House, pigeon: Pigeon) -> None:
    await post(house, "一")
    pigeon.weather = lambda text: ChannelDown(reason="storm")
    delivery = house.delivery(pigeon)

    waits = []
    for _ in range(8):
        await delivery.drain()
        row = await house.one(Outgoing)
        waits.append(row.not_before - house.clock())
        house.clock.now = row.not_before

    assert waits[:3] == [timedelta(seconds=1), timedelta(seconds=2), timedelta(seconds=4)]
    assert max(waits) == timedelta(minutes=1)


async def test_our_own_mistake_never_holds_a_conversation_up_for_good(house: House, pigeon: Pigeon) -> None:
    await post(house, "坏", "好")
    pigeon.weather = lambda text: ZeroDivisionError() if text == "坏" else None
    delivery = house.delivery(pigeon)

    for _ in range(6):
        await delivery.drain()
        house.clock.advance(minutes=1)

    assert pigeon.sent == ["好"]
    assert (await house.all(Outgoing))[0].state == Sending.FAILED


async def test_a_storm_at_one_buyer_keeps_no_other_waiting(house: House, pigeon: Pigeon) -> None:
    await post(house, "坏")
    await post(house, "好", address="ben")
    pigeon.weather = lambda text: ChannelDown(reason="storm") if text == "坏" else None

    await house.delivery(pigeon).drain()

    assert pigeon.sent == ["好"]


async def test_a_buyer_whose_message_hangs_keeps_no_other_waiting(house: House, pigeon: Pigeon) -> None:
    """Nor those whose messages are written meanwhile."""
    await post(house, "慢")
    landed, fly = asyncio.Event(), pigeon.deliver

    async def hang(outgoing: Outgoing, message: Message) -> str:
        if message.text == "慢":
            await landed.wait()
        return await fly(outgoing, message)

    pigeon.deliver = hang  # type: ignore[method-assign]
    delivery = house.delivery(pigeon)
    worker = asyncio.create_task(delivery.run())
    try:
        async with asyncio.timeout(10):
            for number in range(3):
                pigeon.arrived.clear()
                await post(house, f"快 {number}", address=f"buyer {number}")
                house.outbox_bell.ring()
                await pigeon.arrived.wait()
        quick = list(pigeon.sent)
    finally:
        worker.cancel()
        landed.set()  # it is under way: it may arrive, and is written down
        await asyncio.gather(worker, return_exceptions=True)

    assert quick == ["快 0", "快 1", "快 2"]
    assert pigeon.sent[-1] == "慢"
    assert {row.state for row in await house.all(Outgoing)} == {Sending.SENT}


async def test_what_was_sent_is_not_sent_again_because_it_could_not_be_written_down(
    house: House, pigeon: Pigeon, monkeypatch: pytest.MonkeyPatch
) -> None:
    await post(house, "一")
    await post(house, "二", address="ben")
    pigeon.weather = lambda text: Ambiguous() if text == "二" else None
    delivery, writing = house.delivery(pigeon), house.database.writing

    monkeypatch.setattr(house.database, "writing", writing_fails)
    with pytest.raises(ConnectionError):
        await delivery.drain()
    monkeypatch.setattr(house.database, "writing", writing)
    await delivery.drain()

    assert sorted(pigeon.tries) == ["一", "二"]
    assert [row.state for row in await house.all(Outgoing)] == [Sending.SENT, Sending.UNKNOWN]


async def test_what_arrives_together_is_written_down_together(
    house: House, pigeon: Pigeon, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(32):
        await post(house, "一", address=f"buyer {number}")
    transactions, writing = [], house.database.writing

    def counted(**options: bool) -> AbstractAsyncContextManager[AsyncSession]:
        transactions.append(1)
        return writing(**options)

    monkeypatch.setattr(house.database, "writing", counted)
    await house.delivery(pigeon).drain()

    assert len(pigeon.sent) == 32
    assert len(transactions) <= 16


async def test_a_budget_is_kept_and_the_urgent_use_it_first(house: House, pigeon: Pigeon) -> None:
    budget = Budget(Rate(timedelta(milliseconds=100), burst=2), Rate(timedelta(seconds=1), burst=1))
    delivery = house.delivery(pigeon, budget=lambda channel: budget)
    for number in range(3):
        await post(house, f"通知 {number}", address=f"buyer {number}", priority=Priority.NOTICE)
    await post(house, "回复", "又一条", address="late", priority=Priority.AGENT_REPLY)

    sent = []
    for _ in range(12):
        await delivery.drain()
        sent.append(len(pigeon.sent))
        house.clock.advance(milliseconds=100)

    assert sent == [2, 3, 4, 4, 4, 4, 4, 4, 4, 4, 5, 5]
    assert pigeon.sent == ["回复", "通知 0", "通知 1", "通知 2", "又一条"]


async def test_who_takes_over_from_another_process_begins_slowly(
    house: House, pigeon: Pigeon, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other may have used the budget up a moment ago."""
    await post(house, "一")
    every = timedelta(milliseconds=40)
    delivery, elected = house.delivery(pigeon, budget=lambda channel: Budget(Rate(every, burst=5))), [False, True, True]

    @asynccontextmanager
    async def elect(name: str) -> AsyncIterator[bool]:
        yield elected.pop(0)

    monkeypatch.setattr(house.database, "elected", elect)
    sent = []
    for _ in range(3):
        sent.append(await delivery.drain())
        house.clock.now += every

    assert sent == [0, 0, 1]


async def test_two_drains_of_one_sender_send_once(house: House, pigeon: Pigeon) -> None:
    await post(house, "一", "二", "三")
    delivery = house.delivery(pigeon)

    await asyncio.gather(delivery.drain(), delivery.drain(), delivery.drain())

    assert pigeon.sent == ["一", "二", "三"]


async def test_a_message_is_sent_again_after_a_crash_between_sending_and_writing_it_down(
    house: House, pigeon: Pigeon
) -> None:
    await post(house, "一")
    flights = []

    async def fly_and_crash(outgoing: Outgoing, message: Message) -> str:
        flights.append(message.text)
        raise asyncio.CancelledError

    pigeon.deliver = fly_and_crash  # type: ignore[method-assign]
    with pytest.raises(asyncio.CancelledError):
        await house.delivery(pigeon).drain()
    survivor = Pigeon()
    await house.delivery(survivor).drain()

    assert flights == survivor.sent == ["一"]


async def test_other_peoples_channels_are_left_alone(house: House, pigeon: Pigeon) -> None:
    await post(house, "一")
    pigeon.account = "other loft"

    assert await house.delivery(pigeon).drain() == 0


async def test_a_sender_in_the_background_hears_the_bell(house: House, pigeon: Pigeon) -> None:
    worker = asyncio.create_task(house.delivery(pigeon).run())
    try:
        await asyncio.sleep(0)
        await post(house, "一")
        house.outbox_bell.ring()
        async with asyncio.timeout(10):
            await pigeon.arrived.wait()
    finally:
        worker.cancel()
        await asyncio.gather(worker, return_exceptions=True)


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)  # on SQLite the data folder lets one process in
async def test_of_several_processes_one_sends(house: House, database_url: str) -> None:
    await post(house, *(str(number) for number in range(20)))
    others = [Database(database_url) for _ in range(3)]
    pigeons = [Pigeon() for _ in others]

    await asyncio.gather(
        *(
            Delivery(other, [pigeon], house.clock, bell=Bell(), links=house.claims.links).drain()
            for other, pigeon in zip(others, pigeons, strict=True)
        )
    )
    for other in others:
        await other.close()

    assert [text for pigeon in pigeons for text in pigeon.sent] == [str(number) for number in range(20)]


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)  # on SQLite the data folder lets one process in
async def test_without_the_election_several_send(house: House, database_url: str) -> None:
    """The twin: what the election is for."""
    await post(house, *(str(number) for number in range(20)))
    others = [Careless(database_url) for _ in range(3)]
    pigeons = [Pigeon() for _ in others]

    await asyncio.gather(
        *(
            Delivery(other, [pigeon], house.clock, bell=Bell(), links=house.claims.links).drain()
            for other, pigeon in zip(others, pigeons, strict=True)
        )
    )
    for other in others:
        await other.close()

    assert sum(len(pigeon.sent) for pigeon in pigeons) > 20


@asynccontextmanager
async def writing_fails(**_: bool) -> AsyncIterator[AsyncSession]:
    raise ConnectionError
    yield


class Careless(Database):
    """Elects everybody."""

    @asynccontextmanager
    async def elected(self, name: str) -> AsyncIterator[bool]:
        yield True
