"""The ledger of money: never more than was paid, one live refund per code, every step once."""

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select

from audit.tables import AuditRow
from kadesk.database import Database
from shop import refunds
from shop.errors import AlreadyRefunded, BadAmount, OverPaid, RefundMoved, ShopError, UnknownRefund
from shop.port import Order
from shop.tables import OrderMoney, Refund, RefundState
from tests.shop.conftest import Stall
from tests.shop.test_ledger import processes

CODES = [f"OLD{number:02}-AAAAA-BBBBB" for number in range(20)]
MINUTE = timedelta(minutes=1)


@pytest.fixture
async def order(stall: Stall) -> Order:
    """Four codes for 48.50."""
    await stall.add_product()
    return await stall.sell(*CODES[:4])


async def ask(stall: Stall, order: Order, amount: int, database: Database | None = None, **facts: Any) -> Refund:
    async with (database or stall.database).writing() as session:
        return await refunds.request_refund(session, stall.now, order=order, amount=amount, actor="agent:3", **facts)


async def step(stall: Stall, verb: Any, refund: Refund, *facts: Any) -> Refund:
    async with stall.database.writing() as session:
        held = await refunds.get_refund(session, refund.id, for_change=True)
        await verb(session, stall.now, held, "agent:4", *facts)
        return held


async def money(stall: Stall) -> tuple[int, int]:
    async with stall.database.reading() as session:
        row = (await session.exec(select(OrderMoney))).one()
        return row.paid, row.refunded


async def test_a_request_sets_the_amount_aside_and_writes_it_down(stall: Stall, order: Order) -> None:
    refund = await ask(stall, order, 1_212, fingerprint=order.codes[0].fingerprint, claim_id=7, ticket_id=9)

    assert await money(stall) == (4_850, 1_212)
    assert (refund.state, refund.amount, refund.currency) == ("requested", 1_212, "CNY")
    assert (refund.claim_id, refund.ticket_id, refund.requested_by) == (7, 9, "agent:3")
    assert len(refund.key) == 32
    async with stall.database.reading() as session:
        audit = (await session.exec(select(AuditRow).where(AuditRow.action == "refund.requested"))).one()
    assert (audit.actor, audit.subject) == ("agent:3", f"refund:{refund.id}")
    assert audit.after == {"order": f"demo/{order.order_no}", "amount": 1_212, "currency": "CNY", "claim": 7}


async def test_every_refund_has_a_key_of_its_own(stall: Stall, order: Order) -> None:
    keys = {(await ask(stall, order, 10)).key for _ in range(3)}

    assert len(keys) == 3


async def test_what_the_shop_has_paid_back_counts(stall: Stall, order: Order) -> None:
    before = replace(order, refunded=4_000)

    with pytest.raises(OverPaid, match=r"only 8\.50 CNY can still be paid back"):
        await ask(stall, before, 851)
    await ask(stall, before, 850)

    assert await money(stall) == (4_850, 4_850)


async def test_what_the_shop_pays_back_by_itself_later_counts_too(stall: Stall, order: Order) -> None:
    first = await ask(stall, order, 1_000)

    with pytest.raises(OverPaid, match=r"only 8\.50 CNY"):
        await ask(stall, replace(order, refunded=3_000), 851)
    await step(stall, refunds.refuse, first)
    await ask(stall, replace(order, refunded=3_000), 850)

    assert await money(stall) == (4_850, 3_850)


async def test_a_refund_that_is_on_its_way_is_not_counted_twice(stall: Stall, order: Order, now: datetime) -> None:
    """The shop was asked and has paid, and we do not know yet."""
    refund = await step(stall, refunds.approve, await ask(stall, order, 3_000))
    async with stall.database.writing() as session:
        await refunds.begin_try(session, now, refund.id, now + MINUTE)

    await ask(stall, replace(order, refunded=3_000), 1_850)

    assert await money(stall) == (4_850, 4_850)


@pytest.mark.parametrize("amount", [0, -1])
async def test_nothing_is_no_refund(stall: Stall, order: Order, amount: int) -> None:
    with pytest.raises(BadAmount):
        await ask(stall, order, amount)


async def test_an_order_that_was_not_paid_has_nothing_to_give_back(stall: Stall, order: Order) -> None:
    with pytest.raises(OverPaid, match=r"only 0\.00 CNY"):
        await ask(stall, replace(order, paid=0), 1)


