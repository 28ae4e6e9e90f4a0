"""What is said after an answer leans on it: short questions, what to do next, order numbers, codes."""

from typing import Any

import pytest

from bot.dialogue import follow_up
from faq.phrasing import Entry, Phrasing, Text
from shop.port import OrderStatus
from tests.bot.conftest import CODE, ORDER, PASSWORD, Answers, House
from tickets.tables import Claim, Ticket

ROWS = [
    # key, flow, related, theme, zh question, en question, zh answer, more ways to ask
    ("refund", None, ("refund_where", "warranty"), "refunds", "能退款吗", "Can I get a refund", "可以退。", ()),
    ("refund_where", "order", (), "refunds", "退款退到哪", "Where does my refund go", "原路退回。",
     ("退款多久到账", "how long does a refund take")),
    ("how_long", "order", ("paid_not_delivered",), "delivery", "多久发货", "When is it sent", "几分钟。",
     ("多久到账", "then how long", "how long")),
    ("paid_not_delivered", "order", ("how_long",), "delivery", "付了没到", "Paid, no code", "我来查。", ()),
    ("already_used", "claim", ("warranty",), "codes", "提示已被使用", "It says already used", "先看看到账没有。", ()),
    ("warranty", None, (), "refunds", "质保多久", "How long is the warranty", "质保 {warranty}。", ("过了质保怎么办",)),
    ("hours", None, ("refund",), "tickets", "几点上班", "When are you there", "{hours}。", ()),
    ("queue", None, (), "tickets", "排到第几", "What is my place", "您的位置：{position}。", ()),
]  # fmt: skip


@pytest.fixture
def answers() -> Any:
    """Related entries, and questions that mean something else when they are asked first."""
    entries = {
        key: Entry(
            key,
            flow,
            related,
            {"zh": Text(zh, answer), "en": Text(en, f"About {key}: {answer}")},
            tuple(Phrasing(text, "zh") for text in more),
            theme,
        )
        for key, flow, related, theme, zh, en, answer, more in ROWS
    }
    asked = {text: (row[0],) for row in ROWS for text in (row[4], row[5], *row[7])}
    return Answers(entries, asked | {"那多久到账": ("how_long",), "退": ("refund", "how_long")})


@pytest.mark.parametrize(
    ("first", "second", "answer"),
    [
        ("能退款吗", "那多久到账", "原路退回"),
        ("能退款吗", "多久到账", "原路退回"),
        ("Can I get a refund", "then how long", "About refund_where"),
        ("付了没到", "那多久到账", "几分钟"),
        ("Paid, no code", "then how long", "About how_long"),
        ("几点上班", "那质保多久", "质保 商品页写明的期限"),
        ("能退款吗", "付了没到", "我来查"),
    ],
)
async def test_a_follow_up_is_about_what_was_answered(house: House, first: str, second: str, answer: str) -> None:
    buyer = house.buyer()
    await buyer.say(first)

    assert answer in await buyer.say(second)


async def test_a_follow_up_that_comes_much_later_is_a_question_of_its_own(house: House) -> None:
    buyer = house.buyer()
    await buyer.say("能退款吗")
    house.clock.advance(minutes=31)

    assert "几分钟" in await buyer.say("那多久到账")


async def test_a_follow_up_within_a_flow_is_about_the_flow(house: House) -> None:
    buyer = house.buyer()
    await buyer.say("付了没到")
    await buyer.press("查我的订单")

    answer = await buyer.say("那多久到账")

    assert "几分钟" in answer
    assert "请发订单号" in answer


async def test_a_follow_up_to_a_shown_order_is_about_its_state(house: House) -> None:
    await house.sell(order_no="RF12CD34EF56GH78", status=OrderStatus.REFUNDED)
    buyer = house.buyer()
    await buyer.say(f"RF12CD34EF56GH78 {PASSWORD}")

    assert "原路退回" in await buyer.say("退款多久到账")


@pytest.mark.parametrize(
    ("answered", "next_words", "asked"),
    [
        ("提示已被使用", "那怎么办", "我来帮您核对"),
        ("It says already used", "what now?", "Let me check that for you"),
        ("付了没到", "那怎么办", "我马上帮您查"),
    ],
)
async def test_what_next_goes_on_into_the_flow(house: House, answered: str, next_words: str, asked: str) -> None:
    buyer = house.buyer()
    await buyer.say(answered)

    assert asked in await buyer.say(next_words)


