"""What a foreign shop says of its codes becomes suppliers and batches of ours, each once."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta

from sqlmodel import SQLModel, select

from shop.codes import seal_code
from shop.port import Goods, Order, OrderStatus, Origin
from shop.provenance import Source
from shop.sources import find_or_add_batch, learn_sources
from shop.tables import Batch, CodeState, Pool, Product, Supplier
from tests.shop.conftest import Stall

GOODS = Goods("GAME-1", "点卡", 1_000, "CNY", warranty=timedelta(days=7))
ORDER = Order("abroad", "A1", OrderStatus.DELIVERED, GOODS, 1, 1_000, 0, None, None)
ORIGIN = Origin("上游一号", "B-7", cost=800)


async def learn(stall: Stall, now: datetime, origins: dict[str, Origin], order: Order = ORDER) -> dict[str, Source]:
    async with stall.database.writing() as session:
        return await learn_sources(session, now, order, origins)


async def all_of(stall: Stall, table: type[SQLModel]) -> list[SQLModel]:
    async with stall.database.reading() as session:
        return list((await session.exec(select(table).filter_by())).all())


async def test_a_batch_is_added_once_however_many_claims_name_it_at_once(stall: Stall, now: datetime) -> None:
    learnt = await asyncio.gather(*(learn(stall, now, {f"print-{n}": ORIGIN}) for n in range(4)))
    again = await learn(stall, now, {"print-9": ORIGIN})

    sources = {source for found in [*learnt, again] for source in found.values()}
    assert len(sources) == 1
    (batch,) = await all_of(stall, Batch)
    assert isinstance(batch, Batch)
    assert (Source(batch.supplier_id, batch.id), batch.name, batch.cost) == (sources.pop(), "B-7", 800)
    assert [len(await all_of(stall, table)) for table in (Supplier, Product)] == [1, 1]


async def test_without_a_batch_the_supplier_alone_is_known(stall: Stall, now: datetime) -> None:
    found = await learn(stall, now, {"one": Origin("上游一号"), "two": replace(ORIGIN, batch="B-8")})

    assert found["one"] == Source(found["two"].supplier_id, None)
    assert found["two"].batch_id is not None


async def test_our_own_codes_are_not_learnt_of_from_others(stall: Stall, now: datetime) -> None:
    async with stall.database.writing() as session:
        product = Product(shop="demo", sku="X", name="X", price=1, warranty=timedelta())
        session.add(product)
        await session.flush()
        batch = await find_or_add_batch(session, now, product.id, "供货商", "一", 0)
        place = {"product_id": product.id, "batch_id": batch.id, "pool": Pool.STOCK, "state": CodeState.FREE}
        code = seal_code(stall.vault, text="OURS-0001-AAAA-BBBB", **place)
        session.add(code)

    assert await learn(stall, now, {code.fingerprint: ORIGIN}) == {}
    assert len(await all_of(stall, Supplier)) == 1
