"""A link from the shop's page of an order, on every channel that links can lead to."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from bot.fakes.buyer import Buyer
from shop.deep_links import DeepLinks
from shop.errors import ShopDown
from shop.port import Order, Powerless
from shop.shops import Shops
from tests.bot.channels.fronts import buyer_on
from tests.bot.conftest import CODE, LINKS, ORDER, PASSWORD, House
from tickets.tables import OrderBinding, OwnershipMiss

MINUTE = timedelta(minutes=1)


@pytest.fixture(params=["web", "telegram"])
async def buyer(house: House, request: pytest.FixtureRequest) -> AsyncIterator[Buyer]:
    async with buyer_on(request.param, house) as one:
        yield one


async def test_a_link_greets_with_the_order_and_a_claim_needs_no_proof(house: House, buyer: Buyer) -> None:
    greeted = await buyer.start(LINKS.sign(ORDER, house.clock() + 30 * MINUTE))
    await buyer.press("卡密用不了")
    await buyer.say(CODE)
    replaced = await buyer.press("已被使用")

    assert "自动客服" in greeted
    assert "Steam 50元充值卡" in greeted
    assert CODE not in greeted
    assert "https://kadesk.test/r/" in replaced
    assert (await house.one(OrderBinding)).way == "deep_link"


async def test_a_link_that_is_not_good_reads_like_a_plain_start(house: House, buyer: Buyer) -> None:
    good = LINKS.sign(ORDER, house.clock() + 30 * MINUTE)
    bad = {
        "invalid": f"{good[:-1]}{'A' if good[-1] != 'A' else 'B'}",
        "expired": LINKS.sign(ORDER, house.clock()),
        "foreign": DeepLinks("other", LINKS.secret).sign(ORDER, house.clock() + 30 * MINUTE),
        "of no order": LINKS.sign("QQ12CD34EF56GH78", house.clock() + 30 * MINUTE),
        "another thing": "order-77",
    }

    plain = await buyer.start()
    told = {name: await buyer.start(payload) for name, payload in bad.items()}

    assert told == dict.fromkeys(bad, plain)
    assert await house.all(OrderBinding) == []
    assert await house.all(OwnershipMiss) == []


async def test_a_link_comes_again_and_amid_other_things(house: House, buyer: Buyer) -> None:
    payload = LINKS.sign(ORDER, house.clock() + 30 * MINUTE)
    first = await buyer.start(payload)
    await buyer.press("卡密用不了")

    again = await buyer.start(payload)

    assert again == first
    assert len(await house.all(OrderBinding)) == 1


async def test_while_the_shop_does_not_answer_a_link_says_so_and_binds_nothing(
    house: House, buyer: Buyer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(order_no: str) -> Order | None:
        raise ShopDown(shop="demo")

    monkeypatch.setattr(house.shop, "find_order", fail)
    payload = LINKS.sign(ORDER, house.clock() + 30 * MINUTE)

    told = await buyer.start(payload)
    monkeypatch.undo()

    assert "没有回应" in told
    assert await house.all(OrderBinding) == []
    assert "Steam 50元充值卡" in await buyer.start(payload)


class Twin(Powerless):
    """Another shop, which sold something else under the same number."""

    name = "twin"

    def __init__(self, order: Order) -> None:
        self.order = replace(order, shop=self.name, goods=replace(order.goods, name="别家的卡"), codes=())

    async def find_order(self, order_no: str) -> Order | None:
        return self.order if order_no == self.order.order_no else None


async def open_twins(house: House, *, twin_first: bool) -> DeepLinks:
    """Two shops with the same number, each with a secret of its own; the twin's links."""
    order = await house.shop.find_order(ORDER)
    assert order is not None
    links, both = DeepLinks("twin", "another secret, of the other shop"), [house.shop, Twin(order)]
    house.dialogue._shop, house.dialogue._links = Shops(both[::-1] if twin_first else both), [LINKS, links]
    return links


@pytest.mark.parametrize("twin_first", [False, True])
async def test_a_link_opens_only_the_order_of_the_shop_that_signed_it(
    house: House, buyer: Buyer, *, twin_first: bool
) -> None:
    of_twin = await open_twins(house, twin_first=twin_first)
    first, second = (of_twin, LINKS) if twin_first else (LINKS, of_twin)

    plain = await buyer.start()
    told = await buyer.start(second.sign(ORDER, house.clock() + 30 * MINUTE))

    assert told == plain
    assert await house.all(OrderBinding) == []
    assert ("别家的卡" if twin_first else "Steam 50元充值卡") in await buyer.start(
        first.sign(ORDER, house.clock() + 30 * MINUTE)
    )
    assert (await house.one(OrderBinding)).shop == first.shop


async def test_what_was_proved_in_one_shop_opens_nothing_in_another(house: House) -> None:
    """A shop that is named first later, and has the same number, gets none of its orders shown."""
    buyer = house.buyer()
    await buyer.say(f"{ORDER} {PASSWORD}")
    await open_twins(house, twin_first=True)

    told = await buyer.say(f"查订单 {ORDER}")

    assert "别家的卡" not in told
    assert house.phrases("zh", "order.gone") in told
