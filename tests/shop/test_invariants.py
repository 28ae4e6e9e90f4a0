from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Delete, Insert, Update, delete, insert, text, update
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from audit.trail import record
from shop.invariants import check_invariants
from shop.ledger import issue_replacement
from shop.reveals import make_link, open_link, read_token
from shop.tables import Batch, Code, OrderCode, OrderMoney, Refund, Replacement, RevealLink, ShopOrder
from tests.shop.conftest import Stall


@asynccontextmanager
async def unchecked(session: AsyncSession, stall: Stall) -> AsyncIterator[None]:
    """A database that lost its check constraints, as a hand-mended one may have."""
    if stall.database.is_sqlite:
        await session.exec(text("PRAGMA ignore_check_constraints = ON"))
    else:
        for table, names in CHECKED.items():
            for name in names:
                await session.exec(text(f"ALTER TABLE {table} DROP CONSTRAINT {name}"))
    yield
    if stall.database.is_sqlite:
        await session.exec(text("PRAGMA ignore_check_constraints = OFF"))


@pytest.fixture
async def trade(stall: Stall, now: datetime) -> Stall:
    """One order of two codes, the first replaced and seen, the second refunded: codes 1 to 5, order 1, link 1."""
    await stall.add_product("OTHER")
    await stall.add_product(reserve=["NEW01-7K2Q9-XPLM4", "NEW02-7K2Q9-XPLM4", "NEW03-7K2Q9-XPLM4"])
    order = await stall.sell("OLD01-AAAAA-BBBBB", "OLD02-AAAAA-BBBBB")
    async with stall.database.writing() as session:
        issued = await issue_replacement(
            session, now, stall.vault, claim_id=1, order=order, replaced=order.codes[0], actor="bot"
        )
        link = await make_link(session, now, stall.vault, issued.code_id, timedelta(hours=1))
        await open_link(session, now, stall.vault, read_token(stall.vault, link), "198.51.100.7")
        session.add(OrderMoney(shop="demo", order_no=order.order_no, paid=4850, refunded=100, currency="CNY"))
        facts = {"shop": "demo", "order_no": order.order_no, "fingerprint": order.codes[1].fingerprint}
        asked = {"amount": 100, "currency": "CNY", "requested_by": "agent:1", "requested_at": now, "not_before": now}
        session.add(Refund(key="1", **facts, **asked))
    return stall


FREE, SOLD, ISSUED = (col(Code.id) == number for number in (2, 4, 1))
REPLACED = select(Replacement.replaced_fingerprint).scalar_subquery()
CHECKED = {
    "code": ("code_state", "code_pool", "code_reserved"),
    "shop_order": ("shop_order_refunded",),
    "order_money": ("order_money_refunded",),
}
BREAKS = {
    "a code is in one known state": update(Code).where(FREE).values(state="lost"),
    "state and pool": update(Code).where(FREE).values(pool="pocket"),
    "an issued code went out exactly once": update(Code).where(FREE).values(state="issued"),
    "an issued code went out": delete(OrderCode).where(col(OrderCode.position) == 2),
    "a code is revealed exactly when": update(Code).where(SOLD).values(state="revealed"),
    "when somebody opened its link": update(Code).where(ISSUED).values(state="issued"),
    "a code is reserved exactly while": update(Code).where(FREE).values(state="reserved"),
    "while a claim keeps it": update(Code).where(FREE).values(reserved_for=9),
    "a batch that is kept back": update(Batch).values(quarantined_at=datetime.fromisoformat("2026-03-02T04:00Z")),
    "free or reserved never went out": update(Code).where(SOLD).values(state="free"),
    "a mask shows four characters": update(Code).where(FREE).values(masked="NEW02-7K2Q9-XPLM4"),
    "between its making and its end": update(RevealLink).values(opened_at=col(RevealLink.expires_at)),
    "its making and": update(RevealLink).values(opened_at=col(RevealLink.made_at) - timedelta(seconds=1)),
    "a chain counts": update(Replacement).values(chain=2),
    "granted by a person": update(Replacement).values(chain=3),
    "the ledger knows the code": update(Replacement).values(fingerprint="0" * 64),
    "one audit row": update(Replacement).values(code_id=2),
    "reserve of the same product": update(ShopOrder).values(product_id=1),
    "from the reserve": update(Code).where(ISSUED).values(pool="stock"),
    "at most what was paid": update(OrderMoney).values(refunded=4851),
    "every refund is counted": update(OrderMoney).values(refunded=99),
    "belongs to an order's money": delete(OrderMoney),
    "no code is replaced and refunded": update(Refund).values(fingerprint=REPLACED, state="approved"),
    "never more is refunded": update(ShopOrder).values(refunded=4851),
    "a delivered order has all": update(ShopOrder).values(quantity=3),
    "had been sold in that order": update(Replacement).values(replaced_fingerprint="0" * 64),
}


