"""微信客服: what the platform took and did not deliver, and what it was shown before."""

from contextlib import suppress
from datetime import timedelta

import pytest

from bot.bell import Bell
from bot.channels.wecom import WeCom
from bot.channels.wecom.numbers import number_of, outgoing_of, stands_for
from bot.channels.weixin.errors import unsent
from bot.errors import Ambiguous
from bot.fakes.buyer import Buyer
from bot.fakes.wecom import OPEN_KFID, FakeWeCom
from bot.tables import Feed
from tests.bot.channels.wecom.conftest import BUYER, looking, say
from tests.bot.conftest import House
from tickets import outbox
from tickets.tables import (
    Conversation,
    Message,
    Outgoing,
    Priority,
    ReplyWindow,
    Sending,
    id_of,
)
from tickets.taking_back import LOST


async def test_a_repeat_of_what_was_sent_is_refused_by_the_platform(
    house: House, fake: FakeWeCom, wecom: WeCom, buyer: Buyer
) -> None:
    """Its id follows from its place in the outbox: whatever a link in it says by now, it is shown once."""
    await buyer.start()
    fake.next_fault("/cgi-bin/kf/send_msg", "lost")
    await buyer.say("怎么查订单")
    row = (await house.all(Outgoing, state=Sending.UNKNOWN))[0]
    message = (await house.all(Message, id=row.message_id))[0]
    shown = len(fake.sessions[OPEN_KFID, BUYER].shown)

    message.text = "这个链接已经打开过了。"
    with pytest.raises(Ambiguous):
        await wecom.deliver(row, message)

    assert len(fake.sessions[OPEN_KFID, BUYER].shown) == shown


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_what_a_database_begun_anew_says_is_no_repeat_of_what_the_one_before_said(
    house: House, fake: FakeWeCom, wecom: WeCom, buyer: Buyer
) -> None:
    await buyer.say("怎么查订单")
    row = (await house.all(Outgoing))[0]
    (message,) = await house.all(Message, id=row.message_id)
    before = row.foreign_id
    row.created_at, row.foreign_id = row.created_at + timedelta(days=1), None

    await wecom.deliver(row, message)

    assert len(fake.sessions[OPEN_KFID, BUYER].shown) == 2
    assert not stands_for(before, row)
    assert (outgoing_of(before), outgoing_of(f"k-{'9' * 19}-0-1-a")) == (row.id, None)


async def test_what_did_not_arrive_after_all_is_known(
    house: House, fake: FakeWeCom, wecom: WeCom, buyer: Buyer
) -> None:
    look = looking(house, wecom)
    await buyer.say("怎么查订单")
    row = (await house.all(Outgoing, state=Sending.SENT))[-1]

    before = (await house.one(ReplyWindow)).messages_left
    await fake.fail(BUYER, row.foreign_id)
    await look()

    assert {one.state for one in await house.all(Outgoing, foreign_id=f"{LOST}{row.foreign_id}")} == {Sending.FAILED}
    assert (await house.one(ReplyWindow)).messages_left == before + 1


def test_why_it_did_not_arrive_is_said_as_far_as_it_is_known() -> None:
    said = {reason: str(unsent(reason)[0]).partition(": ")[2] for reason in (4, 6, 13, 99)}

    assert said[4] == "the session ended"
    assert (said[13], said[99]) == ("the platform finds something unsafe in it (fail_type 13)", "fail_type 99")
    assert [unsent(reason)[1] for reason in (4, 6, 13)] == [True, True, False]


async def test_what_did_not_arrive_after_all_is_sent_again_under_another_id(
    house: House, fake: FakeWeCom, wecom: WeCom, buyer: Buyer
) -> None:
    await buyer.say("怎么查订单")
    row = (await house.all(Outgoing, state=Sending.SENT))[-1]
    shown = len(fake.sessions[OPEN_KFID, BUYER].shown)
    await fake.fail(BUYER, row.foreign_id)
    await wecom.look(house.door.accept)

    async with house.database.writing() as session:
        for one in await house.all(Outgoing):
            await outbox.send_again(session, house.clock(), one.id, "agent:1")
    await buyer.news()

    assert {one.state for one in await house.all(Outgoing)} == {Sending.SENT}
    assert len(fake.sessions[OPEN_KFID, BUYER].shown) == shown + 1


