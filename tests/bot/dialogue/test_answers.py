"""What stands under an answer, two answers to one message, and what an answer leads into."""

from dataclasses import replace
from typing import Any

import pytest

from faq.phrasing import Entry, Text
from faq.tables import FaqQuestion
from tests.bot.conftest import ORDER, PASSWORD, Answers, House, known_answers
from tickets.tables import Level, Ticket


@pytest.fixture
def answers() -> Any:
    """The known answers with related ones, and one that only a person can settle."""
    known = known_answers()
    entries = dict(known.entries)
    entries["refund_policy"] = replace(
        entries["refund_policy"], related=("find_order", "human", "gone", "already_used")
    )
    entries["find_order"] = replace(entries["find_order"], related=("refund_policy", "already_used"))
    texts = {"zh": Text("付了两次", "请同事核对。"), "en": Text("I paid twice", "A colleague checks.")}
    entries["double_pay"] = Entry("double_pay", "human", ("refund_policy", "find_order"), texts, (), "delivery")
    asked = {"付了两次": ("double_pay",), "I paid twice": ("double_pay",)}
    return Answers(entries, {**known.asked, **asked})


async def test_related_entries_stand_under_an_answer_and_are_answered_when_pressed(house: House) -> None:
    buyer = house.buyer()
    await buyer.say("能退款吗")
    under = await buyer.buttons()

    answer = await buyer.press("怎么查订单")

    assert under == ["退款", "怎么查订单", "👍 有用", "👎 没用", "转人工"]
    assert answer == "发订单号给我就能查。"
    assert await buyer.buttons() == ["查我的订单", "提示已被使用", "转人工"]
    assert len(await house.all(FaqQuestion)) == 1


async def test_an_answer_that_leads_on_leaves_room_for_one_related(house: House) -> None:
    buyer = house.buyer()

    await buyer.say("How do I find my order")

    assert await buyer.buttons() == [
        *("Find my order", "Can I get a refund", "👍 Helpful", "👎 Not helpful", "Talk to a person")
    ]


async def test_an_entry_for_people_offers_the_person_first(house: House) -> None:
    buyer = house.buyer()

    await buyer.say("I paid twice")
    english = await buyer.buttons()
    await buyer.say("付了两次")

    assert english == ["Talk to a person", "Can I get a refund", "👍 Helpful", "👎 Not helpful"]
    assert await buyer.buttons() == ["转人工", "能退款吗", "👍 有用", "👎 没用"]


@pytest.mark.parametrize(
    ("text", "first", "second"),
    [
        ("怎么查订单？能退款吗？", "发订单号", "答复退款"),
        ("How do I find my order? Can I get a refund?", "About find_order", "About refund_policy"),
    ],
)
async def test_two_questions_get_two_answers_under_one_set_of_buttons(
    house: House, text: str, first: str, second: str
) -> None:
    buyer = house.buyer()
    await buyer.start()

    answer = await buyer.say(text)

    assert answer.index(first) < answer.index(second)
    assert len(await buyer.buttons()) == 5
    assert [row.entry_key for row in await house.all(FaqQuestion)] == ["find_order", "refund_policy"]


async def test_a_verdict_on_two_answers_is_kept_for_both(house: House) -> None:
    buyer = house.buyer()
    await buyer.say("怎么查订单？能退款吗？")

    await buyer.press("👎")

    assert [row.verdict for row in await house.all(FaqQuestion)] == ["missed", "missed"]


async def test_three_questions_get_two_answers(house: House) -> None:
    answer = await house.buyer().say("怎么查订单？能退款吗？付了两次？")

    assert "答复退款" in answer
    assert "请同事核对" not in answer


async def test_a_question_beside_an_order_number_is_answered_before_the_order_is_taken(house: House) -> None:
    buyer = house.buyer()

    answer = await buyer.say(f"提示已被使用。能退款吗？{ORDER}")

    assert answer.index("答复退款") < answer.index("查询密码")


async def test_a_question_beside_the_wish_for_a_person_is_answered_first(house: House) -> None:
    buyer = house.buyer()

    answer = await buyer.say("能退款吗？找个人来？")

    assert answer.index("答复退款") < answer.index("已经为您转人工")


async def test_an_entry_for_tickets_shows_them_at_once(house: House) -> None:
    buyer = house.buyer()

    assert "没有处理中的工单" in await buyer.say("进度怎么样了")
    assert "no open tickets" in await buyer.say("Any update")


async def test_the_entry_human_hands_over_at_once_by_its_last_matter(house: House) -> None:
    buyer = house.buyer()
    await buyer.say("山上有几棵树")

    answer = await buyer.say("找个人来")

    ticket = await house.one(Ticket)
    assert "已经为您转人工" in answer
    assert (ticket.level, ticket.subject) == (Level.HUMAN_QUEUE, "山上有几棵树")


async def test_a_question_that_was_pressed_is_what_a_ticket_is_about(house: House) -> None:
    buyer = house.buyer()
    await buyer.say("能退款吗")
    await buyer.press("怎么查订单")

    await buyer.press("转人工")

    assert (await house.one(Ticket)).subject == "怎么查订单"


async def test_without_other_words_those_that_asked_are_the_subject(house: House) -> None:
    await house.buyer().say("找个人来")

    assert (await house.one(Ticket)).subject == "找个人来"


async def test_a_command_alone_is_never_a_subject(house: House) -> None:
    buyer = house.buyer()
    for text in ("菜单", ORDER, PASSWORD, "都不是", "转人工"):
        await buyer.say(text)

    assert (await house.one(Ticket)).subject == "买家要求转人工"


async def test_candidates_and_choices_are_kept_for_the_figures(house: House) -> None:
    buyer = house.buyer()
    await buyer.say("Money")

    await buyer.press("Can I get a refund")

    detail = (await house.one(FaqQuestion)).detail
    assert detail == {"candidates": ["refund_policy", "find_order"], "chosen": "refund_policy"}