@pytest.mark.parametrize(("words", "broken"), BREAKS.items(), ids=BREAKS)
async def test_a_broken_rule_is_told(trade: Stall, words: str, broken: Update | Delete) -> None:
    async with trade.database.reading() as session, unchecked(session, trade):  # nothing written in it survives
        await session.exec(broken)

        problems = await check_invariants(session)

    assert any(words in problem for problem in problems), problems


@pytest.mark.parametrize("broken", [update(Code).values(state="lost"), update(ShopOrder).values(refunded=4851)])
async def test_the_database_itself_refuses_what_a_constraint_can_hold(trade: Stall, broken: Update) -> None:
    with pytest.raises(IntegrityError):
        async with trade.database.writing() as session:
            await session.exec(broken)


async def test_a_second_audit_row_is_told(trade: Stall, now: datetime) -> None:
    async with trade.database.reading() as session:
        record(session, now, "bot", "code.issued", "code:1")

        assert await check_invariants(session) == ["an issue has one audit row: not so for 1"]


AGAIN = {
    "claim_id": 1,
    "shop": "demo",
    "order_no": "AB12CD34EF56GH78",
    "replaced_fingerprint": "1" * 64,
    "code_id": 2,
    "fingerprint": "2" * 64,
    "chain": 1,
    "issued_at": datetime.fromisoformat("2026-03-02T04:00Z"),
    "issued_by": "bot",
}
UNGUARDED = {
    "a claim has one replacement": ("replacement_claim_id_key", insert(Replacement).values(AGAIN)),
    "a code is replaced once": (
        "replacement_shop_order_no_replaced_fingerprint_key",
        insert(Replacement).from_select(
            [*AGAIN],
            text(
                "SELECT 2, shop, order_no, replaced_fingerprint, 2, '2', chain, issued_at, issued_by FROM replacement"
            ).columns(),
        ),
    ),
    "no code is kept twice": (
        "code_fingerprint_key",
        update(Code).values(fingerprint="0" * 64),
    ),
}


@pytest.mark.postgres
@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
@pytest.mark.parametrize(("words", "constraint", "broken"), [(key, *value) for key, value in UNGUARDED.items()])
async def test_a_missing_constraint_does_not_hide_what_it_let_through(
    trade: Stall, words: str, constraint: str, broken: Insert | Update
) -> None:
    table = constraint.split("_")[0]
    async with trade.database.reading() as session:
        await session.exec(text(f"ALTER TABLE {table} DROP CONSTRAINT {constraint}"))
        await session.exec(broken)

        problems = await check_invariants(session)

    assert any(words in problem for problem in problems), problems


async def test_only_the_first_rows_are_named(trade: Stall) -> None:
    async with trade.database.reading() as session:
        await session.exec(update(Code).values(masked="7K2Q"))

        problems = await check_invariants(session)

    assert problems == ["a mask shows four characters at most: not so for 1, 2, 3, 4, 5"]
