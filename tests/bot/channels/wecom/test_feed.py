"""微信客服: the feed and its place, what is new in it, accounts that never mix."""

import pytest

from bot.channels.wecom import WeCom, reading
from bot.channels.weixin import api
from bot.errors import Ambiguous
from bot.fakes.buyer import Buyer
from bot.fakes.wechat_front import WeComFront
from bot.fakes.wecom import OPEN_KFID, FakeWeCom
from bot.inbox import FILE_LIMIT
from bot.tables import Feed, InboxRow
from tests.bot.channels.wecom.conftest import BUYER, OTHER, looking
from tests.bot.conftest import House
from tickets import attachments
from tickets.tables import (
    KeptFile,
    Message,
    Picture,
)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_callback_tells_the_account_that_it_names_and_the_owner_of_one_that_was_forgotten(
    fake: FakeWeCom, accounts: list[WeCom], caplog: pytest.LogCaptureFixture
) -> None:
    assert [await fake.call(one) for one in (OTHER, "wkForgotten", "wkForgotten")] == [1, 1, 1]

    assert [one._feed._word for one in accounts] == ["", f"word-{OTHER}"]
    assert sum("'wkForgotten', which is not among the accounts" in line for line in caplog.messages) == 1


async def test_what_is_read_twice_takes_effect_once(house: House, fake: FakeWeCom, wecom: WeCom, buyer: Buyer) -> None:
    await buyer.say("怎么查订单")
    shown = len(fake.sessions[OPEN_KFID, BUYER].shown)
    async with house.database.writing() as session:
        place = await session.get_one(Feed, ("wecom", OPEN_KFID, "messages"))
        place.cursor = ""

    assert await wecom.look(house.door.accept) == 0
    await buyer.news()

    assert len(fake.sessions[OPEN_KFID, BUYER].shown) == shown


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_place_that_the_platform_does_not_know_any_more_keeps_nobody_waiting(
    house: House, fake: FakeWeCom, wecom: WeCom, buyer: Buyer
) -> None:
    await buyer.say("怎么查订单")
    async with house.database.writing() as session:
        place = await session.get_one(Feed, ("wecom", OPEN_KFID, "messages"))
        place.cursor = "of-another-time"

    answer = await buyer.say("能退款吗")

    assert "答复退款" in answer
    assert await house.heard() == ["怎么查订单", "能退款吗"]
    assert (await house.one(Feed, name="messages")).cursor == fake.numbers()[-1]


