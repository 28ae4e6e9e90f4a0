"""Telegram against a strict fake Bot API: offsets, odd updates, presses, long texts, refusals, lost answers."""

import asyncio
import logging
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from bot.channels.port import Kind, Update
from bot.channels.telegram import Telegram
from bot.errors import BadToken
from bot.fakes.buyer import Buyer, TelegramFront
from bot.fakes.calls import Upload
from bot.fakes.telegram import TOKEN, FakeTelegram, Refusal, serving
from bot.tables import InboxRow
from tests.bot.conftest import House
from tickets.tables import Message, Outgoing, Picture, Sending, Ticket


@pytest.fixture
async def fake() -> AsyncIterator[FakeTelegram]:
    async with serving(FakeTelegram()) as fake:
        yield fake


@pytest.fixture
async def telegram(fake: FakeTelegram) -> AsyncIterator[Telegram]:
    telegram = Telegram(TOKEN, fake.base, first_wait=timedelta(milliseconds=10))
    yield telegram
    await telegram._bot.session.close()


@pytest.fixture
def buyer(house: House, fake: FakeTelegram, telegram: Telegram) -> Buyer:
    async def look() -> None:
        await telegram.look(house.door.accept, None)

    return Buyer(TelegramFront(fake, telegram, look), house.settle(telegram))


async def running(telegram: Telegram, house: House, until: Any) -> None:
    """Receive in the background until something is true."""
    worker = asyncio.create_task(telegram.run(house.door.accept, house.database.elected))
    try:
        async with asyncio.timeout(10):
            while not await until():
                await house.bell.wait(0.05)
    finally:
        worker.cancel()
        await asyncio.gather(worker, return_exceptions=True)


async def test_start_greets_and_words_are_answered(buyer: Buyer) -> None:
    greeting = await buyer.start()
    answer = await buyer.say("能退款吗")

    assert "自动客服" in greeting
    assert "答复退款" in answer


async def test_buttons_carry_opaque_handles_and_presses_are_answered(buyer: Buyer, fake: FakeTelegram) -> None:
    await buyer.start()

    asked = await buyer.press("卡密用不了")
    await asyncio.sleep(0.05)

    assert "订单号" in asked
    assert all(len(button["callback_data"]) == 16 for sent in fake.sent for button in sent.buttons)
    assert len(fake.pressed) == 1


async def test_text_is_sent_without_markup_and_without_previews(house: House, buyer: Buyer, fake: FakeTelegram) -> None:
    await house.stock("MARK", "<b>*Mark_down*</b>")
    await house.sell("MARKX-00000-CODES", order_no="MA12CD34EF56GH78")

    shown = await buyer.say("MA12CD34EF56GH78 open5esame")

    assert "<b>*Mark_down*</b>" in shown
    assert all("parse_mode" not in sent.fields for sent in fake.sent)
    assert all("is_disabled" in sent.fields["link_preview_options"] for sent in fake.sent)


async def test_an_offset_is_confirmed_only_after_the_commit(house: House, fake: FakeTelegram) -> None:
    telegram = Telegram(TOKEN, fake.base, first_wait=timedelta(milliseconds=10))
    fake.say(42, "在吗")
    stored_when_confirmed = []
    is_broken = True

    async def accept(*updates: Update) -> int:
        nonlocal is_broken
        if updates and is_broken:
            is_broken = False
            raise ConnectionError("the database is away")
        return await house.door.accept(*updates)

    async def confirmed() -> bool:
        if any(offset is not None for offset in fake.offsets):
            stored_when_confirmed.append(len(await house.all(InboxRow)))
            return True
        return False

    worker = asyncio.create_task(telegram.run(accept, house.database.elected))
    async with asyncio.timeout(10):
        while not await confirmed():
            await house.bell.wait(0.05)
    worker.cancel()
    await asyncio.gather(worker, return_exceptions=True)

    assert stored_when_confirmed == [1]
    assert fake.offsets[:2] == [None, None]


async def test_after_a_restart_what_comes_again_takes_effect_once(
    house: House, fake: FakeTelegram, telegram: Telegram
) -> None:
    fake.say(42, "转人工")

    for _ in range(2):
        await telegram.look(house.door.accept, None)
        await house.settle(telegram)()

    assert len(await house.all(Ticket)) == 1


