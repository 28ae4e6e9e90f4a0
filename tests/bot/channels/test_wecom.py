"""微信客服 against the stand-in for 企业微信: the feed and its place, sessions, greetings, accounts that never mix."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from bot.channels.wecom import WeCom
from bot.errors import Ambiguous
from bot.fakes.buyer import Buyer
from bot.fakes.tencent import serving
from bot.fakes.wechat_front import WeComFront
from bot.fakes.wecom import OPEN_KFID, FakeWeCom
from bot.tables import Feed, InboxRow
from tests.bot.channels.fronts import open_wecom
from tests.bot.conftest import House
from tickets import outbox
from tickets.tables import Author, Conversation, Message, Outgoing, Picture, Priority, ReplyWindow, Sending

BUYER, OTHER = "wmBuyer_0001", "wkBBB0002"


@pytest.fixture
async def fake(house: House) -> AsyncIterator[FakeWeCom]:
    async with serving(FakeWeCom(clock=lambda: house.clock().timestamp(), accounts=(OPEN_KFID, OTHER))) as fake:
        yield fake


@pytest.fixture
async def accounts(house: House, fake: FakeWeCom) -> AsyncIterator[list[WeCom]]:
    async with open_wecom(house, fake) as accounts:
        yield accounts


@pytest.fixture
def wecom(accounts: list[WeCom]) -> WeCom:
    return accounts[0]


def looking(house: House, wecom: WeCom) -> Callable[[], Awaitable[object]]:
    async def look() -> None:
        await wecom.look(house.door.accept)

    return look


@pytest.fixture
def buyer(house: House, fake: FakeWeCom, wecom: WeCom) -> Buyer:
    return Buyer(WeComFront(fake, wecom, looking(house, wecom), BUYER), house.settle(wecom))


async def test_a_question_is_answered_and_its_buttons_work(fake: FakeWeCom, buyer: Buyer) -> None:
    answer = await buyer.say("怎么查订单")
    thanks = await buyer.press("👍")

    assert "发订单号给我就能查" in answer
    assert thanks


async def test_a_callback_tells_the_account_that_it_names(fake: FakeWeCom, accounts: list[WeCom]) -> None:
    assert await fake.call(OTHER) == 1

    assert [one._feed._word for one in accounts] == ["", f"word-{OTHER}"]


async def test_who_opens_the_conversation_is_greeted_at_no_cost(fake: FakeWeCom, buyer: Buyer) -> None:
    greeting = await buyer.start()

    assert "自动客服" in greeting
    assert fake.calls["/cgi-bin/kf/send_msg_on_event"] == 1
    assert fake.calls["/cgi-bin/kf/send_msg"] == 0


async def test_what_is_read_twice_takes_effect_once(house: House, fake: FakeWeCom, wecom: WeCom, buyer: Buyer) -> None:
    await buyer.say("怎么查订单")
    shown = len(fake.sessions[OPEN_KFID, BUYER].shown)
    async with house.database.writing() as session:
        place = await session.get_one(Feed, ("wecom", OPEN_KFID, "messages"))
        place.cursor = ""

    assert await wecom.look(house.door.accept) == 0
    await buyer.news()

    assert len(fake.sessions[OPEN_KFID, BUYER].shown) == shown


async def test_the_place_is_kept_page_by_page(house: House, fake: FakeWeCom, wecom: WeCom) -> None:
    fake.page = 2
    for number in range(5):
        await fake.say(BUYER, f"第{number}句")

    assert await wecom.look(house.door.accept) == 5

    assert (await house.one(Feed, name="messages")).cursor == fake.numbers()[-1]
    assert fake.calls["/cgi-bin/kf/sync_msg"] == 3


async def test_a_page_that_was_not_stored_is_read_again(house: House, fake: FakeWeCom, wecom: WeCom) -> None:
    await fake.say(BUYER, "怎么查订单")

    async def away(*_: object) -> int:
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="disk"):
        await wecom.look(away)

    assert await wecom.look(house.door.accept) == 1


async def test_after_two_days_away_every_word_is_there_once_and_in_order(
    house: House, fake: FakeWeCom, wecom: WeCom, buyer: Buyer
) -> None:
    await buyer.say("怎么查订单")
    fake.is_mute = True
    said = [f"在吗 {number}" for number in range(30)]
    for text in said:
        await fake.say(BUYER, text)
        house.clock.advance(minutes=90)

    await buyer.news()
    await wecom.look(house.door.accept)
    await buyer.news()

    heard = [row.text for row in await house.all(Message, direction="in")]
    assert heard == ["怎么查订单", *said]


async def test_accounts_never_mix(house: House, fake: FakeWeCom, accounts: list[WeCom], buyer: Buyer) -> None:
    other = accounts[1]
    second = Buyer(WeComFront(fake, other, looking(house, other), BUYER, OTHER), house.settle(other))

    await buyer.say("怎么查订单")
    answer = await second.say("能退款吗")

    assert "答复退款" in answer
    assert {row.account for row in await house.all(InboxRow)} == {OPEN_KFID, OTHER}
    assert not any("退款" in shown.text for shown in fake.sessions[OPEN_KFID, BUYER].shown)


@pytest.mark.parametrize(("state", "sent"), [(2, Sending.SENT), (4, Sending.SENT), (3, Sending.FAILED)])
async def test_a_session_is_taken_over_unless_a_person_has_it(
    house: House, fake: FakeWeCom, buyer: Buyer, state: int, sent: Sending
) -> None:
    fake.sessions[OPEN_KFID, BUYER].state = state

    await buyer.say("怎么查订单")

    assert (await house.all(Outgoing))[0].state == sent


async def test_a_repeat_of_what_was_sent_is_refused_by_the_platform(
    house: House, fake: FakeWeCom, wecom: WeCom, buyer: Buyer
) -> None:
    """The id of a message follows from its place in the outbox: whatever sends it again, it is shown once."""
    await buyer.start()
    fake.next_fault("/cgi-bin/kf/send_msg", "lost")
    await buyer.say("怎么查订单")
    row = (await house.all(Outgoing, state=Sending.UNKNOWN))[0]
    message = (await house.all(Message, id=row.message_id))[0]
    shown = len(fake.sessions[OPEN_KFID, BUYER].shown)

    with pytest.raises(Exception, match="40058"):
        await wecom.deliver(row, message)

    assert len(fake.sessions[OPEN_KFID, BUYER].shown) == shown


async def test_what_did_not_arrive_after_all_is_known(house: House, fake: FakeWeCom, buyer: Buyer) -> None:
    await buyer.say("怎么查订单")
    row = (await house.all(Outgoing, state=Sending.SENT))[-1]

    await fake.fail(BUYER, row.foreign_id)
    await buyer.say("在吗")

    assert {one.state for one in await house.all(Outgoing, foreign_id=row.foreign_id)} == {Sending.FAILED}


async def test_a_feed_that_is_not_to_be_had_is_weather(house: House, fake: FakeWeCom, wecom: WeCom) -> None:
    fake.next_fault("/cgi-bin/kf/sync_msg", "cut")
    await fake.say(BUYER, "怎么查订单")

    with pytest.raises(Ambiguous):
        await wecom.look(house.door.accept)

    assert await wecom.look(house.door.accept) == 1


async def test_an_old_token_is_renewed(fake: FakeWeCom, buyer: Buyer) -> None:
    await buyer.say("怎么查订单")
    fake.expire_tokens()

    assert "答复退款" in await buyer.say("能退款吗")


async def test_what_waits_goes_out_as_one_message(house: House, fake: FakeWeCom, buyer: Buyer) -> None:
    """The greeting of a first word and its answer: two rows of the outbox, one of the five messages."""
    await buyer.say("怎么查订单")

    (shown,) = fake.sessions[OPEN_KFID, BUYER].shown
    assert "自动客服" in shown.text
    assert "发订单号给我就能查" in shown.text
    assert [row.state for row in await house.all(Outgoing)] == [Sending.SENT, Sending.SENT]
    assert (await house.one(ReplyWindow)).messages_left == 4


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


async def say(house: House, conversation: Conversation, text: str, priority: Priority) -> None:
    async with house.database.writing() as session:
        await outbox.post(session, house.clock(), conversation, text, author=Author.BOT, priority=priority)


async def test_a_picture_is_drawn_anew_and_kept(house: House, buyer: Buyer) -> None:
    await buyer.photo()

    assert len(await house.all(Picture)) == 1


async def test_a_picture_that_is_gone_is_named(house: House, fake: FakeWeCom, buyer: Buyer) -> None:
    fake.next_fault("/cgi-bin/media/get", 40007)

    await buyer.photo()

    (message,) = await house.all(Message, direction="in")
    assert message.attachments[0]["problem"] == "gone"