async def test_a_code_has_one_live_refund(stall: Stall, order: Order) -> None:
    fingerprint = order.codes[0].fingerprint
    first = await ask(stall, order, 100, fingerprint=fingerprint)

    with pytest.raises(AlreadyRefunded, match=order.order_no):
        await ask(stall, order, 100, fingerprint=fingerprint)
    await ask(stall, order, 100, fingerprint=order.codes[1].fingerprint)
    await step(stall, refunds.refuse, first)
    await ask(stall, order, 100, fingerprint=fingerprint)

    assert await money(stall) == (4_850, 200)


async def test_who_got_the_order_refunded_gets_nothing_more_for_its_codes(stall: Stall, order: Order) -> None:
    await ask(stall, order, 100)

    with pytest.raises(AlreadyRefunded):
        await ask(stall, order, 100, fingerprint=order.codes[0].fingerprint)
    await ask(stall, order, 100)

    assert await money(stall) == (4_850, 200)


@pytest.mark.parametrize(
    ("steps", "end", "refunded"),
    [
        ([refunds.refuse], RefundState.REFUSED, 0),
        ([refunds.approve, refunds.finish], RefundState.DONE, 500),
        ([refunds.approve, refunds.leave_to_person, refunds.finish], RefundState.DONE, 500),
        ([refunds.approve, (refunds.fail, "closed account")], RefundState.FAILED, 0),
        ([refunds.approve, refunds.leave_to_person, (refunds.fail, "closed account")], RefundState.FAILED, 0),
    ],
    ids=["refused", "done", "by hand", "failed", "failed by hand"],
)
async def test_the_ways_of_a_refund(
    stall: Stall, order: Order, steps: list[Any], end: RefundState, refunded: int
) -> None:
    refund = await ask(stall, order, 500)

    for verb in steps:
        verb, *facts = verb if isinstance(verb, tuple) else (verb,)
        refund = await step(stall, verb, refund, *facts)

    assert refund.state == end
    assert await money(stall) == (4_850, refunded)
    async with stall.database.reading() as session:
        trail = (await session.exec(select(AuditRow).where(AuditRow.subject == f"refund:{refund.id}"))).all()
    assert len(trail) == len(steps) + 1
    with pytest.raises(RefundMoved, match=f"is {end} by now"):
        await step(stall, refunds.approve, refund)


async def test_what_was_paid_by_hand_stands_in_our_own_shops_books(stall: Stall, order: Order) -> None:
    for amount, refunded, status in ((4_000, 4_000, "delivered"), (850, 4_850, "refunded")):
        refund = await ask(stall, order, amount)
        for verb in (refunds.approve, refunds.leave_to_person, refunds.finish):
            refund = await step(stall, verb, refund)

        order = await stall.order()
        assert (order.refunded, order.status) == (refunded, status)
    assert await money(stall) == (4_850, 4_850)


async def test_what_was_read_before_somebody_decided_decides_nothing(stall: Stall, order: Order) -> None:
    seen = await ask(stall, order, 500)
    await step(stall, refunds.approve, seen)

    async with stall.database.writing() as session:
        session.add(seen)  # as it was read
        with pytest.raises(RefundMoved, match="is approved by now"):
            await refunds.refuse(session, stall.now, seen, "agent:5")

    assert await money(stall) == (4_850, 500)


async def test_of_two_who_must_approve_there_is_one_first(stall: Stall, order: Order) -> None:
    refund = await step(stall, refunds.agree, await ask(stall, order, 500))

    assert (refund.state, refund.decided_by) == ("requested", "agent:4")
    with pytest.raises(RefundMoved):
        await step(stall, refunds.agree, refund)


async def test_an_approved_refund_is_due_and_one_worker_asks_the_shop(stall: Stall, order: Order) -> None:
    refund = await ask(stall, order, 500)
    async with stall.database.reading() as session:
        assert await refunds.due(session, stall.now) == []
    await step(stall, refunds.approve, refund)

    async with stall.database.writing() as session:
        assert await refunds.due(session, stall.now) == [refund.id]
        tried = [await refunds.begin_try(session, stall.now, refund.id, stall.now + MINUTE) for _ in range(2)]

    assert tried[1] is None
    assert tried[0] is not None
    assert (tried[0].attempts, tried[0].key) == (1, refund.key)
    async with stall.database.reading() as session:
        assert await refunds.due(session, stall.now + MINUTE / 2) == []
        assert await refunds.due(session, stall.now + MINUTE) == [refund.id]
        assert await refunds.next_due(session) == stall.now + MINUTE


