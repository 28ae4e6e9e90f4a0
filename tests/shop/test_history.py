from datetime import datetime, timedelta

from audit import rows
from shop import refunds, reveals
from shop.history import History, read_history
from shop.ledger import issue_replacement
from shop.port import Order
from tests.shop.conftest import Stall

OLD, OTHER = "OLD01-AAAAA-BBBBB", "OLD02-AAAAA-BBBBB"


async def replace_twice(stall: Stall, now: datetime) -> Order:
    """The second look at the order finds the first replacement as its third code."""
    await stall.add_product(reserve=[f"NEW{number:02}-7K2Q9-XPLM4" for number in range(2)])
    order = await stall.sell(OLD, OTHER)
    async with stall.database.writing() as session:
        facts = {"claim_id": 1, "order": order, "replaced": order.codes[0], "actor": "bot"}
        given = await issue_replacement(session, now, stall.vault, **facts)
        link = await reveals.make_link(session, now, stall.vault, given.code_id, timedelta(hours=1))
        await reveals.open_link(session, now, stall.vault, reveals.read_token(stall.vault, link), "web")
    order = await stall.order()
    async with stall.database.writing() as session:
        facts = {"claim_id": 2, "order": order, "replaced": order.codes[2], "actor": "bot"}
        await issue_replacement(session, now, stall.vault, **facts)
    return await stall.order()


async def read(stall: Stall, order_no: str, fingerprint: str) -> History:
    async with stall.database.reading() as session:
        return await rows.in_one_trip(
            session, lambda connection: read_history(connection, "demo", order_no, fingerprint)
        )


async def test_the_history_of_a_code_names_its_neighbours_in_the_chain(stall: Stall, now: datetime) -> None:
    order = await replace_twice(stall, now)
    first, _, second, third = [await read(stall, order.order_no, code.fingerprint) for code in order.codes]

    assert (first.brought_by, second.replaced_by and second.replaced_by.claim_id) == (None, 2)
    assert second.brought_by == first.replaced_by
    assert (second.seen_at, second.given_at, third.seen_at) == (now, now, None)
    assert third.brought_by is not None
    assert (third.brought_by.chain, third.replaced_by) == (2, None)
    assert {one.source for one in (first, second, third)} == {(1, 1)}


async def test_a_refund_of_what_was_sold_is_one_of_all_that_stood_in_for_it(stall: Stall, now: datetime) -> None:
    order = await replace_twice(stall, now)
    async with stall.database.writing() as session:
        sold = order.codes[0].fingerprint
        await refunds.request_refund(session, now, order=order, amount=100, actor="agent:1", fingerprint=sold)

    found = [await read(stall, order.order_no, code.fingerprint) for code in order.codes]

    assert [one.is_refunded for one in found] == [True, False, True, True]


async def test_of_a_foreign_code_there_is_none(stall: Stall) -> None:
    assert await read(stall, "1", "f" * 64) == History(None, None, False, None, None)
