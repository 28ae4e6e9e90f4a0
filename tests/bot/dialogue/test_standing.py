"""Where am I in line, and how long still: the buyer's place and the promise, not an answer about something else."""

import time

import pytest
from sqlmodel import select

from bot.dialogue.standing import asks_how_long, asks_place
from tests.bot.conftest import House
from tickets.tables import Ticket


@pytest.mark.parametrize(
    "words",
    [
        *(
            "我排第几",
            "我现在排第几位？",
            "排到第几号了",
            "排队排到哪了",
            "前面还有几个人",
            "我前面多少人啊",
            "轮到我了吗",
        ),
        *(
            "请问什么时候轮到我",
            "队伍多长",
            "我的排队位置",
            "Where am I in the queue?",
            "what's my position in the queue",
        ),
        *("how many people are ahead of me", "is it my turn yet"),
    ],
)
def test_who_asks_for_a_place_in_line(words: str) -> None:
    assert asks_place(words)


@pytest.mark.parametrize(
    "words",
    [
        *(
            "还要多久",
            "还要等多久啊",
            "请问还要多久呢",
            "我还要排多久",
            "多久能处理",
            "你们什么时候回复我",
            "how much longer?",
        ),
        *("how long do I have to wait", "when will someone answer me"),
    ],
)
def test_who_asks_how_long(words: str) -> None:
    assert asks_how_long(words)


@pytest.mark.parametrize(
    "words",
    [
        *(
            "多久发货",
            "还要多久到账",
            "退款多久到",
            "几点上班",
            "我排错队了",
            "我的位置不支持这个地区",
            "前面那张卡用不了",
        ),
        *("how long does delivery take", "when will I get my refund", "where is my order", "我", "", "🙂"),
    ],
)
def test_other_questions_are_left_to_the_known_answers(words: str) -> None:
    assert not asks_place(words)
    assert not asks_how_long(words)


def test_a_message_made_to_be_slow_is_not() -> None:
    began = time.perf_counter()
    for words in ("那我" * 29, "还要" * 29, "排我" * 29, "how long" + " answer" * 7, "前面" * 29, "我们的" * 19):
        asks_place(words)
        asks_how_long(words)

    assert time.perf_counter() - began < 0.5


@pytest.mark.parametrize("words", ["我排第几", "还要多久", "how much longer"])
async def test_a_buyer_with_a_ticket_in_line_is_told_the_place_and_the_promise(house: House, words: str) -> None:
    await house.buyer("before").say("转人工")
    house.clock.advance(minutes=1)
    buyer = house.buyer()
    await buyer.say("转人工")

    told = await buyer.say(words)

    assert "1 ahead of you, answered by " in told or "前面还有 1 位，最晚 " in told
    assert "催单" in await buyer.buttons() or "Hurry it up" in await buyer.buttons()
    assert "正在处理" not in told
    tickets = await house.all(Ticket)
    assert len(tickets) == 2  # asking is no new matter


async def test_a_late_ticket_promises_no_instant_that_has_passed(house: House) -> None:
    buyer = house.buyer()
    await buyer.say("转人工")
    house.clock.advance(hours=25)

    assert "最晚" not in await buyer.say("我排第几")


async def test_without_a_ticket_nobody_stands_in_line(house: House) -> None:
    buyer = house.buyer()

    assert "没有处理中的工单" in await buyer.say("我排第几")
    assert "没有处理中的工单" not in await buyer.say("还要多久")


async def test_how_long_is_for_the_person_who_has_the_case(house: House) -> None:
    agent, buyer = await house.hire(), house.buyer()
    await buyer.say("转人工")
    async with house.database.writing() as session:
        ticket = (await session.exec(select(Ticket))).one()
        await house.desk.take(session, house.clock(), ticket.id, agent)

    said = await buyer.say("还要多久")
    place = await buyer.say("轮到我了吗")

    assert "您的工单" not in said
    assert "正在处理" in place


async def test_asking_for_a_place_is_not_what_a_ticket_is_about(house: House) -> None:
    buyer = house.buyer()
    await buyer.say("兑换页一直打不开")
    await buyer.say("我排第几")
    await buyer.say("转人工")

    assert [ticket.subject for ticket in await house.all(Ticket)] == ["兑换页一直打不开"]
