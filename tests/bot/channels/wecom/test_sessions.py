"""微信客服: who has a session, greetings, and what people do inside 企业微信."""

from datetime import timedelta

import pytest

from audit.tables import AuditRow
from bot.channels.wecom import WeCom
from bot.fakes.buyer import Buyer
from bot.fakes.wecom import OPEN_KFID, FakeWeCom
from bot.tables import Feed
from tests.bot.channels.wecom.conftest import BUYER, say
from tests.bot.conftest import LINKS, ORDER, House
from tickets.tables import (
    Author,
    Conversation,
    Message,
    Outgoing,
    Priority,
    Rating,
    ReplyWindow,
    Sending,
    Ticket,
)


async def test_a_question_is_answered_and_its_buttons_work(fake: FakeWeCom, buyer: Buyer) -> None:
    answer = await buyer.say("怎么查订单")
    thanks = await buyer.press("👍")

    assert "发订单号给我就能查" in answer
    assert thanks


async def test_who_opens_the_conversation_is_greeted_with_their_order_at_no_cost(
    house: House, fake: FakeWeCom, buyer: Buyer
) -> None:
    greeting = await buyer.start(LINKS.sign(ORDER, house.clock() + timedelta(minutes=30)))

    assert ("自动客服" in greeting, "Steam 50元充值卡" in greeting) == (True, True)
    assert fake.calls["/cgi-bin/kf/send_msg_on_event"] == 1
    assert fake.calls["/cgi-bin/kf/send_msg"] == 0


async def test_a_code_to_greet_with_that_was_of_no_use_is_not_kept(house: House, fake: FakeWeCom, wecom: WeCom) -> None:
    """The address of a buyer stands beside it."""
    for name in ("wmBuyer_0001", "wmBuyer_0002"):
        await fake.enter(name)
        await wecom.look(house.door.accept)
        house.clock.advance(minutes=1)

    assert sorted(row.name for row in await house.all(Feed)) == ["messages", "welcome wmBuyer_0002"]


@pytest.mark.parametrize(("state", "sent"), [(2, Sending.SENT), (4, Sending.SENT), (3, Sending.FAILED)])
async def test_a_session_is_taken_over_unless_a_person_has_it(
    house: House, fake: FakeWeCom, buyer: Buyer, state: int, sent: Sending
) -> None:
    fake.sessions[OPEN_KFID, BUYER].state = state

    await buyer.say("怎么查订单")

    assert (await house.all(Outgoing))[0].state == sent


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(("call", "fault"), [("get", -1), ("trans", "lost")])
async def test_a_session_that_is_not_to_be_had_for_a_moment_is_weather(
    house: House, fake: FakeWeCom, buyer: Buyer, call: str, fault: int | str
) -> None:
    fake.sessions[OPEN_KFID, BUYER].state = 2
    fake.next_fault(f"/cgi-bin/kf/service_state/{call}", fault)

    await buyer.say("怎么查订单")
    house.clock.advance(minutes=1)
    await buyer.news()

    assert {row.state for row in await house.all(Outgoing)} == {Sending.SENT}
    assert len(fake.sessions[OPEN_KFID, BUYER].shown) == 1


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_who_only_looks_in_again_is_not_greeted_each_time(house: House, fake: FakeWeCom, buyer: Buyer) -> None:
    """It would be one of the five messages each time, and where none may be sent a message that failed."""
    await buyer.say("怎么查订单")

    again = [await buyer.start() for _ in range(3)]
    house.clock.advance(hours=72)
    fake.sessions[OPEN_KFID, BUYER].allowance.until = house.clock().timestamp() + 1  # then it gives no code
    late = await buyer.start()

    assert (again, late) == ([""] * 3, "")
    assert (await house.one(ReplyWindow)).messages_left == 4
    assert {row.state for row in await house.all(Outgoing)} == {Sending.SENT}


async def test_a_session_that_ended_waits_for_the_next_word(house: House, fake: FakeWeCom, buyer: Buyer) -> None:
    await buyer.say("怎么查订单")
    (conversation,) = await house.all(Conversation)
    fake.sessions[OPEN_KFID, BUYER].state = 4

    await say(house, conversation, "在的。", Priority.AGENT_REPLY)
    await buyer.news()

    row = (await house.all(Outgoing))[-1]
    assert (row.state, "the session ended" in row.problem) == (Sending.FAILED, True)
    assert "答复退款" in await buyer.say("能退款吗")


