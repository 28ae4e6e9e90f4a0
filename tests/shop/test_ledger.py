import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import text, update
from sqlmodel import col, select

from audit.tables import AuditRow
from audit.trail import record
from kadesk.database import Database
from shop.codes import read_code
from shop.errors import AlreadyReplaced, ChainTooLong, PoolEmpty, ShopError
from shop.ledger import codes_issued, count_reserve, find_replacement, issue_replacement
from shop.port import CodeRef, Order
from shop.tables import Code, CodeState, Pool, Replacement
from shop.vault import Vault
from tests.shop.conftest import Stall

OLD = "OLD01-AAAAA-BBBBB"


def reserve(count: int) -> list[str]:
    return [f"NEW{number:02}-7K2Q9-XPLM4" for number in range(count)]


async def issue(
    stall: Stall, now: datetime, order: Order, code: CodeRef, claim_id: int = 1, **options: Any
) -> Replacement:
    facts: dict[str, Any] = {"claim_id": claim_id, "order": order, "replaced": code, "actor": "bot"} | options
    async with stall.database.writing() as session:
        return await issue_replacement(session, now, stall.vault, **facts)


async def count(stall: Stall, sku: str = "STEAM-50") -> int:
    async with stall.database.reading() as session:
        return await count_reserve(session, "demo", sku)


async def test_a_replacement_takes_the_oldest_reserve_code_and_writes_it_down(stall: Stall, now: datetime) -> None:
    await stall.add_product(reserve=reserve(3))
    order = await stall.sell(OLD)

    issued = await issue(stall, now, order, order.codes[0], claim_id=7)

    async with stall.database.reading() as session:
        code = (await session.exec(select(Code).where(col(Code.id) == issued.code_id))).one()
        written = await find_replacement(session, "demo", order.order_no, order.codes[0].fingerprint)
        audit = (await session.exec(select(AuditRow).where(col(AuditRow.subject) == f"code:{code.id}"))).one()
    assert (read_code(stall.vault, code), code.state) == (reserve(1)[0], CodeState.ISSUED)
    assert written == issued
    assert (issued.claim_id, issued.chain, issued.issued_by, issued.issued_at) == (7, 1, "bot", now)
    assert (audit.actor, audit.action, audit.before) == ("bot", "code.issued", {"state": "free"})
    assert audit.after == {"claim": 7, "order": f"demo/{order.order_no}", "replaces": "****-BBBB", "chain": 1}
    assert await count(stall) == 2


async def test_a_replacement_becomes_a_code_of_its_order(stall: Stall, now: datetime) -> None:
    await stall.add_product(reserve=reserve(2))
    order = await stall.sell(OLD, "OLD02-AAAAA-BBBBB")

    await issue(stall, now, order, order.codes[1])

    async with stall.database.reading() as session:
        alone = await codes_issued(session, "demo", order.order_no)
    again = await stall.order()
    assert [(ref.masked, ref.position) for ref in again.codes] == [("****-BBBB", 1), ("****-BBBB", 2), ("****-PLM4", 3)]
    assert alone == [replace(again.codes[2], position=1)]


async def test_a_code_is_replaced_once(stall: Stall, now: datetime) -> None:
    await stall.add_product(reserve=reserve(2))
    order = await stall.sell(OLD)
    await issue(stall, now, order, order.codes[0], claim_id=1)

    with pytest.raises(AlreadyReplaced, match=order.order_no):
        await issue(stall, now, order, order.codes[0], claim_id=2)

    assert await count(stall) == 1


async def test_a_claim_gets_one_replacement(stall: Stall, now: datetime) -> None:
    await stall.add_product(reserve=reserve(2))
    order = await stall.sell(OLD, "OLD02-AAAAA-BBBBB")
    await issue(stall, now, order, order.codes[0], claim_id=1)

    with pytest.raises(AlreadyReplaced):
        await issue(stall, now, order, order.codes[1], claim_id=1)

    assert await count(stall) == 1


async def test_the_same_code_in_another_order_is_another_matter(stall: Stall, now: datetime) -> None:
    await stall.add_product(reserve=reserve(2))
    first = await stall.sell(OLD)
    second = await stall.sell("OLD02-AAAAA-BBBBB", order_no="ZZ99ZZ99ZZ99ZZ99")

    await issue(stall, now, first, first.codes[0], claim_id=1)
    await issue(stall, now, second, second.codes[0], claim_id=2)

    assert await count(stall) == 0


