"""People: one step away, and undisturbed once they have the case."""

import pytest

from bot.fakes.buyer import Buyer
from tests.bot.conftest import ORDER, PASSWORD, House
from tickets.tables import Level, Message, Outcome, Ticket


async def to_step(buyer: Buyer, step: str) -> None:
    await buyer.start()
    if step == "idle":
        return
    await buyer.press("卡密用不了")
    if step == "order":
        return
    await buyer.say(ORDER)
    if step == "proof":
        return
    await buyer.say(PASSWORD)
    if step == "reason":
        await buyer.press("****")


@pytest.mark.parametrize("step", ["idle", "order", "proof", "code", "reason"])
async def test_a_person_is_one_step_away_from_everywhere(house: House, step: str) -> None:
    typed, pressed = house.buyer("typed"), house.buyer("pressed")
    await to_step(typed, step)
    await to_step(pressed, step)

    by_word = await typed.say("转人工")
    by_button = await pressed.press("转人工")

    assert "已经为您转人工" in by_word
    assert "已经为您转人工" in by_button
    assert [ticket.level for ticket in await house.all(Ticket)] == [Level.HUMAN_QUEUE] * 2


@pytest.mark.parametrize("step", ["order", "proof", "code", "reason"])
async def test_every_step_can_be_left(house: House, step: str) -> None:
    buyer = house.buyer()
    await to_step(buyer, step)

    cancelled = await buyer.say("取消")
    answer = await buyer.say("能退款吗")

    assert "已经取消" in cancelled
    assert "答复退款" in answer


@pytest.mark.parametrize("step", ["order", "proof", "code", "reason"])
async def test_tickets_and_hurry_work_in_the_middle_of_a_flow(house: House, step: str) -> None:
    buyer = house.buyer()
    await to_step(buyer, step)

    assert "没有处理中的工单" in await buyer.say("我的工单")
    assert "没有在等处理的工单" in await buyer.say("催单")


async def test_my_tickets_shows_number_subject_and_place(house: House) -> None:
    first, second = house.buyer("first"), house.buyer("second")
    await first.say("转人工")
    house.clock.advance(minutes=1)
    await second.say("山上有几棵树")
    await second.say("转人工")

    shown = await second.say("我的工单")

    assert "K-000002" in shown
    assert "山上有几棵树" in shown
    assert "前面还有 1 位" in shown


async def test_tickets_of_others_are_never_shown(house: House) -> None:
    await house.buyer("first").say("转人工")

    assert "K-000001" not in await house.buyer("second").say("我的工单")


async def test_hurrying_is_heard_once_in_a_while(house: House) -> None:
    buyer = house.buyer()
    stranger = await buyer.say("怎么还没人")
    await buyer.say("转人工")

    first, second = await buyer.say("催单"), await buyer.say("催一下")
    house.clock.advance(minutes=31)
    third = await buyer.say("怎么还没人")

    assert "请回复“转人工”" in stranger
    assert "已经帮您催了" in first
    assert "刚才已经催过了" in second
    assert "30 分钟后" in second
    assert "已经帮您催了" in third
    assert (await house.one(Ticket)).hurries == 2


async def test_asking_again_for_a_person_makes_no_second_ticket(house: House) -> None:
    buyer = house.buyer()
    await buyer.say("转人工")

    again = await buyer.say("转人工")

    assert "已经在人工这里了" in again
    assert len(await house.all(Ticket)) == 1


async def test_words_for_people_go_to_their_ticket_and_are_not_chattered_over(house: House) -> None:
    buyer = house.buyer()
    await buyer.say("转人工")

    answers = [await buyer.say(text) for text in ("我等了很久", "山上有几棵树", "在吗")]

    ticket = await house.one(Ticket)
    said = [message.text for message in await house.all(Message, ticket_id=ticket.id, direction="in")]
    assert answers == ["", "", ""]
    assert said == ["转人工", "我等了很久", "山上有几棵树", "在吗"]


async def test_words_on_a_ticket_that_people_took_up_by_themselves_are_acknowledged_once(house: House) -> None:
    buyer = house.buyer()
    await buyer.say(f"{ORDER} {PASSWORD} 账号登不上")
    await buyer.press("****")
    ticket = await house.one(Ticket)
    agent = await house.hire()
    async with house.database.writing() as session:
        await house.desk.take(session, house.clock(), ticket.id, agent)

    answers = [await buyer.say("什么时候能好"), await buyer.say("能退款吗")]

    assert "已经转到工单 K-000001（小林 正在处理）" in answers[0]
    assert answers[1] == ""


async def test_a_sure_answer_may_come_while_nobody_has_taken_the_ticket(house: House) -> None:
    buyer = house.buyer()
    await buyer.say("转人工")

    untaken = await buyer.say("能退款吗")
    agent = await house.hire()
    async with house.database.writing() as session:
        await house.desk.take(session, house.clock(), 1, agent)
    taken = await buyer.say("能退款吗")

    assert "答复退款" in untaken
    assert taken == ""
    assert len(await house.all(Message, ticket_id=1, text="能退款吗", direction="in")) == 2


async def test_commands_still_work_while_people_have_the_case(house: House) -> None:
    buyer = house.buyer()
    await buyer.say("转人工")

    shown = await buyer.say("我的工单")
    menu = await buyer.say("菜单")
    asked = await buyer.press("卡密用不了")

    assert "K-000001" in shown
    assert "请问要办哪一件" in menu
    assert "订单号" in asked


async def test_an_agents_reply_reaches_the_buyer_and_the_next_word_comes_back(house: House) -> None:
    buyer = house.buyer()
    await buyer.say("转人工")
    agent = await house.hire()

    async with house.database.writing() as session:
        await house.desk.reply(session, house.clock(), 1, agent, "您好，请稍等")
    news = await buyer.news()
    await buyer.say("好的谢谢")

    assert news == "您好，请稍等"
    assert (await house.one(Ticket)).phase == "open"


async def test_words_nobody_understands_go_to_the_ticket_that_waits(house: House) -> None:
    buyer = house.buyer()
    await buyer.say(f"{ORDER} {PASSWORD} 账号登不上")
    await buyer.press("****")

    noted = await buyer.say("上面写着请联系发行商")

    assert "已经转到工单 K-000001" in noted
    assert len(await house.all(Message, ticket_id=1, direction="in")) == 2


@pytest.mark.parametrize(
    ("days", "words", "reopens"),
    [
        (6, "上面写着请联系发行商", True),
        (6, "还是不行", True),
        (8, "上面写着请联系发行商", False),
        (8, "还是不行", False),
    ],
)
async def test_a_reply_to_a_settled_ticket_reopens_it(house: House, days: int, words: str, reopens: bool) -> None:
    buyer = house.buyer()
    await buyer.say("转人工")
    agent = await house.hire()
    async with house.database.writing() as session:
        await house.desk.resolve(session, house.clock(), 1, agent, Outcome.INSTRUCT)
    settled = await buyer.news()
    thanks = await buyer.say("谢谢")
    house.clock.advance(days=days)

    answer = await buyer.say(words)

    assert "直接回复这里" in settled
    assert "不客气" in thanks
    assert ("重新打开" in answer) is reopens
    assert ((await house.one(Ticket)).phase == "open") is reopens


async def test_a_ticket_is_about_the_last_words_that_say_something(house: House) -> None:
    buyer = house.buyer()
    for text in ("卡密兑换页面打不开", "你好", ORDER, PASSWORD, "菜单"):
        await buyer.say(text)
    await buyer.press("我的工单")

    await buyer.say("转人工")

    assert (await house.one(Ticket)).subject == "卡密兑换页面打不开"
