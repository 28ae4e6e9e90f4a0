"""No loops: misses, suggestions that do not fit, answers that did not help, marks, swearing, bare numbers."""

import pytest

from bot.fakes.buyer import Buyer
from bot.tables import Button
from faq.tables import FaqQuestion
from tests.bot.conftest import ORDER, PASSWORD, House
from tickets.tables import Level, Ticket


async def test_none_of_these_counts_as_a_miss(house: House) -> None:
    buyer = house.buyer()
    answers = []

    for _ in range(3):
        await buyer.say("退")
        answers.append(await buyer.press("都不是"))

    assert "换个说法" in answers[0]
    assert "已经为您转人工" in answers[2]
    assert (await house.one(Ticket)).level == Level.HUMAN_QUEUE
    assert {row.verdict for row in await house.all(FaqQuestion)} == {"missed"}


@pytest.mark.parametrize(("asked", "refused"), [("退", "都不是"), ("退", "没有我想问的"), ("Money", "none of them")])
async def test_none_of_these_may_be_typed(house: House, asked: str, refused: str) -> None:
    buyer = house.buyer()
    await buyer.say(asked)

    answer = await buyer.say(refused)

    assert "换个说法" in answer or "Put it another way" in answer
    assert (await house.one(FaqQuestion)).verdict == "missed"


async def test_suggestions_over_and_over_end_with_a_person(house: House) -> None:
    buyer = house.buyer()

    answers = [await buyer.say("退") for _ in range(4)]

    assert "哪一个" in answers[0]
    assert "已经为您转人工" in answers[3]


async def test_choosing_a_suggestion_starts_the_count_again(house: House) -> None:
    buyer = house.buyer()
    await buyer.say("天上有几颗星")
    await buyer.say("海里有几条鱼")
    await buyer.say("退")
    await buyer.press("能退款吗")

    assert "没看懂" in await buyer.say("山上有几棵树")
    assert await house.all(Ticket) == []


async def test_an_answer_that_did_not_help_is_not_given_again(house: House) -> None:
    buyer = house.buyer()
    await buyer.say("能退款吗")
    await buyer.press("👎")

    again = await buyer.say("能退款吗")
    buttons = await buyer.buttons()
    english = await buyer.say("Can I get a refund")

    assert "不重复了" in again
    assert buttons == ["转人工"]
    assert "I will not repeat it" in english


async def test_asking_it_a_third_time_hands_over(house: House) -> None:
    buyer = house.buyer()
    await buyer.say("能退款吗")
    await buyer.press("👎")

    answers = [await buyer.say("能退款吗") for _ in range(3)]

    assert "已经为您转人工" in answers[2]
    assert (await house.one(Ticket)).subject == "能退款吗"


async def test_an_answer_that_helped_after_all_may_be_given_again(house: House) -> None:
    buyer = house.buyer()
    await buyer.say("能退款吗")
    await buyer.press("👎")
    buyer._front.channel._buttons = (await _handles(house))["👍 有用"]

    await buyer.say("1")

    assert "答复退款" in await buyer.say("能退款吗")


async def _handles(house: House) -> dict[str, list[str]]:
    return {button.label: [button.handle] for button in await house.all(Button)}


async def test_a_chosen_answer_that_did_not_help_is_not_given_again(house: House) -> None:
    buyer = house.buyer()
    await buyer.say("退")
    await buyer.press("能退款吗")
    await buyer.press("👎")

    assert "不重复了" in await buyer.say("能退款吗")
    row = (await house.all(FaqQuestion))[0]
    assert (row.verdict, row.detail["chosen"]) == ("missed", "refund_policy")


@pytest.mark.parametrize("text", ["？？？", "？", "???"])
async def test_question_marks_are_asked_what_was_not_clear(house: House, text: str) -> None:
    buyer = house.buyer()
    await buyer.say("能退款吗")

    assert "是哪里没说清楚吗" in await buyer.say(text)


async def test_nothing_but_marks_ends_with_a_person(house: House) -> None:
    buyer = house.buyer()

    answers = [await buyer.say(text) for text in ("😭", "？？？", "！！！")]

    assert "用文字" in answers[0]
    assert "已经为您转人工" in answers[2]


@pytest.mark.parametrize("words", [("傻逼", "垃圾"), ("fuck you", "idiots")])
async def test_swearing_is_met_calmly_once_and_then_by_a_person(house: House, words: tuple[str, str]) -> None:
    buyer = house.buyer()

    first, second = [await buyer.say(word) for word in words]

    assert "抱歉" in first or "sorry" in first
    assert "K-000001" in second
    assert (await house.one(Ticket)).level == Level.HUMAN_QUEUE


async def number_given(house: House) -> Buyer:
    buyer = house.buyer()
    await buyer.say("13800138000")
    return buyer


async def test_a_bare_number_is_asked_what_it_is(house: House) -> None:
    buyer = house.buyer()

    asked = await buyer.say("你好 13800138000")

    assert "订单号，还是卡密" in asked
    assert "13800138000" not in asked
    assert await buyer.buttons() == ["是订单号", "是卡密", "转人工"]


async def test_a_bare_number_that_is_an_order_is_looked_up(house: House) -> None:
    await house.sell("NUMBR-11111-AAAAA", order_no="1380013800")
    buyer = house.buyer()
    await buyer.say("1380013800")

    asked = await buyer.press("是订单号")
    shown = await buyer.say(PASSWORD)

    assert "查询密码" in asked
    assert "订单 1380013800" in shown


async def test_a_bare_number_that_is_a_code_becomes_a_claim(house: House) -> None:
    buyer = await number_given(house)

    assert "我来帮您核对" in await buyer.press("是卡密")


async def test_a_bare_order_number_is_looked_up_and_a_bare_code_becomes_a_claim(house: House) -> None:
    buyer = house.buyer()

    order = await buyer.say(f"hi, {ORDER}")
    await buyer.say("cancel")
    code = await buyer.say("K7Q2M-9XH4T-R3VNP")

    assert "query password" in order
    assert "Let me check that" in code


@pytest.mark.parametrize(
    ("text", "answer"), [("好的", "随时告诉我"), ("嗯嗯知道了", "随时告诉我"), ("ok got it", "Just write")]
)
async def test_saying_that_one_has_understood_is_no_miss(house: House, text: str, answer: str) -> None:
    buyer = house.buyer()
    await buyer.say("天上有几颗星")
    await buyer.say("海里有几条鱼")

    assert answer in await buyer.say(text)
    assert await house.all(Ticket) == []