async def test_odd_updates_hold_nothing_up(house: House, fake: FakeTelegram, telegram: Telegram) -> None:
    fake.push({"odd": {"deep": [1, 2]}})
    fake.push({"message": {"chat": {"id": -100, "type": "supergroup"}, "text": "in a group"}})
    fake.push({"message": {"message_id": 1, "chat": {"id": 43}, "text": "no date, no sender", "novel": True}})
    fake.push({"update_id": "777", "message": {"message_id": "2", "chat": {"id": "44"}, "text": "string ids"}})
    fake.push({"callback_query": {"id": "5", "from": {"id": 45}, "data": "a press on a lost message"}})
    fake.say(42, "能退款吗", entities=[{"type": "a new one", "offset": 0, "length": 1}])

    offset = await telegram.look(house.door.accept, None)
    await house.inbox(telegram).drain()

    rows = await house.all(InboxRow)
    assert [row.thread.split(":")[-1] for row in rows] == ["43", "45", "42", "44"]
    assert {row.state for row in rows} == {"done"}
    assert offset == 778


async def test_a_photo_is_kept_and_words_are_asked_for(house: House, buyer: Buyer) -> None:
    await buyer.start()
    asked = await buyer.photo()

    message, picture = await house.one(Message, direction="in"), await house.one(Picture)
    assert "图片收到了" in asked
    assert message.attachments == [{"kind": "photo", "picture": picture.id}]


async def test_a_photos_caption_is_read(buyer: Buyer) -> None:
    assert "答复退款" in await buyer.photo("能退款吗")


async def test_a_photo_goes_to_the_ticket_that_waits(house: House, buyer: Buyer) -> None:
    await buyer.say("转人工")
    await buyer.photo()

    assert len([message for message in await house.all(Message, ticket_id=1) if message.attachments]) == 1


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"sticker": {"file_id": "s", "emoji": "😭"}}, "看不懂表情"),
        ({"location": {"latitude": 1, "longitude": 2}}, "看不懂"),
    ],
    ids=["sticker", "location"],
)
async def test_what_is_no_text_gets_a_kind_sentence(
    buyer: Buyer, fake: FakeTelegram, telegram: Telegram, house: House, content: dict[str, Any], words: str
) -> None:
    await buyer.start()
    fake.send(42, content)
    await telegram.look(house.door.accept, None)

    assert words in await buyer.news()


@pytest.mark.parametrize(
    ("kind", "file"),
    [
        ("voice", Upload("voice.ogg", "audio/ogg", b"OggS a voice")),
        ("document", Upload("a.pdf", "application/pdf", b"%PDF-1.7 a receipt")),
    ],
    ids=["voice", "document"],
)
async def test_a_file_gets_a_kind_sentence(
    buyer: Buyer, fake: FakeTelegram, telegram: Telegram, house: House, kind: str, file: Upload
) -> None:
    await buyer.start()
    fake.file(42, kind, file)
    await telegram.look(house.door.accept, None)

    assert "已经存好" in await buyer.news()


async def test_start_may_carry_a_payload(telegram: Telegram) -> None:
    raw = '{"update_id": 1, "message": {"message_id": 1, "chat": {"id": 1}, "text": "/start order-77"}}'

    inbound = telegram.read(Update("telegram", telegram.account, "1", "1", raw))

    assert (inbound.kind, inbound.text) == (Kind.START, "order-77")


async def test_a_buyer_who_blocked_the_bot_is_marked(house: House, buyer: Buyer, fake: FakeTelegram) -> None:
    await buyer.start()
    fake.blocked.add(42)

    await buyer.say("能退款吗")

    row = (await house.all(Outgoing))[-1]
    assert row.state == Sending.BLOCKED
    assert "blocked by the user" in row.problem


async def test_a_rate_limit_is_sat_out(house: House, buyer: Buyer, fake: FakeTelegram) -> None:
    await buyer.start()
    fake.next_fault("sendMessage", Refusal(429, "Too Many Requests: retry after 9", retry_after=9))

    at_once = await buyer.say("能退款吗")
    house.clock.advance(seconds=8)
    too_soon = await buyer.news()
    house.clock.advance(seconds=1)
    then = await buyer.news()

    assert (at_once, too_soon) == ("", "")
    assert "答复退款" in then


