"""A shop that does not answer is weather: the buyer hears a sentence, and nobody else waits."""

import asyncio
from pathlib import Path

import pytest

from bot.dialogue import Dialogue
from bot.fakes.buyer import Buyer, TerminalFront
from shop.adapters.dujiaoka import Dujiaoka
from shop.errors import ShopDown
from shop.port import CodeCheck, Order
from tests.bot.conftest import ORDER, PASSWORD, House
from tests.shop.adapters import dujiaoka
from tests.shop.adapters.conftest import empty_mariadb as empty_mariadb
from tests.shop.adapters.conftest import ground
from tests.shop.adapters.line import Line
from tickets.ownership import Ownership
from tickets.tables import Level, OwnershipMiss, Ticket


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
    again = await buyer.say(f"{ORDER} {PASSWORD}")
    person = await buyer.say("转人工" if language == "zh" else "human")

    for said in (excuse, again):
        assert ("店铺系统暂时没有回应" if language == "zh" else "is not answering right now") in said
        assert "K-000001" in said
    assert "K-000001" in person
    [ticket] = await house.all(Ticket)
    assert (ticket.level, ORDER in ticket.subject) == (Level.HUMAN_QUEUE, False)
    assert await house.all(OwnershipMiss) == []


@pytest.mark.mariadb
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_shop_whose_server_went_is_looked_at_by_a_person_and_answers_when_it_is_back(
    house: House, empty_mariadb: str, tmp_path: Path
) -> None:
    await dujiaoka.open_original(empty_mariadb, [dujiaoka.Sale(ORDER, ("7K2Q9-XPLM4-TRWE3",), password=PASSWORD)])
    line = Line(empty_mariadb, tmp_path / "s")
    house.dialogue._shop = shop = Dujiaoka(ground(house.database, house.vault), line.url)
    buyer = house.buyer()
    await line.join()

    before = await buyer.say(f"{ORDER} {PASSWORD}")
    await line.cut()
    meanwhile = await buyer.say(f"{ORDER} {PASSWORD}")
    await line.join()
    after = await buyer.say(f"{ORDER} {PASSWORD}")

    assert "Steam 充值卡" in before
    assert "店铺系统暂时没有回应" in meanwhile
    assert "K-000001" in meanwhile
    assert "Steam 充值卡" in after
    assert len(await house.all(Ticket)) == 1
    await shop.close()
    await line.cut()
