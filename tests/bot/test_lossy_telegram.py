"""A Telegram that loses a fifth of its answers and often says "too many": nothing lost, nothing twice, never too fast.

Time is the test's own, at both ends, so that what a window of a second holds is exact.
"""

import os
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from aiohttp import web

from bot.budget import Budget, Rate
from bot.channels.telegram import Telegram
from bot.delivery import is_delivered
from bot.errors import Ambiguous, ChannelDown
from bot.fakes.telegram import TOKEN, FakeTelegram, Weather, serving
from tests.bot.conftest import House
from tickets import conversations, outbox
from tickets.tables import Author, Message, Outgoing, Priority, Sending

CHATS, EACH = int(os.environ.get("LOSSY_CHATS", "12")), 6
SECOND = timedelta(seconds=1)
BOT, CHAT = Rate.at_most(28, SECOND), Rate(SECOND, burst=3)


class Lossy(FakeTelegram):
    """Notes when it was called, whatever it answered."""

    def __init__(self, house: House) -> None:
        super().__init__(
            clock=lambda: house.clock().timestamp(),
            weather=Weather(seed=7, lost=0.2, refused=0.1, methods=("sendMessage",)),
        )
        self.called_at: list[float] = []
        self.lost = 0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.called_at.append(self.clock())
        before = len(self.sent)
        response = await super().answer(request)
        self.lost += len(self.sent) > before and not response.body
        return response


class Stubborn(Telegram):
    """The twin that takes a lost answer for a message that was not sent."""

    async def deliver(self, outgoing: Outgoing, message: Message) -> str:
        try:
            return await super().deliver(outgoing, message)
        except Ambiguous:
            raise ChannelDown(reason="no answer") from None


async def write(house: House, account: str) -> None:
    """Answers to a dozen buyers, all at once; every third is an agent's."""
    async with house.database.writing() as session:
        for chat in range(1, CHATS + 1):
            place = "telegram", account, str(chat)
            conversation = await conversations.find_or_create(session, house.clock(), *place, "…", "zh")
            for number in range(EACH):
                priority = Priority.NOTICE if number % 3 else Priority.AGENT_REPLY
                text = f"{chat} 号的第 {number} 条"
                await outbox.post(session, house.clock(), conversation, text, author=Author.BOT, priority=priority)


@asynccontextmanager
async def sending(house: House, channel: type[Telegram], budget: Budget) -> AsyncIterator[Lossy]:
    """Everything was sent, as well as this channel could."""
    fake = Lossy(house)
    for chat in range(1, CHATS + 1):
        fake.private(fake.bot, chat)
    async with serving(fake):
        telegram = channel(TOKEN, fake.base)
        await write(house, telegram.account)
        delivery = house.delivery(telegram, budget=lambda _: budget)
        is_through = False
        while not is_through:
            await delivery.drain()
            house.clock.advance(milliseconds=200)
            async with house.database.reading() as session:
                is_through = await is_delivered(session, telegram.name, telegram.account)
        await telegram.close()
        yield fake


async def check(house: House, fake: Lossy) -> None:
    """Raises AssertionError."""
    texts = {message.id: message.text for message in await house.all(Message)}
    states = {texts[row.message_id]: row.state for row in await house.all(Outgoing)}
    shown = Counter(sent.text for sent in fake.sent)
    assert set(shown) == set(states), "a message was lost, or changed"
    assert set(shown.values()) == {1}, "a message was sent twice"
    assert set(states.values()) == {Sending.SENT, Sending.UNKNOWN}
    assert sum(state == Sending.UNKNOWN for state in states.values()) == fake.lost > CHATS
    chats = defaultdict(list)
    for sent in fake.sent:
        chats[sent.chat_id].append(sent.text)
    assert all(said == [f"{chat} 号的第 {number} 条" for number in range(EACH)] for chat, said in chats.items())
    busiest = max(sum(at <= one <= at + 1 for one in fake.called_at) for at in fake.called_at)
    assert busiest <= 28, "above the budget"


async def test_nothing_is_lost_or_sent_twice_and_the_budget_is_kept(house: House) -> None:
    async with sending(house, Telegram, Budget(BOT, CHAT)) as fake:
        await check(house, fake)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_who_sends_again_what_timed_out_says_it_twice(house: House) -> None:
    """The twin: what `unknown` is for."""
    async with sending(house, Stubborn, Budget(BOT, CHAT)) as fake:
        with pytest.raises(AssertionError, match="sent twice"):
            await check(house, fake)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_without_a_budget_it_is_too_fast(house: House) -> None:
    """The twin: what the budget is for."""
    async with sending(house, Telegram, Budget()) as fake:
        with pytest.raises(AssertionError, match="above the budget"):
            await check(house, fake)
