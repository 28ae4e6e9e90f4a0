"""A buyer at a 微信客服, whose platform is the stand-in for 企业微信."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import pytest

from bot.channels.wecom import WeCom
from bot.fakes.buyer import Buyer
from bot.fakes.wechat_front import WeComFront
from bot.fakes.wecom import OPEN_KFID, FakeWeCom
from tests.bot.channels.fronts import open_wecom, serving_wecom
from tests.bot.conftest import House
from tickets import outbox
from tickets.tables import (
    Author,
    Conversation,
    Priority,
)

BUYER, OTHER = "wmBuyer_0001", "wkBBB0002"


@pytest.fixture
async def fake(house: House) -> AsyncIterator[FakeWeCom]:
    async with serving_wecom(house, OPEN_KFID, OTHER) as fake:
        yield fake


@pytest.fixture
async def accounts(house: House, fake: FakeWeCom) -> AsyncIterator[list[WeCom]]:
    async with open_wecom(house, fake) as accounts:
        yield accounts


@pytest.fixture
def wecom(accounts: list[WeCom]) -> WeCom:
    return accounts[0]


def looking(house: House, wecom: WeCom) -> Callable[[], Awaitable[object]]:
    async def look() -> None:
        await wecom.look(house.door.accept)

    return look


@pytest.fixture
def buyer(house: House, fake: FakeWeCom, wecom: WeCom) -> Buyer:
    return Buyer(WeComFront(fake, wecom, looking(house, wecom), BUYER), house.settle(wecom))


async def say(
    house: House, conversation: Conversation, text: str, priority: Priority, labels: Sequence[str] = ()
) -> None:
    buttons = [{"handle": f"h-{label}", "text": label} for label in labels]
    async with house.database.writing() as session:
        facts = (session, house.clock(), conversation, text)
        await outbox.post(*facts, author=Author.BOT, priority=priority, buttons=buttons)
