import asyncio
from datetime import datetime
from itertools import product

import pytest
from sqlmodel import col, select

from audit.tables import AuditRow
from shop.errors import PoolEmpty
from shop.ledger import issue_replacement, release, reserve
from shop.states import NEXT, OUT, move
from shop.tables import Code, CodeState
from tests.shop.conftest import Stall

NEW = "NEW01-7K2Q9-XPLM4"


@pytest.fixture
async def shelf(stall: Stall) -> Stall:
    """One reserve code, and one order whose code is bad."""
    await stall.add_product(reserve=[NEW])
    await stall.sell("OLD01-AAAAA-BBBBB")
    return stall


async def keep(stall: Stall, now: datetime, claim_id: int) -> None:
    order = await stall.order()
    async with stall.database.writing() as session:
        await reserve(session, now, stall.vault, claim_id=claim_id, order=order, actor="agent:1")


async def issue(stall: Stall, now: datetime, claim_id: int) -> None:
    order = await stall.order()
    async with stall.database.writing() as session:
        await issue_replacement(
            session, now, stall.vault, claim_id=claim_id, order=order, replaced=order.codes[0], actor="agent:1"
        )


async def kept(stall: Stall) -> list[tuple[str, int | None]]:
    async with stall.database.reading() as session:
        found = await session.exec(select(Code.state, Code.reserved_for).where(col(Code.pool) == "reserve"))
        return list(found.all())


def test_nothing_leads_back_from_out_to_free() -> None:
    reached, border = set(), set(OUT)
    while border:
        reached |= border
        border = {after for state in border for after in NEXT[state]} - reached - {CodeState.QUARANTINED}

    assert reached == {*OUT, CodeState.VOID}


@pytest.mark.parametrize(
    ("old", "new"), [(old, new) for old, new in product(CodeState, CodeState) if new not in NEXT[old]]
)
async def test_a_step_that_is_not_in_the_table_is_never_taken(stall: Stall, old: CodeState, new: CodeState) -> None:
    async with stall.database.reading() as session:
        with pytest.raises(AssertionError, match=f"from {old} to {new}"):
            await move(session, 1, old, new)


async def test_a_kept_code_is_not_for_another_claim(shelf: Stall, now: datetime) -> None:
    await keep(shelf, now, claim_id=1)
    await keep(shelf, now, claim_id=1)

    with pytest.raises(PoolEmpty):
        await issue(shelf, now, claim_id=2)
    assert await kept(shelf) == [("reserved", 1)]


async def test_a_kept_code_is_issued_to_its_claim(shelf: Stall, now: datetime) -> None:
    await keep(shelf, now, claim_id=1)

    await issue(shelf, now, claim_id=1)

    assert await kept(shelf) == [("issued", None)]
    async with shelf.database.reading() as session:
        rows = (await session.exec(select(AuditRow).order_by(col(AuditRow.id)))).all()
    assert [(row.action, (row.before or {})["state"]) for row in rows] == [
        ("code.reserved", "free"),
        ("code.issued", "reserved"),
    ]


async def test_a_released_code_is_free_for_all(shelf: Stall, now: datetime) -> None:
    await keep(shelf, now, claim_id=1)

    async with shelf.database.writing() as session:
        await release(session, now, 1, "agent:1")

    assert await kept(shelf) == [("free", None)]
    await issue(shelf, now, claim_id=2)


async def test_sixteen_claims_keep_one_code_once(shelf: Stall, now: datetime) -> None:
    results = await asyncio.gather(*(keep(shelf, now, claim_id) for claim_id in range(16)), return_exceptions=True)

    assert sorted(type(result).__name__ for result in results) == ["NoneType", *["PoolEmpty"] * 15]
