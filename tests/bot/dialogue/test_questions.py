"""Known answers, suggestions, misses, and small talk."""

from faq.tables import FaqQuestion
from tests.bot.conftest import CODE, ORDER, PASSWORD, House
from tickets.tables import Level, Ticket


async def test_a_sure_answer_comes_with_thumbs_a_person_and_the_way_on(house: House) -> None:
    buyer = house.buyer()
    await buyer.start()

    answer = await buyer.say("怎么查订单")

    assert answer == "发订单号给我就能查。"
    assert await buyer.buttons() == ["查我的订单", "👍 有用", "👎 没用", "转人工"]


async def test_the_answer_is_in_the_language_of_the_question(house: House) -> None:
    buyer = house.buyer()
    await buyer.start()

    english = await buyer.say("How do I find my order")
    chinese = await buyer.say("怎么查订单")

    assert english == "About find_order."
    assert chinese == "发订单号给我就能查。"


async def test_an_answer_names_the_promise(house: House) -> None:
    assert "24 小时内答复退款" in await house.buyer().say("能退款吗")


async def test_thumbs_are_kept_with_the_question(house: House) -> None:
    buyer = house.buyer()
    await buyer.say("能退款吗")

    await buyer.press("👍")
    first = (await house.one(FaqQuestion)).verdict
    sorry = await buyer.press("👎")

    question = await house.one(FaqQuestion)
    assert (question.text, question.outcome, question.entry_key) == ("能退款吗", "answer", "refund_policy")
    assert (first, question.verdict) == ("helped", "missed")
    assert "转人工" in sorry


async def test_a_suggestion_that_is_pressed_answers_and_is_learned(house: House) -> None:
    buyer = house.buyer()

    await buyer.say("退")
    offered = await buyer.buttons()
    answer = await buyer.press("能退款吗")

    assert offered == ["能退款吗", "怎么查订单", "都不是", "转人工"]
    assert "24 小时内答复退款" in answer
    assert (await house.one(FaqQuestion)).verdict == "refund_policy"


async def test_the_second_miss_offers_a_person_and_the_third_hands_over(house: House) -> None:
    buyer = house.buyer()
    await buyer.start()

    first, second, third = [await buyer.say(text) for text in ("天上有几颗星", "海里有几条鱼", "山上有几棵树")]

    assert "没看懂" in first
    assert "要不要我请同事来" in second
    assert "已经为您转人工" in third
    assert (await house.one(Ticket)).level == Level.HUMAN_QUEUE


async def test_an_answer_in_between_starts_the_count_again(house: House) -> None:
    buyer = house.buyer()

    for text in ("天上有几颗星", "海里有几条鱼", "能退款吗", "山上有几棵树", "云里有几滴水"):
        await buyer.say(text)

    assert await house.all(Ticket) == []


async def test_what_is_asked_is_kept_without_codes(house: House) -> None:
    await house.buyer().say(f"山上有几棵树 {CODE}")

    assert CODE not in (await house.one(FaqQuestion)).text


async def test_questions_in_the_middle_of_a_flow_are_answered_and_the_flow_goes_on(house: House) -> None:
    buyer = house.buyer()
    await buyer.start()
    await buyer.press("查我的订单")

    aside = await buyer.say("能退款吗")
    await buyer.say(ORDER)
    second = await buyer.say("能退款吗")
    shown = await buyer.say(PASSWORD)

    assert "答复退款" in aside
    assert "请发订单号" in aside
    assert "查询密码" in second
    assert "Steam 50元充值卡" in shown


async def test_hello_and_thanks_are_no_questions(house: House) -> None:
    buyer = house.buyer()
    await buyer.start()

    answers = [await buyer.say(text) for text in ("你好", "在吗", "谢谢")]

    assert "不客气" in answers.pop()
    assert all("请问有什么可以帮您" in answer for answer in answers)
    assert await house.all(FaqQuestion) == []


async def test_a_conversation_that_begins_with_a_question_is_told_who_answers(house: House) -> None:
    buyer = house.buyer()

    first = await buyer.say("能退款吗")
    second = await buyer.say("能退款吗")

    assert "自动客服" in first
    assert "自动客服" not in second