@pytest.mark.parametrize("change", [1, 2, 4])
async def test_while_a_person_has_the_session_the_bot_is_silent(
    house: House, fake: FakeWeCom, wecom: WeCom, buyer: Buyer, change: int
) -> None:
    await buyer.say("怎么查订单")
    await fake.change(BUYER, change)
    await fake.serve(BUYER, "我是小王，我来看。")
    house.clock.advance(hours=1)
    await fake.say(BUYER, "能退款吗")
    await wecom.look(house.door.accept)
    await buyer.news()
    shown = len(fake.sessions[OPEN_KFID, BUYER].shown)
    said = [(one.author, one.text) for one in await house.all(Message)][-2:]
    held = (await house.all(Conversation))[0].hushed_until

    await fake.change(BUYER, 3)
    await wecom.look(house.door.accept)
    await buyer.news()
    window = await house.one(ReplyWindow)

    assert (shown, said) == (1, [(Author.AGENT, "我是小王，我来看。"), (Author.BUYER, "能退款吗")])
    assert (held is not None, window.closes_at <= house.clock()) == (True, True)
    assert "答复退款" in await buyer.say("能退款吗")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_what_a_person_answered_before_we_read_it_is_not_answered_again(
    house: House, fake: FakeWeCom, wecom: WeCom, buyer: Buyer
) -> None:
    """After an outage: it would go out with the answer to what the buyer says next."""
    await buyer.say("在吗")
    fake.is_mute = True
    await fake.say(BUYER, "怎么查订单")
    await fake.change(BUYER, 1)
    await fake.serve(BUYER, "发订单号来。")
    house.clock.advance(hours=1)
    await fake.change(BUYER, 3)
    await fake.say(BUYER, "能退款吗")
    house.clock.advance(hours=1)

    await wecom.look(house.door.accept)
    await buyer.news()

    last = fake.sessions[OPEN_KFID, BUYER].shown[-1].text
    assert ("答复退款" in last, "发订单号给我就能查" in last) == (True, False)
    assert await house.heard() == ["在吗", "怎么查订单", "能退款吗"]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_button_of_ours_works_though_a_person_took_the_session_before_we_read_of_it(
    house: House, fake: FakeWeCom, wecom: WeCom, buyer: Buyer
) -> None:
    await buyer.say("找个人来")
    await fake.change(BUYER, 1)
    await fake.serve(BUYER, "换好了。")
    await end(house, fake, wecom, buyer)
    fake.is_mute = True
    menu = fake.sessions[OPEN_KFID, BUYER].shown[-1].menu
    await fake.press(BUYER, next(handle for label, handle in menu.items() if "5" in label))
    await fake.change(BUYER, 4)

    await wecom.look(house.door.accept)
    await buyer.news()

    assert (await house.one(Rating)).score == 5


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_session_that_a_person_had_before_we_came_is_theirs(
    house: House, fake: FakeWeCom, buyer: Buyer
) -> None:
    await fake.change(BUYER, 1)

    await buyer.say("怎么查订单")

    assert (await house.heard(), await house.all(Outgoing)) == (["怎么查订单"], [])


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_press_while_a_person_has_the_session_is_theirs_to_read(
    house: House, fake: FakeWeCom, buyer: Buyer
) -> None:
    await buyer.say("怎么查订单")
    await buyer.say("找个人来")
    (ticket,) = await house.all(Ticket)
    posted = len(await house.all(Outgoing))
    await fake.change(BUYER, 1)

    await buyer.press("👎")

    last = (await house.all(Message))[-1]
    assert (last.author, last.text, last.ticket_id) == (Author.BUYER, "👎 没用", ticket.id)
    assert len(await house.all(Outgoing)) == posted


async def test_who_was_answered_on_the_platform_is_asked_how_it_was_when_that_ends(
    house: House, fake: FakeWeCom, wecom: WeCom, buyer: Buyer
) -> None:
    await buyer.say("找个人来")
    await fake.change(BUYER, 1)
    await fake.serve(BUYER, "我是小王，换好了。")

    asked = await end(house, fake, wecom, buyer)
    thanks = await buyer.press("5 分")
    again = await end(house, fake, wecom, buyer)

    assert "处理得怎么样" in asked
    assert (await house.one(Rating)).score == 5
    assert "谢谢" in thanks
    assert again == ""


@pytest.mark.parametrize("case", ["late", "unanswered", "nothing on a ticket", "not delivered"])
async def test_a_session_that_ends_is_not_always_asked_about(
    house: House, fake: FakeWeCom, wecom: WeCom, buyer: Buyer, case: str
) -> None:
    await buyer.say("找个人来" if case != "nothing on a ticket" else "怎么查订单")
    await fake.change(BUYER, 1)
    if case == "not delivered":
        agent = await house.hire()
        async with house.database.writing() as session:
            await house.desk.reply(session, house.clock(), 1, agent, "换好了。")
    else:
        await fake.serve(BUYER, "我是小王，换好了。")
    if case == "unanswered":
        await fake.say(BUYER, "还是不行")

    asked = await end(house, fake, wecom, buyer, seconds=20 if case == "late" else 0)

    assert (asked, await house.all(Rating)) == ("", [])
    assert (await house.all(Outgoing))[-1].state == (Sending.FAILED if case == "not delivered" else Sending.SENT)


async def end(house: House, fake: FakeWeCom, wecom: WeCom, buyer: Buyer, seconds: float = 0) -> str:
    """A person ends the session; what the buyer is told when that is read so much later."""
    await wecom.look(house.door.accept)
    await buyer.news()
    await fake.change(BUYER, 3)
    house.clock.advance(seconds=seconds)
    await wecom.look(house.door.accept)
    return await buyer.news()


async def test_what_is_taken_back_is_marked_by_whose_it_was(
    house: House, fake: FakeWeCom, wecom: WeCom, buyer: Buyer
) -> None:
    await buyer.say("怎么查订单")
    await fake.serve(BUYER, "密码是 123")

    first, *_, last = fake.numbers()
    await fake._event(BUYER, OPEN_KFID, {"event_type": "servicer_recall_msg", "recall_msgid": last})
    await fake.recall(BUYER, first)
    await wecom.look(house.door.accept)
    await buyer.news()

    taken_back = [one for one in await house.all(Message) if one.withdrawn_at]
    assert [one.author for one in taken_back] == [Author.BUYER, Author.AGENT]
    assert [row.actor for row in await house.all(AuditRow, action="message.withdrawn")] == ["owner", "buyer:1"]
