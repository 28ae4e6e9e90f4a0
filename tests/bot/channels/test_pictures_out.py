"""Pictures that agents send: once, in order with the words, within each limit, and honestly where none are shown."""

from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from bot.budget import Budget, Rate
from bot.channels.parts import arrived, lost
from bot.channels.port import Channel
from bot.channels.telegram import Telegram
from bot.fakes.refusal import Refusal
from bot.fakes.telegram import TOKEN, FakeTelegram, Limits
from bot.fakes.telegram import serving as serving_telegram
from bot.gallery import Kept
from tests.bot.channels.fronts import open_wechat, open_wecom, serving_wecom, serving_weixin
from tests.bot.conftest import House
from tests.bot.test_delivery import Pigeon
from tests.tickets.test_pixels import file_of, screenshot
from tickets import conversations, outbox, pictures
from tickets.enclosing import Enclosed
from tickets.pixels import draw_anew
from tickets.tables import Author, Message, Outgoing, Picture, Priority, Sending

PIXELS = draw_anew(file_of(screenshot(size=(90, 160))))
UPLOAD, SEND = "/cgi-bin/media/upload", "/cgi-bin/message/custom/send"


@dataclass
class Far:
    """The far end of a channel, and how an agent writes to it."""

    house: House
    channel: Channel
    fake: Any
    address: str

    async def post(self, text: str, count: int = 1, **facts: Any) -> None:
        house = self.house
        place = self.channel.name, self.channel.account, self.address
        async with house.database.writing() as session:
            met = await conversations.find_or_create(session, house.clock(), *place, "买家", "zh")
            facts = {"author": Author.AGENT, "priority": Priority.AGENT_REPLY} | facts
            said = await outbox.post(session, house.clock(), met, text, **facts)
            await Enclosed(house.vault, [PIXELS] * count).put_into(session, house.clock(), said, 1)

    async def deliver(self, **options: Any) -> None:
        await self.house.delivery(self.channel, **options).drain()

    async def states(self) -> list[str]:
        return [row.state for row in await self.house.all(Outgoing, priority=Priority.AGENT_REPLY)]


@pytest.fixture
async def telegram(house: House) -> AsyncIterator[Far]:
    limits = Limits()
    async with serving_telegram(FakeTelegram(clock=lambda: house.clock().timestamp(), limits=limits)) as fake:
        fake.private(fake.bot, 42)
        channel = Telegram(TOKEN, fake.base)
        yield Far(house, channel, fake, "42")
        await channel.close()


@pytest.fixture
async def wechat(house: House) -> AsyncIterator[Far]:
    async with serving_weixin(house) as fake:
        channel = open_wechat(house, fake)
        far = Far(house, channel, fake, "oBuyer_0001")
        await fake.say(far.address, "在吗")
        await house.settle(channel)()
        yield far
        await channel.close()


@pytest.fixture
async def wecom(house: House) -> AsyncIterator[Far]:
    async with serving_wecom(house) as fake, open_wecom(house, fake) as (channel,):
        far = Far(house, channel, fake, "wmBuyer_0001")
        await fake.say(far.address, "在吗")
        await channel.look(house.door.accept)
        await house.settle(channel)()
        yield far


async def test_an_album_carries_its_words_and_what_does_not_fit_follows(telegram: Far) -> None:
    await telegram.post("看 `AB12`" + "一" * 1500, 3)

    await telegram.deliver()

    *album, rest = telegram.fake.sent
    assert [sent.method for sent in album] == ["sendMediaGroup"] * 3
    assert (album[0].text[:7], 1000 < len(album[0].text) <= 1024, album[1].text) == ("看 AB12一", True, "")
    assert (rest.method, len(album[0].text + rest.text)) == ("sendMessage", 1506)
    row = await telegram.house.one(Outgoing)
    assert (row.state, len(row.foreign_id.split(","))) == (Sending.SENT, 4)


