"""A shop that does not answer is weather: the buyer hears a sentence, and nobody else waits."""

import asyncio

import pytest

from bot.dialogue import Dialogue
from shop.errors import ShopDown
from shop.port import CodeCheck, Order
from tests.bot.conftest import ORDER, PASSWORD, House
from tests.buyer import Buyer, TerminalFront
from tickets.ownership import Ownership
from tickets.tables import OwnershipMiss


class Silent:
    """A shop whose line is dead; while it is asked, others must be able to write."""

    name = "demo"

    def __init__(self, house: House) -> None:
        self._house = house

    async def _wait(self) -> None:
        async with asyncio.timeout(10):
            async with self._house.database.writing():
                pass
        raise ShopDown(shop=self.name)

    async def find_order(self, order_no: str) -> Order | None:
        await self._wait()
        return None

    async def prove_owner(self, order_no: str, proof: str) -> bool:
        await self._wait()
        return False

    async def check_code(self, order_no: str, code: str) -> CodeCheck:
        await self._wait()
        raise AssertionError


@pytest.mark.parametrize("language", ["zh", "en"])
async def test_a_silent_shop_is_excused_and_counts_as_no_miss(house: House, language: str) -> None:
    dialogue = Dialogue(
        desk=house.desk,
        claims=house.claims,
        ownership=Ownership(house.vault),
        shop=Silent(house),
        answers=house.dialogue._parts.answers,
        phrases=house.phrases,
    )
    front = TerminalFront("anna", house.door.accept, house.clock)
    inbox, delivery = house.inbox(front.channel, dialogue=dialogue), house.delivery(front.channel)

    async def work() -> None:
        await inbox.drain()
        await delivery.drain()

    buyer = Buyer(front, work)
    await buyer.say("卡密用不了" if language == "zh" else "my code does not work")
    await buyer.say(ORDER)

    excuse = await buyer.say(PASSWORD)
    person = await buyer.say("转人工" if language == "zh" else "human")

    assert ("店铺系统暂时没有回应" if language == "zh" else "is not answering right now") in excuse
    assert "K-000001" in person
    assert await house.all(OwnershipMiss) == []