async def test_a_shop_that_did_not_answer_is_asked_later_with_the_same_key(stall: Stall, order: Order) -> None:
    refund = await step(stall, refunds.approve, await ask(stall, order, 500))
    async with stall.database.writing() as session:
        tried = await refunds.begin_try(session, stall.now, refund.id, stall.now + MINUTE)
        assert tried is not None
        await refunds.put_off(session, stall.now, tried, 5 * MINUTE, "no answer")

    async with stall.database.writing() as session:
        again = await refunds.begin_try(session, stall.now + 5 * MINUTE, refund.id, stall.now + 6 * MINUTE)

    assert again is not None
    assert (again.attempts, again.key, again.problem) == (2, refund.key, "no answer")


async def test_an_unknown_refund_is_named(stall: Stall) -> None:
    async with stall.database.reading() as session:
        with pytest.raises(UnknownRefund, match="404"):
            await refunds.get_refund(session, 404)


async def test_what_is_left_is_what_the_shop_and_the_ledger_know(stall: Stall, order: Order) -> None:
    async with stall.database.reading() as session:
        assert await refunds.left_of(session, replace(order, refunded=50)) == 4_800
    await ask(stall, order, 800)

    async with stall.database.reading() as session:
        assert await refunds.left_of(session, order) == 4_050
        assert await refunds.left_of(session, replace(order, refunded=1_000)) == 3_050


async def test_sixteen_workers_never_pay_back_more_than_was_paid(stall: Stall, order: Order, database_url: str) -> None:
    barrier = asyncio.Barrier(16)

    async def work(database: Database) -> list[str]:
        ends = []
        await barrier.wait()
        for _ in range(3):
            try:
                await ask(stall, order, 500, database)
                ends.append("set aside")
            except ShopError as refusal:
                ends.append(type(refusal).__name__)
        return ends

    async with processes(database_url) as databases:
        ends = Counter(
            end for worker in await asyncio.gather(*(work(databases[n % 4]) for n in range(16))) for end in worker
        )

    assert ends == {"set aside": 9, "OverPaid": 39}
    assert await money(stall) == (4_850, 4_500)


async def test_the_naive_twin_pays_back_more(stall: Stall, order: Order, database_url: str) -> None:
    """Read, then write: what the compare-and-set is for."""
    barrier = asyncio.Barrier(16)
    await ask(stall, order, 500)

    async def set_aside_naively(database: Database, worker: int) -> bool:
        async with database.reading() as session:
            row = (await session.exec(select(OrderMoney))).one()
        await barrier.wait()
        if row.refunded + 500 > row.paid:
            return False
        async with database.writing() as session:
            await session.exec(
                update(OrderMoney).where(col(OrderMoney.id) == row.id).values(refunded=row.refunded + 500)
            )
            session.add(
                Refund(
                    key=f"twin {worker}",
                    shop="demo",
                    order_no=order.order_no,
                    amount=500,
                    currency="CNY",
                    requested_by="bot",
                    requested_at=stall.now,
                    not_before=stall.now,
                )
            )
        return True

    async with processes(database_url) as databases:
        won = await asyncio.gather(*(set_aside_naively(databases[number % 4], number) for number in range(16)))

    assert 500 + sum(won) * 500 > order.paid
    async with stall.database.writing() as session:  # the stall's own look at the ledger would find it
        await session.exec(update(Refund).where(col(Refund.key).startswith("twin")).values(state="refused"))


async def test_sixteen_requests_for_one_code_make_one_refund(stall: Stall, order: Order, database_url: str) -> None:
    async def work(database: Database) -> bool:
        try:
            await ask(stall, order, 100, database, fingerprint=order.codes[0].fingerprint)
        except AlreadyRefunded:
            return False
        return True

    async with processes(database_url) as databases:
        won = await asyncio.gather(*(work(databases[number % 4]) for number in range(16)))

    assert sum(won) == 1
    assert await money(stall) == (4_850, 100)


async def test_the_database_itself_stops_at_what_was_paid(stall: Stall, order: Order) -> None:
    await ask(stall, order, 100)

    with pytest.raises(IntegrityError):
        async with stall.database.writing() as session:
            await session.exec(update(OrderMoney).values(refunded=4_851))