async def test_the_place_is_kept_page_by_page(house: House, fake: FakeWeCom, wecom: WeCom) -> None:
    fake.page = 2
    for number in range(5):
        await fake.say(BUYER, f"第{number}句")

    assert await wecom.look(house.door.accept) == 5

    assert (await house.one(Feed, name="messages")).cursor == fake.numbers()[-1]
    assert fake.calls["/cgi-bin/kf/sync_msg"] == 3


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_page_of_more_than_is_read_at_once_is_asked_for_in_smaller_ones(
    house: House, fake: FakeWeCom, wecom: WeCom, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else some hundred long messages of one buyer would keep all others waiting."""
    monkeypatch.setattr(api, "LARGEST", 100_000)
    for number in range(120):
        await fake.say(BUYER, f"第{number}句" + "一" * 200)

    assert await wecom.look(house.door.accept) == 120

    assert (await house.one(Feed, name="messages")).cursor == fake.numbers()[-1]


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


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_who_wrote_much_during_an_outage_is_not_told_that_they_write_too_fast(
    house: House, fake: FakeWeCom, wecom: WeCom, buyer: Buyer
) -> None:
    await buyer.say("怎么查订单")
    fake.is_mute = True
    for _ in range(50):
        house.clock.advance(minutes=10)
        await fake.say(BUYER, "能退款吗")

    house.clock.advance(minutes=10)
    await wecom.look(house.door.accept)
    await buyer.news()

    assert not any("发得很快" in one.text for one in await house.all(Message, direction="out"))


async def test_accounts_never_mix(house: House, fake: FakeWeCom, accounts: list[WeCom], buyer: Buyer) -> None:
    other = accounts[1]
    second = Buyer(WeComFront(fake, other, looking(house, other), BUYER, OTHER), house.settle(other))

    await buyer.say("怎么查订单")
    answer = await second.say("能退款吗")

    assert "答复退款" in answer
    assert {row.account for row in await house.all(InboxRow)} == {OPEN_KFID, OTHER}
    assert not any("退款" in shown.text for shown in fake.sessions[OPEN_KFID, BUYER].shown)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_what_nobody_knows_is_logged_once_by_its_kind_and_left_alone(
    house: House, fake: FakeWeCom, wecom: WeCom, caplog: pytest.LogCaptureFixture
) -> None:
    for event in ({"event_type": "novelty"}, {"event_type": "session_status_change", "change_type": [7]}) * 2:
        await fake._event(BUYER, OPEN_KFID, event)
    for known in ("servicer_status_change", "reject_customer_msg_switch_change"):
        await fake._event(BUYER, OPEN_KFID, {"event_type": known})
    await fake._add(OPEN_KFID, {"origin": 9, "external_userid": BUYER, "msgtype": "text"})
    await fake.say(BUYER, "怎么查订单")

    taken = await wecom.look(house.door.accept)

    assert taken == 1
    logged = sorted(line.partition("known of ")[2] for line in caplog.messages if "nothing is known" in line)
    assert logged == ["'event novelty'", "'origin 9'", "'session_status_change '"]


def test_a_link_opens_with_what_the_page_added_else_with_its_scene() -> None:
    def opened(**event: str) -> str:
        message = {"msgid": "1", "origin": 4, "msgtype": "event", "event": {"event_type": "enter_session"} | event}
        update = reading.take("wecom", OPEN_KFID, message | {"external_userid": BUYER})
        assert update is not None
        return reading.read(update).text

    assert opened(scene="poster", scene_param="order") == "order"
    assert opened(scene="poster", welcome_code="c") == "poster"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_word_of_a_callback_that_is_good_no_more_is_left_out(
    house: House, fake: FakeWeCom, wecom: WeCom
) -> None:
    await fake.say(BUYER, "怎么查订单")
    house.clock.advance(minutes=8)
    fake.words_good = 5 * 60

    assert await wecom.look(house.door.accept) == 1


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


async def test_a_picture_is_drawn_anew_and_kept(house: House, buyer: Buyer) -> None:
    await buyer.photo()

    assert len(await house.all(Picture)) == 1


async def test_a_picture_that_is_gone_is_named(house: House, fake: FakeWeCom, buyer: Buyer) -> None:
    fake.next_fault("/cgi-bin/media/get", 40007)

    await buyer.photo()

    (message,) = await house.all(Message, direction="in")
    assert message.attachments[0]["problem"] == "gone"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("code", [45009, 40014])
async def test_a_file_that_reads_like_a_refusal_of_the_platforms_is_a_file(
    house: House, fake: FakeWeCom, wecom: WeCom, buyer: Buyer, code: int
) -> None:
    await fake.file(BUYER, f'{{"errcode": {code}}}'.encode())
    await buyer.photo()

    first = (await house.all(Message, direction="in"))[0]
    assert first.attachments[0]["problem"] == "file_kind"
    assert len(await house.all(Picture)) == 1
    assert fake.calls["/cgi-bin/gettoken"] == 1


async def test_a_video_is_kept_for_staff(house: House, fake: FakeWeCom, wecom: WeCom, buyer: Buyer) -> None:
    clip = b"\x00\x00\x00\x18ftypmp42" + b"a clip of a page that says that the code was used"
    await fake.video(BUYER, clip)
    await fake.video(BUYER, clip + bytes(FILE_LIMIT))
    await wecom.look(house.door.accept)

    told = await buyer.news()

    (kept,) = await house.all(KeptFile)
    assert (kept.mime, kept.name, attachments.read(house.vault, "file", kept)) == ("video/mp4", "video.mp4", clip)
    assert ("已经存好" in told, "超过 10 MB" in told) == (True, True)
    assert (await house.all(Message, direction="in"))[-1].attachments[0]["problem"] == "file_too_large"
