import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import datetime

import pytest
from sqlalchemy import update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from audit.tables import AuditRow
from audit.trail import record
from shop import ledger
from shop.batches import (
    count_out,
    count_states,
    is_known_bad,
    keep_back_added,
    lock_batch,
    quarantine_batch,
    release_batch,
    released_at,
)
from shop.codes import seal_code
from shop.errors import PoolEmpty, UnknownBatch
from shop.states import quarantine
from shop.tables import Batch, Code, CodeState, Pool
from tests.shop.conftest import Stall

RESERVE = [f"NEW{number:02}-7K2Q9-XPLM4" for number in range(4)]
Verb = Callable[[AsyncSession, datetime, int, str, str], Awaitable[int | None]]


@pytest.fixture
async def stall_of_six(stall: Stall) -> Stall:
    """Two codes sold, four in reserve, one of these kept for claim 9."""
    await stall.add_product(reserve=RESERVE)
    order = await stall.sell("OLD01-AAAAA-BBBBB", "OLD02-AAAAA-BBBBB")
    async with stall.database.writing() as session:
        await ledger.reserve(session, stall.now, stall.vault, claim_id=9, order=order, actor="bot")
    return stall


async def do(stall: Stall, verb: Verb, batch_id: int | None = None) -> int | None:
    async with stall.database.writing() as session:
        return await verb(session, stall.now, batch_id or stall.batch_id or 0, "agent:1", "三张都被用过")


async def states(stall: Stall) -> Counter[str]:
    async with stall.database.reading() as session:
        return Counter((await session.exec(select(Code.state))).all())


async def test_quarantine_keeps_back_what_did_not_go_out(stall_of_six: Stall) -> None:
    kept = await do(stall_of_six, quarantine_batch)

    assert kept == 4
    assert await states(stall_of_six) == {CodeState.QUARANTINED: 4, CodeState.ISSUED: 2}
    async with stall_of_six.database.reading() as session:
        (row,) = (await session.exec(select(AuditRow).where(AuditRow.action == "batch.quarantined"))).all()
    assert (row.actor, row.subject, row.after) == ("agent:1", "batch:1", {"codes": 4, "why": "三张都被用过"})


async def test_no_code_of_a_quarantined_batch_replaces_another(stall_of_six: Stall) -> None:
    await do(stall_of_six, quarantine_batch)
    order = await stall_of_six.order()

    with pytest.raises(PoolEmpty):
        async with stall_of_six.database.writing() as session:
            await ledger.issue_replacement(
                session,
                stall_of_six.now,
                stall_of_six.vault,
                claim_id=9,  # the one that had a code reserved
                order=order,
                replaced=order.codes[0],
                actor="bot",
            )


async def test_a_batch_is_quarantined_once(stall_of_six: Stall) -> None:
    assert await do(stall_of_six, quarantine_batch) == 4

    assert await do(stall_of_six, quarantine_batch) is None


async def test_release_frees_what_the_quarantine_kept_back_and_nothing_else(stall_of_six: Stall) -> None:
    async with stall_of_six.database.writing() as session:
        unreadable = (await session.exec(select(Code.id).where(Code.state == CodeState.FREE).limit(1))).one()
        assert await quarantine(session, stall_of_six.now, unreadable, CodeState.FREE, "bot", "seal broken")
        sold = (await session.exec(select(Code.id).where(Code.state == CodeState.ISSUED).limit(1))).one()
        assert await quarantine(session, stall_of_six.now, sold, CodeState.ISSUED, "bot", "refunded")
    assert await do(stall_of_six, quarantine_batch) == 3

    freed = await do(stall_of_six, release_batch)

    assert freed == 3
    assert await states(stall_of_six) == {CodeState.FREE: 3, CodeState.QUARANTINED: 2, CodeState.ISSUED: 1}
    async with stall_of_six.database.reading() as session:
        assert await released_at(session, 1) == stall_of_six.now
        assert not await is_known_bad(session, 1)


async def test_codes_that_come_into_a_quarantined_batch_stay_back_with_it(stall_of_six: Stall) -> None:
    await do(stall_of_six, quarantine_batch)

    async with stall_of_six.database.writing() as session:
        place = {"product_id": stall_of_six.product_id, "batch_id": 1, "pool": Pool.STOCK}
        session.add(seal_code(stall_of_six.vault, text="LATE1-AAAAA-BBBBB", **place))
        await session.flush()
        await keep_back_added(session, stall_of_six.now, [1, 2], "system")

    assert await states(stall_of_six) == {CodeState.QUARANTINED: 5, CodeState.ISSUED: 2}
    async with stall_of_six.database.reading() as session:
        (row,) = (await session.exec(select(AuditRow).where(AuditRow.action == "batch.kept_back"))).all()
    assert (row.subject, row.after) == ("batch:1", {"codes": 1})


async def test_only_a_quarantined_batch_is_released(stall_of_six: Stall) -> None:
    assert await do(stall_of_six, release_batch) is None
    async with stall_of_six.database.reading() as session:
        assert await released_at(session, 1) is None


async def test_an_unknown_batch_is_named(stall: Stall) -> None:
    async with stall.database.writing() as session:
        with pytest.raises(UnknownBatch, match="77"):
            await lock_batch(session, 77)


@pytest.mark.parametrize(("actor", "is_known"), [("agent:1", True), ("system", False)])
async def test_a_person_says_more_of_a_batch_than_claims(stall_of_six: Stall, actor: str, is_known: bool) -> None:
    async with stall_of_six.database.writing() as session:
        await quarantine_batch(session, stall_of_six.now, 1, actor, "三张都被用过")

    async with stall_of_six.database.reading() as session:
        assert await is_known_bad(session, 1) is is_known
        assert not await is_known_bad(session, None)
        assert not await is_known_bad(session, 2)


async def test_codes_are_counted_by_batch(stall_of_six: Stall) -> None:
    await do(stall_of_six, quarantine_batch)

    async with stall_of_six.database.reading() as session:
        assert await count_out(session, [1, 2]) == {1: 2}
        assert await count_states(session, [1]) == {(1, "quarantined"): 4, (1, "issued"): 2}


async def at_once(stall: Stall, verb: Verb) -> list[int | None]:
    return await asyncio.gather(*(do(stall, verb) for _ in range(8)))


async def test_of_many_at_once_one_quarantines(stall_of_six: Stall) -> None:
    kept = await at_once(stall_of_six, quarantine_batch)

    assert sorted(map(str, kept)) == ["4", *["None"] * 7]


async def unguarded(session: AsyncSession, now: datetime, batch_id: int, actor: str, why: str) -> int | None:
    """The broken twin: looks first, and writes without asking again."""
    batch = await session.get_one(Batch, batch_id)
    if batch.quarantined_at is not None:
        return None
    await asyncio.sleep(0.05)  # what another one needs to look as well
    batch.quarantined_at = now
    kept = await session.exec(
        update(Code).where(col(Code.state).in_(["free", "reserved"])).values(state="quarantined", reserved_for=None)
    )
    record(session, now, actor, "batch.quarantined", f"batch:{batch_id}")
    return int(kept.rowcount)


@pytest.mark.postgres
@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)  # SQLite has one writer
async def test_without_the_guard_many_do(stall_of_six: Stall) -> None:
    kept = await at_once(stall_of_six, unguarded)

    assert kept.count(None) < 7