@pytest.mark.parametrize(
    "given", [f"{ORDER} {PASSWORD}", f"订单号 {ORDER} 查询密码 {PASSWORD}", f"my order is {ORDER}\n{PASSWORD}"]
)
async def test_an_order_number_after_a_claim_answer_goes_on_into_the_claim_with_its_reason(
    house: House, given: str
) -> None:
    buyer = house.buyer()
    await buyer.say("提示已被使用")

    await buyer.say(given)
    replaced = await buyer.press("****")

    assert "https://kadesk.test/r/" in replaced
    assert (await house.one(Claim)).reason == "already_used"


async def test_a_code_after_a_claim_answer_does_too(house: House) -> None:
    buyer = house.buyer()
    await buyer.say("It says already used")

    asked = await buyer.say(CODE)
    await buyer.say(f"{ORDER} {PASSWORD}")
    replaced = await buyer.say(CODE)

    assert "order number" in asked
    assert "new code in place of ****-3VNP" in replaced


async def test_an_order_number_after_an_order_answer_is_looked_up(house: House) -> None:
    buyer = house.buyer()
    await buyer.say("退款退到哪")

    assert "状态：已发货" in await buyer.say(f"{ORDER} {PASSWORD}")


async def test_an_order_number_after_a_delivery_answer_is_about_what_did_not_come(house: House) -> None:
    await house.sell(order_no="UN12CD34EF56GH78", status=OrderStatus.PAID_UNDELIVERED)
    buyer = house.buyer()
    await buyer.say("Paid, no code")

    await buyer.say(f"UN12CD34EF56GH78 {PASSWORD}")

    assert (await house.one(Ticket)).category == "undelivered"


async def test_an_order_number_long_after_a_claim_answer_is_looked_up(house: House) -> None:
    buyer = house.buyer()
    await buyer.say("提示已被使用")
    house.clock.advance(minutes=31)

    assert "状态：已发货" in await buyer.say(f"{ORDER} {PASSWORD}")


async def test_the_order_in_hand_needs_no_number(house: House) -> None:
    buyer = house.buyer()
    await buyer.say(f"{ORDER} {PASSWORD}")
    await buyer.say("提示已被使用")

    asked = await buyer.press("卡密用不了")
    replaced = await buyer.press("****")

    assert "哪一张" in asked
    assert "https://kadesk.test/r/" in replaced


async def test_the_order_in_hand_can_be_looked_at_again(house: House) -> None:
    buyer = house.buyer()
    await buyer.say(f"{ORDER} {PASSWORD}")
    await buyer.say("退款退到哪")

    assert "状态：已发货" in await buyer.press("查这笔订单")


async def test_the_warranty_is_that_of_the_order_in_hand(house: House) -> None:
    buyer = house.buyer()

    before = await buyer.say("质保多久")
    await buyer.say(f"{ORDER} {PASSWORD}")
    after = await buyer.say("质保多久")
    english = await buyer.say("How long is the warranty")
    await buyer.say("XX12CD34EF56GH78")
    await buyer.say("取消")
    unproved = await buyer.say("质保多久")

    assert "质保 商品页写明的期限。" in before
    assert "质保 30 天。" in after
    assert "30 days" in english
    assert "商品页写明的期限" in unproved


async def test_hours_and_position_read_well_with_and_without_them(house: House) -> None:
    buyer = house.buyer()

    nothing = await buyer.say("排到第几"), await buyer.say("几点上班")
    await house.buyer("first").say("转人工")
    house.clock.advance(minutes=1)
    await buyer.say("转人工")
    behind = await buyer.say("What is my place")

    assert "您的位置：您现在没有在排队的工单。" in nothing[0]
    assert nothing[1] == "店铺公告的时间。"
    assert "1 ahead of you" in behind


def test_what_begins_a_follow_up() -> None:
    assert follow_up.begins_like_one("那要多久呢")
    assert follow_up.begins_like_one("And then how long")
    assert not follow_up.begins_like_one("我昨天付的款到现在还没有收到卡密")
    assert not follow_up.is_follow_up("我昨天付的款到现在还没有收到卡密")
    assert follow_up.asks_what_next("那怎么办呢？")
    assert follow_up.asks_what_next("ok so what should I do now")
    assert not follow_up.asks_what_next("那退款怎么办")
