"""微信客服: what an account's feed holds when it is read for the first time was not said to us; docs/decisions/0028."""

from collections.abc import Awaitable, Callable

import pytest

from bot.channels.wecom import WeCom
from bot.errors import DeliveryError
from bot.fakes.wecom import OPEN_KFID, FakeWeCom
from bot.tables import Feed, InboxRow, InboxState
from tests.bot.channels.wecom.conftest import BUYER, OTHER
from tests.bot.conftest import ORDER, PASSWORD, House
from tickets.tables import Author, Message, OrderBinding, Outgoing, ReplyWindow, Sending, Ticket

ASKED, ANSWER = "怎么查订单", "发订单号给我就能查"
OTHERS = "wmBuyer_0002"

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

Story = Callable[[House, FakeWeCom], Awaitable[object]]


async def read(house: House, *accounts: WeCom) -> None:
    """What the feed holds takes effect, and what waits is sent."""
    for account in accounts:
        await account.look(house.door.accept)
    for _ in range(3):
        await house.settle(*accounts)()
        house.clock.advance(minutes=1)


async def nobody_answered(house: House, fake: FakeWeCom) -> None:
    for text in ("能退款吗", "转人工", "在吗"):
        await fake.say(BUYER, text)
        house.clock.advance(hours=12)
    await fake.say(BUYER, ASKED)
    house.clock.advance(hours=11)


async def only_calls(house: House, fake: FakeWeCom) -> None:
    await fake.say(BUYER, "在吗")
    house.clock.advance(hours=1)


async def nobody_answered_the_night_before_last(house: House, fake: FakeWeCom) -> None:
    await fake.say(BUYER, ASKED)
    house.clock.advance(hours=13)


async def a_person_answered(house: House, fake: FakeWeCom) -> None:
    await fake.say(BUYER, ASKED)
    await fake.serve(BUYER, "发订单号来。")
    house.clock.advance(hours=1)


async def a_person_has_it(house: House, fake: FakeWeCom) -> None:
    await fake.say(BUYER, ASKED)
    await fake.change(BUYER, 1)
    house.clock.advance(hours=1)


async def a_person_had_it_before_the_feed_begins(house: House, fake: FakeWeCom) -> None:
    fake.sessions[OPEN_KFID, BUYER].state = 3
    await fake.say(BUYER, ASKED)
    house.clock.advance(hours=1)


async def a_person_ended_it(house: House, fake: FakeWeCom) -> None:
    await fake.say(BUYER, ASKED)
    await fake.change(BUYER, 3)
    house.clock.advance(hours=1)


async def they_gave_thanks(house: House, fake: FakeWeCom) -> None:
    await a_person_ended_it(house, fake)
    await fake.say(BUYER, "谢谢")
    house.clock.advance(hours=1)


async def they_pressed_what_another_program_showed(house: House, fake: FakeWeCom) -> None:
    await fake.press(BUYER, "theirs-1", ASKED)
    house.clock.advance(hours=1)


async def they_only_looked_in(house: House, fake: FakeWeCom) -> None:
    await fake.enter(BUYER, "poster")
    house.clock.advance(hours=1)


async def they_took_it_back(house: House, fake: FakeWeCom) -> None:
    await fake.say(BUYER, ASKED)
    await fake.recall(BUYER, fake.numbers()[-1])
    house.clock.advance(hours=1)


@pytest.mark.parametrize(
    ("story", "wanted"),
    [
        (nobody_answered, [ANSWER]),
        (only_calls, ["有什么可以帮您"]),
        (nobody_answered_the_night_before_last, []),
        (a_person_answered, []),
        (a_person_has_it, []),
        (a_person_had_it_before_the_feed_begins, []),
        (a_person_ended_it, []),
        (they_gave_thanks, []),
        (they_pressed_what_another_program_showed, []),
        (they_only_looked_in, []),
        (they_took_it_back, []),
    ],
    ids=lambda one: getattr(one, "__name__", None),
)
async def test_a_buyer_gets_one_answer_at_most_and_none_where_others_have_the_word(
    house: House, fake: FakeWeCom, wecom: WeCom, story: Story, wanted: list[str]
) -> None:
    fake.is_mute = True
    await story(house, fake)

    await read(house, wecom)

    shown = fake.sessions[OPEN_KFID, BUYER].shown
    assert [answer for answer in wanted if answer in "".join(one.text for one in shown)] == wanted
    assert (len(shown), await house.all(Ticket)) == (len(wanted), [])
    assert {row.state for row in await house.all(InboxRow)} <= {InboxState.DONE}


async def test_what_was_said_stands_in_the_thread_in_its_order(house: House, fake: FakeWeCom, wecom: WeCom) -> None:
    fake.is_mute = True
    fake.page = 2
    await nobody_answered(house, fake)
    await they_pressed_what_another_program_showed(house, fake)
    await fake.serve(BUYER, "在的。")
    house.clock.advance(hours=1)

    await read(house, wecom)

    said = [(one.author, one.text) for one in await house.all(Message)]
    words = ("能退款吗", "转人工", "在吗", ASKED, ASKED)
    assert said == [*((Author.BUYER, text) for text in words), (Author.AGENT, "在的。")]