@pytest.mark.parametrize("fault", ["lost", "garbage"])
async def test_an_answer_that_is_lost_after_sending_is_unknown_and_not_sent_again(
    house: House, buyer: Buyer, fake: FakeTelegram, fault: str
) -> None:
    await buyer.start()
    fake.next_fault("sendMessage", fault)

    await buyer.say("能退款吗")
    house.clock.advance(days=1)
    await buyer.news()

    assert (await house.all(Outgoing))[-1].state == Sending.UNKNOWN
    assert sum("答复退款" in sent.text for sent in fake.sent) == 1


async def test_a_fault_at_telegram_is_tried_again(house: House, buyer: Buyer, fake: FakeTelegram) -> None:
    await buyer.start()
    fake.next_fault("sendMessage", Refusal(500, "Internal Server Error"))

    first = await buyer.say("能退款吗")
    house.clock.advance(seconds=2)
    second = await buyer.news()

    assert first == ""
    assert "答复退款" in second


async def test_while_telegram_cannot_be_reached_messages_wait(house: House, now: Any) -> None:
    unreachable = Telegram(TOKEN, "http://127.0.0.1:9")
    await house.door.accept(
        Update(
            "telegram",
            unreachable.account,
            "1",
            "42",
            '{"update_id": 1, "message": {"message_id": 1, "chat": {"id": 42}, "text": "/start"}}',
        )
    )

    await house.settle(unreachable)()
    await unreachable._bot.session.close()

    row = await house.one(Outgoing)
    assert (row.state, row.problem) == ("queued", "The channel does not answer: Telegram cannot be reached")


async def test_a_long_text_is_split_and_a_part_is_never_sent_twice(
    house: House, buyer: Buyer, fake: FakeTelegram, telegram: Telegram
) -> None:
    await buyer.say("转人工")
    agent = await house.hire()
    object.__setattr__(house.desk.rules, "message_limit", 20_000)
    async with house.database.writing() as session:
        await house.desk.reply(session, house.clock(), 1, agent, "一二三四五六七 " * 1_000)
    settle = house.settle(telegram)
    fake.sent.clear()
    fake.next_fault("sendMessage", "none")
    fake.next_fault("sendMessage", Refusal(429, "Too Many Requests", retry_after=1))

    await settle()
    house.clock.advance(seconds=2)
    await settle()

    assert [len(sent.text) for sent in fake.sent] == [4096, 3903]
    assert "".join(sent.text.replace(" ", "") for sent in fake.sent) == "一二三四五六七" * 1_000


async def test_receiving_survives_every_error_and_never_logs_the_token(
    house: House, fake: FakeTelegram, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    telegram = Telegram(TOKEN, fake.base, first_wait=timedelta(milliseconds=5))
    for fault in (
        Refusal(500, "Internal Server Error"),
        Refusal(502, "Bad Gateway"),
        Refusal(429, "Too Many Requests", retry_after=1),
        Refusal(409, "Conflict: terminated by other getUpdates request"),
        Refusal(401, "Unauthorized"),
        "lost",
        "garbage",
    ):
        fake.next_fault("getUpdates", fault)
    fake.next_fault("getMe", Refusal(502, "Bad Gateway"))
    fake.webhook = "https://left.over/hook"
    fake.say(42, "能退款吗")

    async def stored() -> bool:
        return bool(await house.all(InboxRow))

    await running(telegram, house, stored)

    assert len(fake.offsets) >= 1
    assert fake.webhook == ""
    assert "token was refused" in caplog.text
    assert "another program receives" in caplog.text
    assert TOKEN not in caplog.text
    assert TOKEN.split(":")[1] not in caplog.text


async def test_updates_are_received_in_the_background(house: House, fake: FakeTelegram) -> None:
    telegram = Telegram(TOKEN, fake.base)

    async def stored() -> bool:
        if len(await house.all(InboxRow)) == 1:
            fake.say(42, "再来")
        return len(await house.all(InboxRow)) >= 2

    fake.say(42, "在吗")
    await running(telegram, house, stored)

    assert await house.inbox(telegram).drain() >= 2


@pytest.mark.parametrize("token", ["", "abc", "12 34:x", "no:digits"])
def test_what_is_no_token_is_refused_in_a_sentence(token: str) -> None:
    with pytest.raises(BadToken, match="BotFather"):
        Telegram(token)
