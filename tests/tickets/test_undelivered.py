from datetime import timedelta

from shop.port import Goods, Order, OrderStatus
from tests.tickets.conftest import Floor
from tickets.tables import Clock, Phase, Ticket

HOUR = timedelta(hours=1)
GOODS = Goods("STEAM-50", "Steam 50", 4_850, "CNY", timedelta(days=30))
ORDER = Order("demo", "UN12CD34EF56GH78", OrderStatus.PAID_UNDELIVERED, GOODS, 1, 4_850, 0, None, None)


async def answered(floor: Floor, agent: int) -> Ticket:
    """A ticket about the order that waits for its buyer."""
    ticket, is_new = await floor.do(floor.desk.open_undelivered, await floor.meet(), ORDER)
    assert is_new
    await floor.do(floor.desk.reply, ticket.id, agent, "请看一下邮箱")
    await floor.deliver()
    return await floor.fresh(ticket)


async def test_who_asks_again_after_an_answer_is_owed_another(floor: Floor, lin: int) -> None:
    ticket = await answered(floor, lin)

    again, is_new = await floor.do(floor.desk.open_undelivered, await floor.meet(), ORDER, at=floor.now + HOUR)

    assert (again.id, is_new, (await floor.fresh(ticket)).phase) == (ticket.id, False, Phase.OPEN)
    met, running = await floor.all(Clock, metric="handling")
    assert (met.met_at, running.met_at) == (floor.now, None)


async def test_the_shops_own_word_ends_no_wait_for_the_buyer(floor: Floor, lin: int) -> None:
    ticket = await answered(floor, lin)

    await floor.do(floor.desk.open_undelivered, await floor.meet(), ORDER, "shop:demo", at=floor.now + HOUR)

    assert ticket.phase == (await floor.fresh(ticket)).phase == Phase.WAITING