async def test_a_chain_ends_after_two_unless_a_person_lengthens_it(stall: Stall, now: datetime) -> None:
    await stall.add_product(reserve=reserve(4))
    order = await stall.sell(OLD)
    for claim_id, position in enumerate((0, 1), start=1):
        order = await stall.order()
        await issue(stall, now, order, order.codes[position], claim_id=claim_id)
    order = await stall.order()

    for actor in ("bot", "agent:5"):
        with pytest.raises(ChainTooLong, match=order.order_no):
            await issue(stall, now, order, order.codes[2], claim_id=3, actor=actor)
    granted = await issue(stall, now, order, order.codes[2], claim_id=3, actor="agent:5", may_lengthen=True)

    assert granted.chain == 3
    assert await count(stall) == 1


@pytest.mark.parametrize("sku", ["STEAM-50", "NEVER-HEARD-OF"], ids=["no code", "no product"])
async def test_an_empty_pool_is_named(stall: Stall, now: datetime, sku: str) -> None:
    await stall.add_product("STEAM-100", reserve=reserve(3))
    await stall.add_product("STEAM-50")
    order = await stall.sell(OLD)
    order = replace(order, goods=replace(order.goods, sku=sku))

    with pytest.raises(PoolEmpty, match=sku):
        await issue(stall, now, order, order.codes[0])

    assert await count(stall, sku) == 0
    assert await count(stall, "STEAM-100") == 3


async def test_a_refusal_leaves_the_transaction_usable(stall: Stall, now: datetime) -> None:
    await stall.add_product()
    order = await stall.sell(OLD)

    async with stall.database.writing() as session:
        with pytest.raises(PoolEmpty):
            await issue_replacement(
                session, now, stall.vault, claim_id=1, order=order, replaced=order.codes[0], actor="bot"
            )
        record(session, now, "bot", "ticket.opened", "ticket:1")

    async with stall.database.reading() as session:
        assert [row.action for row in await session.exec(select(AuditRow))] == ["ticket.opened"]


async def test_what_is_not_committed_was_not_issued(stall: Stall, now: datetime) -> None:
    await stall.add_product(reserve=reserve(1))
    order = await stall.sell(OLD)

    async def issue_and_crash() -> None:
        async with stall.database.writing() as session:
            await issue_replacement(
                session, now, stall.vault, claim_id=1, order=order, replaced=order.codes[0], actor="bot"
            )
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await issue_and_crash()

    assert await count(stall) == 1
    assert (await issue(stall, now, order, order.codes[0])).chain == 1


async def test_a_code_that_cannot_be_read_is_quarantined_and_passed_over(stall: Stall, now: datetime) -> None:
    await stall.add_product(reserve=reserve(2))
    order = await stall.sell(OLD)
    async with stall.database.writing() as session:
        rows = (await session.exec(select(Code).where(col(Code.pool) == Pool.RESERVE).order_by(col(Code.id)))).all()
        rows[0].ciphertext = rows[1].ciphertext  # a swap: bound to the other row

    issued = await issue(stall, now, order, order.codes[0])

    async with stall.database.reading() as session:
        bad = (await session.exec(select(Code).where(col(Code.id) == rows[0].id))).one()
        audit = (await session.exec(select(AuditRow).where(col(AuditRow.subject) == f"code:{bad.id}"))).one()
    assert (issued.code_id, bad.state) == (rows[1].id, CodeState.QUARANTINED)
    assert (audit.action, audit.after) == ("code.quarantined", {"state": "quarantined", "why": "seal broken"})


async def test_a_cheap_code_cannot_stand_in_for_a_dear_one(stall: Stall, now: datetime) -> None:
    await stall.add_product("CHEAP", reserve=reserve(1))
    await stall.add_product("DEAR")
    order = await stall.sell(OLD)
    async with stall.database.writing() as session:
        await session.exec(update(Code).where(col(Code.pool) == Pool.RESERVE).values(product_id=stall.product_id))

    with pytest.raises(PoolEmpty):
        await issue(stall, now, order, order.codes[0])