async def test_one_picture_is_a_photo_with_words_and_buttons_or_without(telegram: Far) -> None:
    await telegram.post("", 1)
    await telegram.post("看图", 1, buttons=[{"text": "好", "handle": "h1"}])

    await telegram.deliver()

    silent, named = telegram.fake.sent
    assert (silent.method, silent.text, named.text, named.buttons[0]["text"]) == ("sendPhoto", "", "看图", "好")
    file_id = telegram.fake.private(telegram.fake.bot, 42).messages[named.message_id]["photo"][-1]["file_id"]
    assert telegram.fake.files.get(telegram.fake.bot.id, file_id).content == PIXELS.jpeg


class Still:
    """A picture that is nowhere kept."""

    async def jpeg(self) -> bytes:
        return PIXELS.jpeg


async def test_pictures_are_protected_where_the_message_is(telegram: Far) -> None:
    now = telegram.house.clock()
    said = Message(conversation_id=1, direction="out", author="agent", text="看图", link_id=1, created_at=now)
    about = {"conversation_id": 1, "message_id": 1, "channel": "telegram", "account": "1", "address": "42"}
    row = Outgoing(**about, not_before=now, created_at=now)

    for count in (1, 2):
        await telegram.channel.deliver_pictures(row, said, [Still()] * count)  # type: ignore[attr-defined]

    assert [sent.is_protected for sent in telegram.fake.sent] == [True] * 3


@pytest.mark.parametrize(
    ("fault", "state", "shown"), [("lost", Sending.UNKNOWN, 1), (Refusal(500, "Internal Server Error"), "queued", 0)]
)
async def test_pictures_that_may_have_arrived_are_not_sent_again(
    telegram: Far, fault: Any, state: str, shown: int
) -> None:
    telegram.fake.next_fault("sendPhoto", fault)
    await telegram.post("看图")

    await telegram.deliver()
    before = await telegram.states()
    telegram.house.clock.advance(seconds=5)
    await telegram.deliver()

    assert (before, len(telegram.fake.sent)) == ([state], max(shown, 1))


async def test_the_budget_counts_each_picture_and_nothing_overtakes_an_album(telegram: Far) -> None:
    budget = Budget(Rate.at_most(28, timedelta(seconds=1)), Rate(timedelta(seconds=1), 3))
    await telegram.post("一", 4)
    await telegram.post("二", 4)

    def of(_channel: Channel) -> Budget:
        return budget

    for _ in range(9):
        await telegram.deliver(budget=of)
        telegram.house.clock.advance(seconds=1)

    assert [sent.text for sent in telegram.fake.sent] == ["一", "", "", "", "二", "", "", ""]
    assert telegram.fake.sent[4].at - telegram.fake.sent[0].at == 4
    assert (await telegram.states()) == [Sending.SENT] * 2


@pytest.mark.parametrize("is_kept", [True, False])
async def test_a_picture_is_handed_to_wechat_once_however_often_it_is_tried(
    wechat: Far, monkeypatch: pytest.MonkeyPatch, is_kept: bool
) -> None:
    if not is_kept:
        monkeypatch.setattr(Kept, "call", _forget)
    wechat.fake.next_fault(UPLOAD, "lost")  # then it is handed over again: nobody was shown anything
    wechat.fake.next_fault(SEND, "none")
    for code in (45011, -1):
        wechat.fake.next_fault(SEND, code)
    await wechat.post("看图", 1)

    for _ in range(6):
        await wechat.deliver()
        wechat.house.clock.advance(minutes=2)

    shown = wechat.fake.shown[wechat.address]
    assert [one.text for one in shown if one.text == "看图"] == ["看图"]
    assert [one.picture for one in shown if one.picture] == [PIXELS.jpeg]
    assert (await wechat.states(), wechat.fake.calls[UPLOAD]) == ([Sending.SENT], 2 if is_kept else 4)


@pytest.mark.parametrize("killed_at", [1, 2])
async def test_of_a_killed_sender_no_picture_is_seen_twice(
    wechat: Far, monkeypatch: pytest.MonkeyPatch, killed_at: int
) -> None:
    """公众号 knows no repeats: the part that was in hand may have arrived, and those before it have."""
    await wechat.post("看图", 1)

    await kill_at(wechat, monkeypatch, killed_at)
    await wechat.deliver()

    shown = [one for one in wechat.fake.shown[wechat.address] if one.picture or one.text == "看图"]
    assert (len(shown), await wechat.states()) == (killed_at, [Sending.UNKNOWN])


