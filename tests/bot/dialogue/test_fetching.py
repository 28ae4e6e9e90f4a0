"""A buyer whose new code comes out of the shop's own stock: what they read until it is there, or does not come."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

import pytest

from shop.adapters.local import LocalShop
from shop.errors import ShopDown
from shop.port import Answer, Issued, Power, Reply
from tests.bot.conftest import House
from tests.bot.dialogue.test_refunds import empty_pool, replaced
from tickets.errands import Errands
from tickets.fetched import LOOKS
from tickets.tables import Notice, Ticket

SETTLES = timedelta(seconds=2)


class Shelf(LocalShop):
    """Our own shop, with a stock of somebody else's."""

    settles = SETTLES
    cards = ("STOCK-77777-ZZZZZ", "STOCK-88888-YYYYY")
    is_down = False
    resold: Mapping[str, str] = {}  # replaced, never changed

    async def issue(self, order_no: str, sku: str, key: str) -> Reply[Issued]:
        if self.is_down:
            raise ShopDown(shop=self.name)
        text, *rest = self.cards
        self.cards = tuple(rest)
        return Reply(Answer.DONE, Issued(text, text[:11]))

    async def find_resold(self, sku: str, references: Collection[str], since: datetime) -> Reply[Mapping[str, str]]:
        return Reply(Answer.DONE, self.resold)


@pytest.fixture
async def shelf(house: House) -> Shelf:
    await empty_pool(house)
    object.__setattr__(house.claims, "powers_of", lambda name: frozenset({Power.ISSUE}))
    return Shelf(house.database, house.vault)


async def settle(house: House, shelf: Shelf) -> None:
    job = Errands(house.database, house.clock, house.claims, lambda name: shelf)
    while await job.run():
        house.clock.now += SETTLES


async def test_the_buyer_reads_that_it_is_on_its_way_and_then_has_it(house: House, shelf: Shelf) -> None:
    buyer = await replaced(house)
    assert "正在从店铺库存为您取一张新卡" in (await buyer.last_reply()).text

    await settle(house, shelf)

    assert "已为您补发新卡" in (news := await buyer.news())
    assert "https://kadesk.test/r/" in news
    assert await house.all(Ticket) == []


async def test_the_buyer_of_a_shop_that_is_away_reads_who_has_it_now(house: House, shelf: Shelf) -> None:
    shelf.is_down = True
    buyer = await replaced(house)

    await settle(house, shelf)

    news, ticket = await buyer.news(), await house.one(Ticket)
    assert "没能从店铺库存取到新卡" in news
    assert f"{ticket.number}" in news
    assert "24 小时内一定给您答复" in news


async def test_the_buyer_of_a_card_that_was_sold_twice_hears_the_truth_and_has_another(
    house: House, shelf: Shelf
) -> None:
    buyer, _ = await replaced(house), await house.hire()
    await settle(house, shelf)
    await buyer.news()
    shelf.resold = {"STOCK-77777": "STRANGER-1"}

    house.clock.now += LOOKS[0]
    for _ in range(2):
        await settle(house, shelf)

    news = await buyer.news()
    assert "店铺同时也卖给了别人" in news
    assert "已为您补发新卡" in news
    assert "同时卖给了订单 STRANGER-1" in "".join(notice.text for notice in await house.all(Notice))