async def test_what_was_said_just_now_was_said_to_us(house: House, fake: FakeWeCom, wecom: WeCom) -> None:
    """Who waits longer is overtaken by it; who opens the conversation is greeted."""
    fake.is_mute = True
    await fake.say(BUYER, "能退款吗")
    house.clock.advance(hours=1)
    await fake.say(BUYER, "能退款吗")
    await fake.say(BUYER, ASKED)
    await fake.enter(OTHERS, "poster")

    await read(house, wecom)

    (shown,) = fake.sessions[OPEN_KFID, BUYER].shown
    assert shown.text.count("答复退款") == 1
    assert ANSWER in shown.text
    assert "自动客服" in fake.sessions[OPEN_KFID, OTHERS].shown[0].text


async def test_a_proof_of_the_past_proves_nothing_and_is_hidden(house: House, fake: FakeWeCom, wecom: WeCom) -> None:
    fake.is_mute = True
    await fake.say(BUYER, f"订单 {ORDER} 查询密码 {PASSWORD}")
    house.clock.advance(hours=1)
    await fake.say(BUYER, "谢谢")
    house.clock.advance(hours=1)

    await read(house, wecom)

    assert await house.all(OrderBinding) == []
    assert not any(PASSWORD in text for text in await house.heard())


async def test_what_people_wrote_before_the_last_word_is_not_counted_against_it(
    house: House, fake: FakeWeCom, wecom: WeCom
) -> None:
    fake.is_mute = True
    await fake.say(BUYER, "能退款吗")
    for number in range(5):
        await fake.serve(BUYER, f"第{number}句")
    house.clock.advance(hours=1)
    await fake.say(BUYER, ASKED)
    house.clock.advance(hours=1)

    await read(house, wecom)

    (shown,) = fake.sessions[OPEN_KFID, BUYER].shown
    assert ANSWER in shown.text
    assert {row.state for row in await house.all(Outgoing)} == {Sending.SENT}
    assert (await house.one(ReplyWindow)).messages_left == 4


async def test_who_wrote_much_before_is_not_told_that_they_write_too_fast(
    house: House, fake: FakeWeCom, wecom: WeCom
) -> None:
    fake.is_mute = True
    for number in range(50):
        await fake.say(BUYER, f"第{number}句")
    house.clock.advance(hours=1)

    await read(house, wecom)

    (shown,) = fake.sessions[OPEN_KFID, BUYER].shown
    assert "发得很快" not in shown.text
    assert len(await house.heard()) == 50


async def test_a_first_look_that_is_stopped_goes_on_where_it_was(house: House, fake: FakeWeCom, wecom: WeCom) -> None:
    """Without the word of a callback the platform lets us ask seldom: to begin anew each time would never end."""
    fake.is_mute, fake.page = True, 1
    await nobody_answered(house, fake)
    fake.next_fault("/cgi-bin/kf/sync_msg", "none")
    fake.next_fault("/cgi-bin/kf/sync_msg", "none")
    fake.next_fault("/cgi-bin/kf/sync_msg", 45009)

    with pytest.raises(DeliveryError):
        await wecom.look(house.door.accept)
    places = await house.all(Feed)
    house.clock.advance(minutes=1)
    await read(house, wecom)

    assert places == []
    assert fake.calls["/cgi-bin/kf/sync_msg"] == 3 + 2
    assert [ANSWER in one.text for one in fake.sessions[OPEN_KFID, BUYER].shown] == [True]
    assert await house.heard() == ["能退款吗", "转人工", "在吗", ASKED]


async def test_a_page_of_the_first_look_that_was_not_stored_loses_nothing_that_waited(
    house: House, fake: FakeWeCom, wecom: WeCom
) -> None:
    fake.is_mute, fake.page = True, 1
    await nobody_answered(house, fake)
    pages = 0

    async def away_at_the_third(*updates: object) -> int:
        nonlocal pages
        pages += 1
        if pages == 3:
            raise OSError("the disk is full")
        return await house.door.accept(*updates)  # type: ignore[arg-type]

    with pytest.raises(OSError, match="disk"):
        await wecom.look(away_at_the_third)
    await read(house, wecom)

    assert [ANSWER in one.text for one in fake.sessions[OPEN_KFID, BUYER].shown] == [True]
    assert await house.heard() == ["能退款吗", "转人工", "在吗", ASKED]


async def test_what_came_while_the_feed_was_not_to_be_had_is_judged_by_when_it_was(
    house: House, fake: FakeWeCom, wecom: WeCom
) -> None:
    """The secret is wrong for hours: nobody was there for what was said meanwhile."""
    fake.is_mute = True
    fake.next_fault("/cgi-bin/kf/sync_msg", -1)
    with pytest.raises(DeliveryError):
        await wecom.look(house.door.accept)
    house.clock.advance(hours=1)
    await a_person_answered(house, fake)

    await read(house, wecom)

    assert fake.sessions[OPEN_KFID, BUYER].shown == []


async def test_another_account_of_the_company_has_a_first_look_of_its_own(
    house: House, fake: FakeWeCom, accounts: list[WeCom]
) -> None:
    fake.is_mute = True
    await accounts[0].look(house.door.accept)
    await fake.say(BUYER, "能退款吗", OTHER)
    house.clock.advance(hours=1)
    await fake.say(BUYER, ASKED, OTHER)
    house.clock.advance(hours=1)

    await read(house, accounts[1])

    (shown,) = fake.sessions[OTHER, BUYER].shown
    assert (ANSWER in shown.text, "答复退款" in shown.text) == (True, False)
