"""What buyers read when their tickets are merged, split, warned of, closed, or come back as new ones."""

from typing import Any

import pytest

from bot.fakes.buyer import Buyer
from tests.bot.conftest import House
from tickets import alarms
from tickets.desk import DeskRules
from tickets.statuses import Status, statuses
from tickets.tables import Conversation, Level, Message, Outcome, Phase, Ticket

ASKING = Status("asking_supplier", Phase.OPEN, {"zh": "等供应商回复", "en": "Asking the supplier"})


@pytest.fixture
def rules() -> DeskRules:
    return DeskRules(statuses=statuses([ASKING]))


async def do(house: House, verb: Any, *arguments: Any) -> Any:
    async with house.database.writing() as session:
        return await verb(session, house.clock(), *arguments)


async def two_tickets(house: House, buyer: Buyer) -> tuple[int, int]:
    """One that the buyer asked a person for, and a later one about an order."""
    await buyer.say("山上有几棵树")
    await buyer.say("转人工")
    conversation = await house.one(Conversation)
    async with house.database.writing() as session:
        await house.desk.open(
            session, house.clock(), conversation, "claim", "账号登不上", level=Level.HUMAN_QUEUE, trigger="opened"
        )
    return 1, 2


async def pass_by(house: House, **span: float) -> None:
    """Time goes by, and the job of waking and closing rings."""
    house.clock.advance(**span)
    await alarms.ring(house.database, house.clock, house.desk)


async def heard_on(house: House, ticket_id: int) -> list[str]:
    return [message.text for message in await house.all(Message, ticket_id=ticket_id, direction="in")]


async def test_a_merge_is_told_once_and_later_words_go_to_what_is_left(house: House) -> None:
    buyer, agent = house.buyer(), await house.hire()
    first, second = await two_tickets(house, buyer)

    await do(house, house.desk.merge, first, second, agent)
    told = await buyer.news()
    shown = await buyer.say("我的工单")
    await buyer.say("还没有人理我")
    asked = await buyer.say("K-000001")

    assert told.count("已经合并") == 1
    assert ("K-000002" in shown, "K-000001" in shown) == (True, False)
    assert "还没有人理我" in await heard_on(house, second)
    assert "K-000001 已并入 K-000002" in asked


async def test_words_after_an_agents_question_answer_that_agent(house: House) -> None:
    buyer, agent = house.buyer(), await house.hire()
    first, second = await two_tickets(house, buyer)
    await do(house, house.desk.reply, second, agent, "请发一下账号截图")
    await do(house, house.desk.reply, first, agent, "您要问哪座山？")
    await buyer.news()

    await buyer.say("门口那座")

    assert "门口那座" in await heard_on(house, first)
    assert "门口那座" not in await heard_on(house, second)


async def test_words_that_name_a_ticket_go_there(house: House) -> None:
    buyer = house.buyer()
    first, second = await two_tickets(house, buyer)

    answer = await buyer.say("K-000002 上面写着请联系发行商")

    assert "已经转到工单 K-000002" in answer
    assert await heard_on(house, second) == ["K-000002 上面写着请联系发行商"]
    assert "K-000002 上面写着请联系发行商" not in await heard_on(house, first)


async def test_a_number_alone_asks_where_the_ticket_stands(house: House) -> None:
    buyer, agent = house.buyer(), await house.hire()
    first, _ = await two_tickets(house, buyer)

    queued = await buyer.say("k-000001")
    await do(house, house.desk.resolve, first, agent, Outcome.INSTRUCT)
    await buyer.news()
    settled = await buyer.say("K-000001")

    assert "工单 K-000001：下一个就轮到您" in queued
    assert "工单 K-000001：已处理完毕" in settled
    assert (await house.one(Ticket, id=first)).phase == Phase.RESOLVED


async def test_the_number_of_another_buyers_ticket_says_nothing(house: House) -> None:
    await house.buyer("first").say("转人工")

    answer = await house.buyer("second").say("K-000001")

    assert "工单 K-000001：" not in answer


