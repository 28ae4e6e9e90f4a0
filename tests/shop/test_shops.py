"""Several shops at one counter: two stalls with the same tables, and orders of the same numbers."""

import pytest
from sqlalchemy import event

from shop.adapters.local import hash_query_password
from shop.errors import ShopDown
from shop.port import Order, Powerless, ProofWay, Verdict
from shop.shops import Shops
from tests.shop.conftest import Stall

BOTH, OTHERS = "AB12CD34EF56GH78", "ZZ99ZZ99ZZ99ZZ99"
OURS, THEIRS = "7K2Q9-XPLM4-TRWE3", "FFFFF-GGGGG-HHHH2"


class SilentShop(Powerless):
    name = "silent"

    async def has_order(self, order_no: str) -> bool:
        raise ShopDown(shop=self.name)

    async def find_order(self, order_no: str) -> Order | None:
        raise ShopDown(shop=self.name)


@pytest.fixture
async def shops(stall: Stall) -> Shops:
    """Both sold an order of one number, the second another one beside."""
    await stall.add_product()
    await stall.sell(OURS, order_no=BOTH)
    other = Stall(stall.database, stall.vault, stall.now, "other")
    await other.add_product("XBOX-30")
    for order_no, code in ((BOTH, THEIRS), (OTHERS, "KKKKK-LLLLL-MMMM3")):
        secret = hash_query_password(stall.vault, "other", order_no, "their word")
        await other.sell(code, order_no=order_no, password_hash=secret)
    return Shops([stall.shop, other.shop])


async def found(shops: Shops, order_no: str) -> Order:
    order = await shops.find_order(order_no)
    assert order is not None
    return order


async def test_each_shops_orders_are_found_and_proved(shops: Shops) -> None:
    assert [(await found(shops, order_no)).shop for order_no in (BOTH, OTHERS)] == ["demo", "other"]
    assert await shops.prove_owner(OTHERS, "their word") == ProofWay.QUERY_PASSWORD
    assert (await shops.check_code(OTHERS, "KKKKK-LLLLL-MMMM3")).verdict == Verdict.EXACT
    assert await shops.find_order("AB12CD34EF56GH79") is None


async def test_a_number_of_two_shops_is_the_firsts_and_the_seconds_proof_opens_nothing(shops: Shops) -> None:
    assert await shops.prove_owner(BOTH, "open sesame") == ProofWay.QUERY_PASSWORD
    assert await shops.prove_owner(BOTH, "their word") is None
    assert (await shops.check_code(BOTH, THEIRS)).verdict == Verdict.OTHER


async def test_known_and_unknown_numbers_cost_the_same(shops: Shops, stall: Stall) -> None:
    asked: list[str] = []

    def count(*call: object) -> None:
        asked.append(str(call[2]))

    costs = {}
    event.listen(stall.database.engine.sync_engine, "before_cursor_execute", count)
    for order_no in (BOTH, OTHERS, "AB12CD34EF56GH79"):
        asked.clear()
        await shops.prove_owner(order_no, "their word")
        await shops.contact_of(order_no)
        costs[order_no] = len(asked)
    event.remove(stall.database.engine.sync_engine, "before_cursor_execute", count)

    assert len({*costs.values()}) == 1


async def test_who_is_to_lead_is_asked_first_and_all_are_asked(shops: Shops) -> None:
    led = shops.led_by(["other"])

    assert [(await found(led, order_no)).shop for order_no in (BOTH, OTHERS)] == ["other", "other"]
    assert await led.prove_owner(BOTH, "their word") == ProofWay.QUERY_PASSWORD
    assert (await found(shops, BOTH)).shop == "demo"


async def test_while_the_first_is_silent_a_later_one_answers_for_nobody(stall: Stall) -> None:
    await stall.add_product()
    await stall.sell(OURS, order_no=BOTH)
    shops = Shops([SilentShop(), stall.shop])  # type: ignore[list-item]  # all that is asked of it

    with pytest.raises(ShopDown):
        await shops.prove_owner(BOTH, "open sesame")
    with pytest.raises(ShopDown):
        await shops.find_order(BOTH)


async def test_what_the_first_has_needs_no_word_of_a_later_one(stall: Stall) -> None:
    await stall.add_product()
    await stall.sell(OURS, order_no=BOTH)
    shops = Shops([stall.shop, SilentShop()])  # type: ignore[list-item]  # all that is asked of it

    assert (await found(shops, BOTH)).shop == "demo"
    with pytest.raises(ShopDown):
        await shops.find_order(OTHERS)