@asynccontextmanager
async def processes(url: str, count: int = 4) -> AsyncIterator[list[Database]]:
    """Databases that share nothing but the file or the server, as processes do."""
    async with AsyncExitStack() as stack:
        databases = [Database(url) for _ in range(count)]
        for database in databases:
            stack.push_async_callback(database.close)
        yield databases


async def test_sixteen_workers_never_issue_a_code_twice(stall: Stall, now: datetime, database_url: str) -> None:
    await stall.add_product(reserve=reserve(60))
    sold = [f"OLD{number:02}-AAAAA-BBBBB" for number in range(80)]
    order = await stall.sell(*sold)
    waiting = list(enumerate(order.codes, start=1))

    async def work(database: Database) -> list[int | type[ShopError]]:
        results: list[int | type[ShopError]] = []
        while waiting:
            claim_id, code = waiting.pop()
            try:
                async with database.writing() as session:
                    issued = await issue_replacement(
                        session, now, stall.vault, claim_id=claim_id, order=order, replaced=code, actor="bot"
                    )
                results.append(issued.code_id)
            except ShopError as refusal:
                results.append(type(refusal))
        return results

    async with processes(database_url) as databases:
        results = await asyncio.gather(*(work(databases[worker % 4]) for worker in range(16)))

    outcomes = Counter(outcome for worker in results for outcome in worker)
    assert outcomes.pop(PoolEmpty) == 20
    assert len(outcomes) == 60
    assert set(outcomes.values()) == {1}


async def test_the_naive_twin_issues_codes_twice(stall: Stall, database_url: str) -> None:
    """Select, then update without looking: what the guard is for."""
    await stall.add_product(reserve=reserve(4))
    barrier = asyncio.Barrier(16)
    oldest_free = select(Code.id).where(col(Code.state) == CodeState.FREE).order_by(col(Code.id)).limit(1)

    async def take_naively(database: Database) -> int:
        async with database.reading() as session:
            code_id = (await session.exec(oldest_free)).one()
        await barrier.wait()
        async with database.writing() as session:
            await session.exec(update(Code).where(col(Code.id) == code_id).values(state=CodeState.QUARANTINED))
        return code_id

    async with processes(database_url) as databases:
        taken = await asyncio.gather(*(take_naively(databases[worker % 4]) for worker in range(16)))

    assert max(Counter(taken).values()) > 1


async def test_sixteen_claims_for_one_code_get_one_replacement(stall: Stall, now: datetime, database_url: str) -> None:
    await stall.add_product(reserve=reserve(16))
    order = await stall.sell(OLD)

    async def claim(database: Database, claim_id: int) -> bool:
        try:
            async with database.writing() as session:
                await issue_replacement(
                    session, now, stall.vault, claim_id=claim_id, order=order, replaced=order.codes[0], actor="bot"
                )
        except AlreadyReplaced:
            return False
        return True

    async with processes(database_url) as databases:
        won = await asyncio.gather(*(claim(databases[number % 4], number) for number in range(1, 17)))

    assert sum(won) == 1
    assert await count(stall) == 15


async def blocked_writers(database: Database) -> int:
    async with database.reading() as session:
        waiting = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
        return int((await session.exec(waiting)).scalar_one())


@pytest.mark.postgres
@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_the_slower_of_two_transactions_gives_its_code_back(stall: Stall, now: datetime, vault: Vault) -> None:
    """Both looked before either wrote; only the unique constraint is left to tell them apart."""
    await stall.add_product(reserve=reserve(2))
    order = await stall.sell(OLD)

    async def claim_late() -> None:
        async with stall.database.writing() as session:
            with pytest.raises(AlreadyReplaced):
                await issue_replacement(
                    session, now, vault, claim_id=2, order=order, replaced=order.codes[0], actor="bot"
                )
            record(session, now, "bot", "ticket.opened", "ticket:2")

    async with stall.database.writing() as session:
        await issue_replacement(session, now, vault, claim_id=1, order=order, replaced=order.codes[0], actor="bot")
        late = asyncio.create_task(claim_late())
        while not await blocked_writers(stall.database):
            assert not late.done()
    await late

    assert await count(stall) == 1
    async with stall.database.reading() as session:
        actions = [row.action for row in await session.exec(select(AuditRow).order_by(col(AuditRow.id)))]
    assert actions == ["code.issued", "ticket.opened"]
