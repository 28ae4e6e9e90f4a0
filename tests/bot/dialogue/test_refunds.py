"""The buyer's one button for money back: proved once, pressed once, and one sentence when it cannot be."""

from datetime import timedelta

import pytest
from sqlalchemy import update

from bot.fakes.buyer import Buyer
from shop.port import OrderStatus
from shop.tables import Code, Product, Refund
from tests.bot.conftest import CODE, ORDER, PASSWORD, House
from tickets.desk import DeskRules
from tickets.payouts import pay_refunds
from tickets.refunds import Refunds
from tickets.rules import MoneyRules
from tickets.tables import Claim, Clock, Metric, Notice, Phase, Ticket


async def allow_returns(house: House, within: timedelta | None = timedelta(days=7)) -> None:
    async with house.database.writing() as session:
        await session.exec(update(Product).values(return_within=within))


async def empty_pool(house: House) -> None:
    async with house.database.writing() as session:
        await session.exec(update(Code).where(Code.state == "free").values(state="void"))  # type: ignore[arg-type]


async def proved(house: House, name: str = "小陈") -> Buyer:
    """A buyer whose order is proved and shown."""
    buyer = house.buyer(name)
    await buyer.start()
    await buyer.say(ORDER)
    await buyer.say(PASSWORD)
    return buyer


async def replaced(house: House) -> Buyer:
    """A buyer who was given a new code and has not looked at it."""
    buyer = await proved(house)
    await buyer.press("卡密用不了")
    await buyer.press("****")
    await buyer.press("已被使用")
    return buyer


async def ask(buyer: Buyer) -> str:
    """Ask about refunds, and press the button under the answer; long after, which order it is."""
    await buyer.say("能退款吗")
    said = await buyer.press("退款")
    return await buyer.press(ORDER) if ORDER in await buyer.buttons() else said


async def test_an_unseen_code_is_paid_back_at_one_press(house: House) -> None:
    await allow_returns(house)
    buyer = await replaced(house)

    said = await ask(buyer)

    assert "退款 48.50 CNY 已同意" in said
    refund = await house.one(Refund)
    assert (refund.state, refund.amount, refund.decided_by) == ("approved", 4_850, "bot")
    ticket = await house.one(Ticket)
    assert (ticket.category, ticket.order_ref) == ("refund", f"demo/{ORDER}")
    assert sorted(code.state for code in await house.all(Code)) == ["free", "issued", "quarantined"]
    assert "已经退款，或正在退款" in await ask(buyer)


async def test_the_bot_ends_the_matter_when_the_shop_has_paid(house: House) -> None:
    await allow_returns(house)
    buyer = await replaced(house)
    await ask(buyer)

    refund = await house.one(Refund)
    async with house.database.writing() as session:
        await Refunds(house.desk).paid(session, house.clock(), refund.id, "T-77")

    assert "已退款 48.50 CNY" in await buyer.news()
    assert (await house.one(Ticket)).phase == "resolved"
    assert (await house.one(Refund)).state == "done"


async def test_without_a_way_to_pay_a_person_does(house: House) -> None:
    await allow_returns(house)
    buyer, lin = await replaced(house), await house.hire()
    await ask(buyer)

    await pay_refunds(house.database, house.clock, Refunds(house.desk), lambda name: None)
    refund = await house.one(Refund)
    async with house.database.writing() as session:
        await Refunds(house.desk).mark_paid(session, house.clock(), refund.id, lin, "wx-1")

    assert "流水号 wx-1" in await buyer.news()


async def test_no_second_proof_is_asked_for_and_strangers_get_none_of_it(house: House) -> None:
    await allow_returns(house)
    await replaced(house)
    stranger = house.buyer("小偷")
    await stranger.start()
    await stranger.say("能退款吗")

    assert "订单号" in await stranger.press("退款")
    assert "查询密码" in await stranger.say(ORDER)
    assert await house.all(Refund) == []


@pytest.mark.parametrize(
    ("within", "passed", "sentence"),
    [
        pytest.param(None, {}, "不支持无理由退款", id="not this product"),
        pytest.param(timedelta(days=7), {"days": 8}, "已经过了可以退的期限", id="too late"),
        pytest.param(timedelta(days=7), {"days": 7}, "已同意", id="the last instant"),
    ],
)
async def test_the_seven_days(house: House, within: timedelta | None, passed: dict[str, float], sentence: str) -> None:
    await allow_returns(house, within)
    buyer = await replaced(house)
    house.clock.advance(**passed)

    assert sentence in await ask(buyer)


