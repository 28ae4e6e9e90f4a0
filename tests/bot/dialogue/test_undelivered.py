"""Paid, and nothing came, or not all: a flow of its own, with a promise of its own."""

from datetime import timedelta

import pytest
from sqlmodel import select

from shop.port import OrderStatus
from shop.tables import ShopOrder
from tests.bot.conftest import PASSWORD, House
from tickets.desk import DeskRules
from tickets.sla import Metric, Policy
from tickets.tables import Category, Claim, Clock, Ticket

OWED = "UN12CD34EF56GH78"
BRIEF = Policy(Metric.HANDLING, timedelta(hours=2), category=Category.UNDELIVERED)


@pytest.fixture
def rules() -> DeskRules:
    return DeskRules(policies=(BRIEF,))


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (OrderStatus.PAID_UNDELIVERED, "确实还没发货"),
        (OrderStatus.ABNORMAL, "发货时出了问题，不是您操作有误"),
    ],
)
async def test_it_is_promised_within_two_hours(house: House, status: OrderStatus, words: str) -> None:
    await house.sell(order_no=OWED, status=status)

    told = await house.buyer().say(f"{OWED} {PASSWORD} 提示已被使用")

    assert words in told
    assert "2 小时内一定处理" in told
    clock = await house.one(Clock, metric="handling")
    assert clock.due_at - clock.started_at == timedelta(hours=2)
    assert (await house.one(Ticket)).category == "undelivered"
    assert await house.all(Claim) == []


async def test_of_a_part_it_is_said_how_many_are_missing(house: House) -> None:
    await house.sell("PARTA-55555-CODES", "PARTB-66666-CODES", order_no=OWED, status=OrderStatus.PARTIAL)
    async with house.database.writing() as session:
        order = (await session.exec(select(ShopOrder).where(ShopOrder.order_no == OWED))).one()
        order.quantity = 5
    buyer = house.buyer()
    await buyer.say(f"查订单 {OWED} {PASSWORD}")

    told = await buyer.press("没收到")

    assert "买了 5 张，发出 2 张，还差 3 张" in told
    assert "2 小时内一定处理" in told


async def test_an_old_button_shows_what_has_come_since(house: House) -> None:
    await house.sell("PARTA-55555-CODES", order_no=OWED, status=OrderStatus.PARTIAL)
    buyer = house.buyer()
    await buyer.say(f"查订单 {OWED} {PASSWORD}")
    async with house.database.writing() as session:
        order = (await session.exec(select(ShopOrder).where(ShopOrder.order_no == OWED))).one()
        order.status = OrderStatus.DELIVERED

    shown = await buyer.press("没收到")

    assert "已发货" in shown
    assert await house.all(Ticket) == []
