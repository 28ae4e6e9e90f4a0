"""Sixteen workers in four processes, ten thousand codes, each tenth claim tried by two: no code goes out twice."""

from collections import Counter
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

import pytest
from crew import gather
from sqlalchemy import insert
from sqlmodel import func, select

from kadesk.database import Database
from shop.codes import seal_code
from shop.tables import Batch, Code, CodeState, Pool, Product, Replacement, Supplier
from tests.conftest import empty
from tests.shop.issuer import CODES, GOODS, NOW, VAULT

ISSUER = Path(__file__).parent / "issuer.py"


async def fill(url: str, codes: int) -> None:
    database = Database(url)
    await empty(database)
    async with database.writing() as session:
        product = Product(shop="demo", sku=GOODS.sku, name=GOODS.name, price=4850, warranty=timedelta(days=30))
        supplier = Supplier(name="s")
        session.add_all([product, supplier])
        await session.flush()
        batch = Batch(supplier_id=supplier.id, product_id=product.id, name="b", arrived_at=NOW, imported=codes)
        session.add(batch)
        await session.flush()
        place = {"product_id": product.id, "batch_id": batch.id, "pool": Pool.RESERVE}
        rows = [
            seal_code(VAULT, **place, text=f"NEW{number:06d}").model_dump(exclude={"id"}) for number in range(codes)
        ]
        await (await session.connection()).execute(insert(Code), rows)
    await database.close()


def repeated(ids: Iterable[int]) -> dict[int, int]:
    """What is there more than once, and how often."""
    return {one: count for one, count in Counter(ids).items() if count > 1}


@pytest.mark.slow
@pytest.mark.alone
async def test_sixteen_workers_issue_ten_thousand_codes_once(database_url: str) -> None:
    await fill(database_url, CODES)

    issued = await gather(ISSUER, database_url, "guarded")

    assert repeated(code for code, _ in issued) == {}
    assert repeated(claim for _, claim in issued) == {}
    assert len(issued) == CODES
    database = Database(database_url)
    async with database.reading() as session:
        ledger = (await session.exec(select(Replacement.code_id, Replacement.claim_id))).all()
        left = (await session.exec(select(func.count()).where(Code.state != CodeState.ISSUED))).one()
    await database.close()
    assert set(map(tuple, ledger)) ^ set(map(tuple, issued)) == set()  # only in one of both
    assert len(ledger) == CODES
    assert left == 0


@pytest.mark.slow
@pytest.mark.alone
async def test_looking_first_and_writing_later_issues_codes_twice(database_url: str) -> None:
    await fill(database_url, 400)

    issued = await gather(ISSUER, database_url, "naive")

    assert repeated(code for code, _ in issued), f"{len(issued)} codes, each once"
