"""Files that buyers send to a 公众号: pictures, voices, and videos, which stand elsewhere."""

import pytest
from aiohttp import web

from bot.channels import bringing
from bot.channels.wechat import WeChat
from bot.fakes.buyer import Buyer
from bot.fakes.wechat_front import WeChatFront
from bot.fakes.weixin import VIDEOS, FakeWeixin
from bot.inbox import FILE_LIMIT
from tests.bot.conftest import House
from tickets import attachments
from tickets.tables import KeptFile, Message, Picture

FOLLOWER = "oBuyer_0001"
CLIP = b"\x00\x00\x00\x18ftypmp42" + b"a clip of a page that says that the code was used"


@pytest.fixture
def fake(weixin: FakeWeixin) -> FakeWeixin:
    return weixin


@pytest.fixture
def buyer(house: House, fake: FakeWeixin, wechat: WeChat) -> Buyer:
    return Buyer(WeChatFront(fake, wechat), house.settle(wechat))


async def test_a_picture_is_drawn_anew_and_kept(house: House, buyer: Buyer) -> None:
    await buyer.photo()

    assert len(await house.all(Picture)) == 1


async def test_a_voice_is_kept_for_staff(house: House, fake: FakeWeixin, buyer: Buyer) -> None:
    await fake.speak(FOLLOWER, "怎么查订单")

    assert "发订单号给我就能查" in await buyer.news()
    assert [(one.name, one.mime) for one in await house.all(KeptFile)] == [("voice.amr", "audio/amr")]


@pytest.mark.parametrize("kind", ["video", "shortvideo"])
async def test_a_video_is_had_where_the_platform_says_and_kept_for_staff(
    house: House, fake: FakeWeixin, buyer: Buyer, kind: str
) -> None:
    await fake.video(FOLLOWER, CLIP, kind)

    assert "已经存好" in await buyer.news()
    (kept,) = await house.all(KeptFile)
    assert (kept.mime, kept.name, attachments.read(house.vault, "file", kept)) == ("video/mp4", "video.mp4", CLIP)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("content", "fault", "problem", "told"),
    [
        (CLIP + bytes(FILE_LIMIT), "none", "file_too_large", "超过 10 MB"),
        (CLIP, 40007, "gone", "没能取到"),
        (b"<html>", "none", None, "看不了"),
    ],
    ids=["too large", "gone", "no video"],
)
async def test_a_video_that_is_not_kept_is_named_and_its_sender_told(
    house: House, fake: FakeWeixin, buyer: Buyer, content: bytes, fault: int | str, problem: str | None, told: str
) -> None:
    fake.next_fault("/cgi-bin/media/get", fault)

    await fake.video(FOLLOWER, content)

    assert told in await buyer.news()
    (message,) = await house.all(Message, direction="in")
    assert (message.attachments[0].get("problem"), await house.all(KeptFile)) == (problem, [])


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_video_that_is_not_to_be_had_for_a_moment_is_weather(
    house: House, fake: FakeWeixin, buyer: Buyer
) -> None:
    await fake.video(FOLLOWER, CLIP)
    fake.next_fault(f"{VIDEOS}{fake.videos[0]}", "cut")

    before = await buyer.news()
    house.clock.advance(minutes=1)
    after = await buyer.news()

    assert (before, "已经存好" in after) == ("", True)
    assert len(await house.all(KeptFile)) == 1


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("address", ["/nothing/here", "http://[", "ftp://127.0.0.1/", 7])
async def test_where_the_platform_names_no_video_none_is_kept(
    house: House, fake: FakeWeixin, buyer: Buyer, address: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = address if address != "/nothing/here" else f"{fake.base}{VIDEOS}nothing"
    monkeypatch.setattr(fake, "_give_media", lambda _: web.json_response({"video_url": named}))

    await fake.video(FOLLOWER, CLIP)
    for _ in range(4):
        await buyer.news()
        house.clock.advance(minutes=1)

    (message,) = await house.all(Message, direction="in")
    assert (message.attachments[0]["kind"], await house.all(KeptFile)) == ("video", [])


async def test_an_address_in_what_a_buyer_sent_is_not_gone_to(house: House, fake: FakeWeixin, buyer: Buyer) -> None:
    """The platform says of a file that it is one: then its words are its sender's."""
    media = fake._keep(f'{{"video_url": "{fake.base}{VIDEOS}nothing"}}'.encode())
    await fake._message(FOLLOWER, "voice", MediaId=media)

    await buyer.news()

    assert not any(path.startswith(VIDEOS) for path in fake.calls)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_picture_that_is_too_large_is_not_read_to_its_end(
    house: House, fake: FakeWeixin, buyer: Buyer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bringing, "BYTES", 1000)

    await fake.photo(FOLLOWER, bytes(30_000_000))
    await buyer.news()

    (message,) = await house.all(Message, direction="in")
    assert message.attachments[0]["problem"] == "too_large"
    assert fake.calls["/cgi-bin/media/get"] == 1


async def test_a_picture_that_is_gone_is_named(house: House, fake: FakeWeixin, buyer: Buyer) -> None:
    fake.next_fault("/cgi-bin/media/get", 40007)

    await buyer.photo()

    (message,) = await house.all(Message, direction="in")
    assert message.attachments[0]["problem"] == "gone"