@pytest.mark.parametrize("killed_at", [1, 2, 3])
async def test_where_repeats_are_known_all_parts_arrive_once_after_a_kill(
    wecom: Far, monkeypatch: pytest.MonkeyPatch, killed_at: int
) -> None:
    await wecom.post("看图", 2)

    await kill_at(wecom, monkeypatch, killed_at)
    await wecom.deliver()

    shown = wecom.fake.sessions[wecom.channel.account, wecom.address].shown[1:]
    assert [(one.text, bool(one.picture)) for one in shown] == [("看图", False), ("", True), ("", True)]
    assert await wecom.states() == [Sending.SENT]


async def kill_at(far: Far, monkeypatch: pytest.MonkeyPatch, part: int) -> None:
    """The sender ends when this part has arrived and before it can write that down."""
    seen = 0

    async def die(write: Any, *arguments: Any) -> Any:
        nonlocal seen
        seen += 1
        if seen >= part:
            raise ConnectionError
        return await write(*arguments)

    with monkeypatch.context() as patch, suppress(ConnectionError):
        for name in ("note_part", "mark_sent"):
            patch.setattr(outbox, name, partial(die, getattr(outbox, name)))
        await far.deliver()


async def _forget(_kept: Kept, _name: str) -> None:
    """As if nobody noted what WeChat calls it."""


async def test_a_picture_that_wechat_has_lost_is_handed_over_again(wechat: Far) -> None:
    wechat.fake.next_fault(SEND, -1)
    await wechat.post("", 1)
    await wechat.deliver()
    wechat.fake.forget_media()
    wechat.house.clock.advance(minutes=1)

    await wechat.deliver()

    assert (await wechat.states(), wechat.fake.calls[UPLOAD]) == ([Sending.SENT], 2)
    assert (await wechat.house.one(Picture)).known_as


async def test_words_and_each_picture_are_paid_for_and_more_than_is_left_is_refused(wechat: Far) -> None:
    left = 5 - sum(not one.passive for one in wechat.fake.shown[wechat.address])
    await wechat.post("看图", 2)
    await wechat.deliver()
    await wechat.post("还有", 3)
    await wechat.deliver()

    shown = len([one for one in wechat.fake.shown[wechat.address] if one.picture])
    assert left == 4
    assert (await wechat.states(), shown) == ([Sending.SENT, Sending.FAILED], 2)
    assert wechat.fake.shown[wechat.address][-1].text == "还有"


async def test_what_wecom_says_of_one_picture_leaves_the_words_before_it_delivered(wecom: Far) -> None:
    await wecom.post("看图", 1)
    await wecom.deliver()
    words, picture = (await wecom.house.all(Outgoing))[-1].foreign_id.split(",")

    await wecom.fake.fail(wecom.address, picture)
    await wecom.channel.look(wecom.house.door.accept)  # type: ignore[attr-defined]

    row = (await wecom.house.all(Outgoing))[-1]
    assert (row.state, arrived(row), lost(row)) == (Sending.FAILED, [words], [picture])


async def test_a_channel_without_pictures_sends_the_words_and_says_so(house: House) -> None:
    far = Far(house, Pigeon(), None, "anna")
    await far.post("看图")
    await far.post("")

    await far.deliver()

    assert far.channel.sent == ["看图"]  # type: ignore[attr-defined]
    assert await far.states() == [Sending.FAILED] * 2
    assert "shows no pictures" in (await house.all(Outgoing))[0].problem


async def test_a_picture_that_was_deleted_meanwhile_is_no_silence(telegram: Far) -> None:
    await telegram.post("看图")
    async with telegram.house.database.writing() as session:
        await session.delete(await pictures.find_picture(session, 1))

    await telegram.deliver()

    assert (await telegram.states(), telegram.fake.sent) == ([Sending.FAILED], [])
