import time
from collections import Counter
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from random import Random

import pytest
from sqlalchemy import select as select_rows
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from kadesk.tables import metadata
from shop.demo import GOODS, DemoShop, create_demo_shop
from shop.ledger import count_reserve
from shop.masking import mask_text, normalise_code
from shop.port import OrderStatus, Verdict
from shop.tables import Batch, Supplier
from tests.shop.conftest import Stall


@pytest.fixture
async def demo(stall: Stall, now: datetime) -> DemoShop:
    async with stall.database.writing() as session:
        return await create_demo_shop(session, now, stall.vault, Random(7))


async def test_the_demo_shop_is_as_the_readme_says(stall: Stall, demo: DemoShop, now: datetime) -> None:
    statuses = Counter(order.status for order in demo.orders)
    async with stall.database.reading() as session:
        suppliers, batches = [len((await session.exec(select(table))).all()) for table in (Supplier, Batch)]
        reserves = {goods.sku: await count_reserve(session, "demo", goods.sku) for goods in GOODS}

    assert len(demo.orders) == len({order.order_no for order in demo.orders}) == 200
    assert statuses[OrderStatus.DELIVERED] > 150
    assert min(statuses[status] for status in (OrderStatus.PAID_UNDELIVERED, OrderStatus.UNPAID)) > 3
    assert (suppliers, batches, len(GOODS)) == (4, 24, 8)
    assert sorted(reserves.values())[:2] == [0, 12]
    assert any(len(order.codes) >= 3 for order in demo.orders)


async def test_every_demo_order_works_as_its_buyer_expects(stall: Stall, demo: DemoShop, now: datetime) -> None:
    for known in demo.orders[::8]:
        order = await stall.order(known.order_no)

        assert (order.status, order.goods.name) == (known.status, known.product)
        assert len(order.codes) == len(known.codes)
        assert await stall.shop.prove_owner(known.order_no, known.query_password)
        assert await stall.shop.prove_owner(known.order_no, known.payment_no[-6:])
        for ref, text in zip(order.codes, known.codes, strict=True):
            check = await stall.shop.check_code(known.order_no, text)
            assert (check.verdict, check.code) == (Verdict.EXACT, ref)
        assert order.paid_at is None or now - timedelta(days=31) < order.paid_at <= now
        assert (order.delivered_at is not None) is bool(known.codes)


async def test_the_example_can_be_replaced_at_once(stall: Stall, demo: DemoShop, now: datetime) -> None:
    order = await stall.order(demo.example.order_no)

    assert order.delivered_at is not None
    assert now - order.delivered_at < order.goods.warranty
    async with stall.database.reading() as session:
        assert await count_reserve(session, "demo", order.goods.sku) > 0


async def test_no_demo_secret_stands_in_clear(stall: Stall, demo: DemoShop) -> None:
    async with stall.database.reading() as session:
        rows = [row async for row in all_rows(session)]
    stored = "\n".join(rows)

    for order in demo.orders:
        for secret in (*order.codes, *map(normalise_code, order.codes), order.query_password, order.payment_no):
            assert secret not in stored
            assert secret not in repr(order)


async def all_rows(session: AsyncSession) -> AsyncIterator[str]:
    for table in metadata.sorted_tables:
        for row in await session.exec(select_rows(table)):
            yield str(row)


async def test_a_buyer_who_pastes_a_demo_code_sees_it_masked(demo: DemoShop) -> None:
    for order in demo.orders:
        for code in order.codes:
            assert normalise_code(code) not in normalise_code(mask_text(f"卡密{code}不能用"))


async def test_the_demo_shop_is_made_quickly(stall: Stall, now: datetime) -> None:
    start = time.process_time()

    async with stall.database.writing() as session:
        await create_demo_shop(session, now, stall.vault, Random(8))

    assert time.process_time() - start < 3


async def test_one_order_asks_for_a_screenshot_and_one_may_be_given_back(
    stall: Stall, demo: DemoShop, now: datetime
) -> None:
    proved, returned = await stall.order(demo.to_prove.order_no), await stall.order(demo.to_return.order_no)

    assert (proved.goods.proof, len(proved.codes)) == ("screenshot", 1)
    assert returned.goods.return_within == timedelta(days=7)
    assert returned.delivered_at is not None
    assert now < returned.delivered_at + timedelta(days=7)
