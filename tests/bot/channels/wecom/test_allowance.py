"""微信客服: five messages in 48 hours, and menus of ten entries."""

import pytest

from bot.channels.wecom import WeCom
from bot.fakes.buyer import Buyer
from bot.fakes.wecom import OPEN_KFID, FakeWeCom
from tests.bot.channels.wecom.conftest import BUYER, say
from tests.bot.conftest import House
from tickets.tables import (
    Conversation,
    Outgoing,
    Priority,
    ReplyWindow,
    Sending,
)


async def test_what_waits_goes_out_as_one_message(house: House, fake: FakeWeCom, buyer: Buyer) -> None:
    """The greeting of a first word and its answer: two rows of the outbox, one of the five messages."""
    await buyer.say("怎么查订单")

    (shown,) = fake.sessions[OPEN_KFID, BUYER].shown
    assert "自动客服" in shown.text
    assert "发订单号给我就能查" in shown.text
    assert [row.state for row in await house.all(Outgoing)] == [Sending.SENT, Sending.SENT]
    assert (await house.one(ReplyWindow)).messages_left == 4


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_more_entries_than_a_menu_may_have_go_on_in_a_second_one(
    house: House, fake: FakeWeCom, buyer: Buyer
) -> None:
    """The question for the reason of a claim has eleven where an order has several codes."""
    await buyer.say("怎么查订单")
    (conversation,) = await house.all(Conversation)
    labels = [f"第{number}个" for number in range(11)]

    await say(house, conversation, "哪里不对？", Priority.BOT_REPLY, labels)
    await buyer.news()

    shown = fake.sessions[OPEN_KFID, BUYER].shown[1:]
    assert [(one.text, list(one.menu)) for one in shown] == [("哪里不对？", labels[:10]), ("", labels[10:])]
    assert (await house.one(ReplyWindow)).messages_left == 2


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_what_waits_goes_out_as_one_message_as_far_as_its_menu_holds_the_entries(
    house: House, fake: FakeWeCom, buyer: Buyer
) -> None:
    await buyer.say("怎么查订单")
    (conversation,) = await house.all(Conversation)

    for part in range(3):
        await say(house, conversation, f"{part}", Priority.AGENT_REPLY, [f"{part}/{number}" for number in range(5)])
    await buyer.news()

    shown = fake.sessions[OPEN_KFID, BUYER].shown[1:]
    assert [(one.text, len(one.menu)) for one in shown] == [("0\n\n1", 10), ("2", 5)]


async def test_two_messages_are_kept_for_a_person_and_the_outcome(
    house: House, fake: FakeWeCom, wecom: WeCom, buyer: Buyer
) -> None:
    await buyer.say("怎么查订单")
    (conversation,) = await house.all(Conversation)
    for number in range(4):
        await say(house, conversation, f"通知{number}", Priority.NOTICE)
        await buyer.news()
    before = [shown.text for shown in fake.sessions[OPEN_KFID, BUYER].shown]

    await say(house, conversation, "我是小林，已经给您换了一张。", Priority.AGENT_REPLY)
    house.clock.advance(minutes=1)
    await buyer.news()

    shown = [shown.text for shown in fake.sessions[OPEN_KFID, BUYER].shown]
    assert before[1:] == ["通知0", "通知1"]
    assert shown[3] == "通知2\n\n通知3\n\n我是小林，已经给您换了一张。"
    assert (await house.one(ReplyWindow)).messages_left == 1


async def test_nothing_is_sent_after_the_window_closed(house: House, fake: FakeWeCom, buyer: Buyer) -> None:
    await buyer.say("怎么查订单")
    (conversation,) = await house.all(Conversation)
    calls = fake.calls["/cgi-bin/kf/send_msg"]
    house.clock.advance(hours=48)

    await say(house, conversation, "我是小林，已经给您换了一张。", Priority.AGENT_REPLY)
    await buyer.news()

    assert fake.calls["/cgi-bin/kf/send_msg"] == calls
    row = (await house.all(Outgoing))[-1]
    assert (row.state, "silent for too long" in row.problem) == (Sending.FAILED, True)


async def test_what_the_platform_refused_was_not_spent(house: House, fake: FakeWeCom, buyer: Buyer) -> None:
    await buyer.say("怎么查订单")
    (conversation,) = await house.all(Conversation)
    fake.next_fault("/cgi-bin/kf/send_msg", -1)

    await say(house, conversation, "在的。", Priority.AGENT_REPLY)
    await buyer.news()

    assert (await house.one(ReplyWindow)).messages_left == 4


async def test_what_was_refused_for_the_budget_is_not_given_back(house: House, fake: FakeWeCom, buyer: Buyer) -> None:
    """The platform counts what people send inside 企业微信 as well: it knows better."""
    await buyer.say("怎么查订单")
    (conversation,) = await house.all(Conversation)
    fake.next_fault("/cgi-bin/kf/send_msg", 95001)

    await say(house, conversation, "在的。", Priority.AGENT_REPLY)
    await buyer.news()

    assert (await house.one(ReplyWindow)).messages_left == 3


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_what_people_wrote_before_the_last_word_is_not_spent_of_it_though_we_hear_of_both_late(
    house: House, fake: FakeWeCom, wecom: WeCom, buyer: Buyer
) -> None:
    await buyer.say("找个人来")
    fake.is_mute = True
    await fake.change(BUYER, 1)
    for number in range(5):
        await fake.serve(BUYER, f"第{number}句")
    await fake.change(BUYER, 3)
    house.clock.advance(hours=2)
    await fake.say(BUYER, "怎么查订单")
    house.clock.advance(hours=2)

    await wecom.look(house.door.accept)
    await buyer.news()

    assert (await house.one(ReplyWindow)).messages_left >= 3