async def test_what_the_shop_delivered_counts_as_seen(house: House) -> None:
    await allow_returns(house)
    buyer = await proved(house)

    said = await buyer.press("退款")

    assert "发出或看过以后不能无理由退款" in said
    assert await buyer.buttons() == ["卡密用不了", "转人工"]
    assert await house.all(Refund) == []


async def test_what_came_to_nothing_waits_for_a_person_without_another_proof(house: House) -> None:
    await house.sell(order_no="UN12CD34EF56GH78", status=OrderStatus.PAID_UNDELIVERED)
    buyer = house.buyer()
    await buyer.start()
    await buyer.say("UN12CD34EF56GH78")
    await buyer.say(PASSWORD)

    said = await buyer.press("退款")

    assert "已经为您申请退款 48.50 CNY，不用再提供资料" in said
    refund = await house.one(Refund)
    assert (refund.state, refund.fingerprint) == ("requested", None)
    assert refund.requested_by.startswith("buyer:")


async def test_in_warranty_and_with_no_code_left_the_money_is_the_other_way_out(house: House) -> None:
    await empty_pool(house)
    buyer = await replaced(house)
    assert "备用" in (await buyer.last_reply()).text
    assert any(label.startswith("退款 ****") for label in await buyer.buttons())

    said = await buyer.press("退款 ****")

    assert "已经为您申请退款 48.50 CNY" in said
    refund, claim = await house.one(Refund), await house.one(Claim)
    assert (refund.state, refund.claim_id, refund.ticket_id) == ("requested", claim.id, claim.ticket_id)
    assert len(await house.all(Ticket)) == 1


async def test_who_asks_on_a_ticket_that_waited_for_them_is_owed_an_answer(house: House) -> None:
    await empty_pool(house)
    buyer = await replaced(house)
    ticket, lin = await house.one(Ticket), await house.hire()
    async with house.database.writing() as session:
        await house.desk.reply(session, house.clock(), ticket.id or 0, lin, "备用卡还没有到")
    assert "备用卡还没有到" in await buyer.news()

    await buyer.press("退款 ****")

    assert (await house.all(Notice))[-1].text.endswith("：买家 小陈 申请退款 48.50 CNY，请审批")
    first, anew = await house.all(Clock, metric=Metric.HANDLING)
    assert (await house.one(Ticket)).phase == Phase.OPEN
    assert first.met_at is not None
    assert anew.met_at is None


async def test_pressed_twice_it_is_asked_for_once(house: House) -> None:
    await empty_pool(house)
    buyer = await replaced(house)
    again = (await buyer.last_reply()).buttons
    await buyer.press("退款 ****")

    assert "退款 ****" in " ".join(again)
    assert "已经退款，或正在退款" in await ask(buyer)
    assert len(await house.all(Refund)) == 1


async def test_of_several_codes_the_buyer_presses_one(house: House) -> None:
    await allow_returns(house)
    await house.sell("MANY1-AAAAA-11111", "MANY2-BBBBB-22222", order_no="MM12CD34EF56GH78")
    buyer = house.buyer()
    await buyer.start()
    await buyer.say("MM12CD34EF56GH78")
    await buyer.say(PASSWORD)

    asked = await buyer.press("退款")
    said = await buyer.press("****-2222")

    assert "要退哪一张" in asked
    assert "发出或看过以后不能无理由退款" in said


@pytest.mark.parametrize("rules", [DeskRules(money=MoneyRules(return_limit=1_000))])
async def test_above_the_owners_limit_a_person_agrees(house: House) -> None:
    await allow_returns(house)
    buyer = await replaced(house)

    said = await ask(buyer)

    assert "已经为您申请退款 48.50 CNY" in said
    assert (await house.one(Refund)).state == "requested"


async def test_a_buyer_reads_it_in_english(house: House) -> None:
    await allow_returns(house)
    buyer = house.buyer("Ann")
    await buyer.start()
    await buyer.say("Can I get a refund")
    await buyer.press("Refund")
    await buyer.say(ORDER)

    said = await buyer.say(PASSWORD)

    assert "cannot be given back without a reason" in said
    assert CODE not in said