async def test_a_split_is_told_and_both_are_listed(house: House) -> None:
    buyer, agent = house.buyer(), await house.hire()
    await buyer.say("转人工")
    await buyer.say("另外账号也登不上")
    (*_, said) = await house.all(Message, ticket_id=1, direction="in")

    await do(house, house.desk.split, 1, agent, [said.id], "账号登不上")

    assert "单独登记为 K-000002" in await buyer.news()
    shown = await buyer.say("我的工单")
    assert "K-000001" in shown
    assert "K-000002  账号登不上" in shown


async def test_a_silent_buyer_is_warned_and_one_word_keeps_the_ticket_open(house: House) -> None:
    buyer, agent = house.buyer(), await house.hire()
    await buyer.say("转人工")
    await do(house, house.desk.reply, 1, agent, "请发截图")
    await buyer.news()

    await pass_by(house, days=2, minutes=1)
    warning = await buyer.news()
    shown = await buyer.say("我的工单")
    await buyer.say("等一下")
    await pass_by(house, days=3)

    assert "到 03-05 04:01 还没有收到消息" in warning
    assert "03-05 04:01 前没有回复会自动关闭" in shown
    assert (await house.one(Ticket)).phase == Phase.OPEN


async def test_a_ticket_closed_for_silence_goes_on_as_a_new_one(house: House) -> None:
    buyer, agent = house.buyer(), await house.hire()
    await buyer.say("转人工")
    await do(house, house.desk.reply, 1, agent, "请发截图")
    await buyer.news()
    await pass_by(house, days=2, minutes=1)
    await buyer.news()
    await pass_by(house, days=1, minutes=1)

    closed = await buyer.news()
    shown = await buyer.say("我的工单")
    back = await buyer.say("上面写着请联系发行商")

    assert "工单 K-000001 已经关闭" in closed
    assert "没有处理中的工单" in shown
    assert "工单 K-000001 已经结束，为您接着开了新工单 K-000002" in back
    assert await heard_on(house, 2) == ["上面写着请联系发行商"]


async def test_a_settled_ticket_named_too_late_goes_on_as_a_new_one(house: House) -> None:
    buyer, agent = house.buyer(), await house.hire()
    await buyer.say("转人工")
    await do(house, house.desk.resolve, 1, agent, Outcome.INSTRUCT)
    await buyer.news()
    await pass_by(house, days=8)

    answers = [await buyer.say("K-000001 又不行了"), await buyer.say("K-000001 有人吗")]

    assert "新工单 K-000002" in answers[0]
    assert "K-000003" not in answers[1]
    assert await heard_on(house, 2) == ["K-000001 又不行了", "K-000001 有人吗"]


async def test_spam_is_not_spoken_of(house: House) -> None:
    buyer, agent = house.buyer(), await house.hire()
    await buyer.say("转人工")
    await do(house, house.desk.mark_spam, 1, agent)

    assert await buyer.news() == ""
    assert "没有处理中的工单" in await buyer.say("我的工单")
    assert "K-000001" not in await buyer.say("K-000001 快点")


async def test_a_snoozed_ticket_is_not_said_to_be_next(house: House) -> None:
    buyer, agent = house.buyer(), await house.hire()
    await buyer.say("转人工")
    async with house.database.writing() as session:
        await house.desk.snooze(session, house.clock(), 1, agent, house.clock().replace(hour=20))

    assert "同事稍后继续处理" in await buyer.say("我的工单")


@pytest.mark.parametrize(
    ("question", "shown"), [("我的工单", "等供应商回复，"), ("my tickets", "Asking the supplier; ")]
)
async def test_a_status_of_the_owners_own_is_shown_in_the_buyers_language(
    house: House, question: str, shown: str
) -> None:
    buyer, agent = house.buyer(), await house.hire()
    await buyer.say("转人工")

    await do(house, house.desk.set_status, 1, agent, "asking_supplier")

    assert shown in await buyer.say(question)
