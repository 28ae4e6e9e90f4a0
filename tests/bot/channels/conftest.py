"""A buyer on Telegram, whose Bot API is the stand-in."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from bot.channels.telegram import Telegram
from bot.fakes.buyer import Buyer, TelegramFront
from bot.fakes.telegram import TOKEN, FakeTelegram, serving
from tests.bot.conftest import House


@pytest.fixture
async def fake() -> AsyncIterator[FakeTelegram]:
    async with serving(FakeTelegram()) as fake:
        yield fake


@pytest.fixture
async def telegram(fake: FakeTelegram) -> AsyncIterator[Telegram]:
    telegram = Telegram(TOKEN, fake.base, first_wait=timedelta(milliseconds=10))
    yield telegram
    await telegram.close()


@pytest.fixture
def buyer(house: House, fake: FakeTelegram, telegram: Telegram) -> Buyer:
    async def look() -> None:
        await telegram.look(house.door.accept, None)

    return Buyer(TelegramFront(fake, telegram, look), house.settle(telegram))