async def test_what_did_not_arrive_is_known_though_the_platform_says_so_before_its_sender_does(
    house: House, fake: FakeWeCom, wecom: WeCom, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fake.say(BUYER, "怎么查订单")
    await wecom.look(house.door.accept)
    await house.inbox(wecom).drain()
    with monkeypatch.context() as patch, suppress(ConnectionError):
        patch.setattr(outbox, "mark_sent", _die)
        await house.delivery(wecom).drain()
    number = fake.sessions[OPEN_KFID, BUYER].shown[0].body["msgid"]

    await fake.fail(BUYER, number)
    await wecom.look(house.door.accept)
    await house.delivery(wecom).drain()
    await wecom.look(house.door.accept)

    assert {(row.state, row.foreign_id) for row in await house.all(Outgoing)} == {(Sending.FAILED, LOST + number)}
    assert {row.name for row in await house.all(Feed)} == {"messages"}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_the_platform_is_not_asked_ever_so_often_while_a_lost_message_is_still_to_be_written_down(
    house: House, fake: FakeWeCom, wecom: WeCom
) -> None:
    """It may wait for hours behind what its buyer's allowance keeps back."""
    await fake.say(BUYER, "怎么查订单")
    await wecom.look(house.door.accept)
    await house.inbox(wecom).drain()
    row, message = (await house.all(Outgoing))[0], (await house.all(Message, direction="out"))[0]
    await fake.fail(BUYER, number_of(row, message, 0))
    wecom._bell = Unrung(6)

    with suppress(EndOfStory):
        await wecom._read_on(house.door.accept)

    assert wecom._bell.waits == [1, 2, 4, 8, 16, 32]


class EndOfStory(BaseException): ...


class Unrung(Bell):
    """Nobody rings; how long was to be waited, so many times."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.waits: list[float] = []
        self._count = count

    async def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        if len(self.waits) == self._count:
            raise EndOfStory


async def _die(*_: object) -> None:
    raise ConnectionError


async def test_a_part_that_did_not_arrive_is_sent_again_and_no_other(
    house: House, fake: FakeWeCom, wecom: WeCom, buyer: Buyer
) -> None:
    """The platform tells of the first part while the second waits."""
    await buyer.say("怎么查订单")
    (conversation,) = await house.all(Conversation)
    fake.next_fault("/cgi-bin/kf/send_msg", "none")
    fake.next_fault("/cgi-bin/kf/send_msg", -1)
    await say(house, conversation, "一" * 680 + "\n" + "二" * 680, Priority.AGENT_REPLY)
    await buyer.news()
    shown = fake.sessions[OPEN_KFID, BUYER].shown

    await fake.fail(BUYER, shown[-1].body["msgid"])
    await wecom.look(house.door.accept)
    house.clock.advance(minutes=1)
    await buyer.news()
    await wecom.look(house.door.accept)
    row = (await house.all(Outgoing))[-1]
    async with house.database.writing() as session:
        await outbox.send_again(session, house.clock(), id_of(row), "agent:1")
    await buyer.news()

    assert row.state == Sending.FAILED
    assert [one.text[:1] for one in shown[1:]] == ["一", "二", "一"]
    assert (await house.all(Outgoing))[-1].state == Sending.SENT


async def test_of_what_may_have_arrived_the_platform_says_that_it_did_not(
    house: House, fake: FakeWeCom, wecom: WeCom, buyer: Buyer
) -> None:
    fake.next_fault("/cgi-bin/kf/send_msg", "lost")
    await buyer.say("怎么查订单")
    number = fake.sessions[OPEN_KFID, BUYER].shown[0].body["msgid"]

    await fake.fail(BUYER, number)
    await wecom.look(house.door.accept)

    first = (await house.all(Outgoing))[0]
    assert (first.state, first.foreign_id) == (Sending.FAILED, LOST + number)
