"""All that a buyer can send on Telegram is kept, and nothing meets silence: pictures, albums, files, floods, poison."""

import io
import json
from typing import Any

import pytest
from PIL import Image
from sqlmodel.ext.asyncio.session import AsyncSession

from bot.channels.port import Kind, Update
from bot.channels.telegram import Telegram, files
from bot.door import Door
from bot.fakes.buyer import Buyer
from bot.fakes.calls import Upload
from bot.fakes.telegram import FakeTelegram, Refusal
from bot.inbox import BACKOFF, FILE_LIMIT, Inbox
from bot.tables import InboxRow, InboxState
from tests.bot.conftest import House
from tickets import attachments
from tickets.pixels import BYTES
from tickets.tables import Conversation, KeptFile, Message, Outgoing, Picture


def drawn(colour: str, ending: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (40, 30), colour).save(file, ending)
    return file.getvalue()


async def arrive(house: House, telegram: Telegram) -> None:
    """One look, and all that follows from it at once."""
    await telegram.look(house.door.accept, None)
    await house.settle(telegram)()


async def test_signs_that_no_database_stores_are_no_poison(
    house: House, fake: FakeTelegram, telegram: Telegram
) -> None:
    odd = "能退款吗\x00\ud800"
    person = {"id": 42, "first_name": odd, "language_code": odd}
    contents: list[dict[str, Any]] = [
        {"text": odd},
        {"document": {"file_id": odd, "file_name": odd, "mime_type": odd, "file_size": 10**30}, "caption": odd},
        {"location": {"latitude": float("nan"), "longitude": 10**400}},
        {"contact": {"phone_number": odd}},
        {"photo": [odd], "media_group_id": odd},
        {"reply_to_message": {"message_id": odd}, "text": "在吗"},
    ]
    for content in contents:
        fake.send(42, content | {"from": person})
    await arrive(house, telegram)
    house.clock.advance(seconds=2)
    await house.settle(telegram)()

    assert {(row.state, row.attempts) for row in await house.all(InboxRow)} == {(InboxState.DONE, 0)}
    assert len(await house.all(Message, direction="in")) == len(contents)


async def test_a_picture_is_drawn_anew_and_belongs_to_its_message(
    house: House, fake: FakeTelegram, telegram: Telegram, buyer: Buyer
) -> None:
    await buyer.say("转人工")
    fake.photo(42, drawn("navy"), caption="看截图")
    await arrive(house, telegram)

    picture, message = await house.one(Picture), (await house.all(Message, direction="in"))[-1]
    assert (picture.width, picture.height) == (40, 30)
    assert (picture.message_id, message.text, message.ticket_id) == (message.id, "看截图", 1)
    assert message.attachments == [{"kind": "photo", "picture": picture.id}]


async def test_words_that_only_point_at_a_picture_are_no_miss(buyer: Buyer) -> None:
    await buyer.start()

    assert "图片收到了" in await buyer.photo("看这个")


async def test_a_screenshot_sent_as_a_file_is_a_picture_too(
    house: House, fake: FakeTelegram, telegram: Telegram
) -> None:
    fake.document(42, drawn("navy", "WEBP"), "shot.webp", "image/webp")
    fake.document(42, b"%PDF-1.7", "a.pdf", "application/pdf")
    await arrive(house, telegram)

    first, second = await house.all(Message, direction="in")
    assert "picture" in first.attachments[0]
    assert second.attachments[0].items() >= {"kind": "document", "file_name": "a.pdf"}.items()
    assert not any("/file/" in path and "documents/file_2" in path for path in fake.paths)


@pytest.mark.parametrize(
    ("content", "problem", "words"),
    [
        (b"no picture at all", "no_picture", "打不开"),
        (drawn("navy") + b"\0" * BYTES, "too_large", "太大了"),
    ],
    ids=["no picture", "too large"],
)
async def test_what_can_never_be_a_picture_is_named_and_its_sender_told_once(
    house: House, fake: FakeTelegram, telegram: Telegram, buyer: Buyer, content: bytes, problem: str, words: str
) -> None:
    await buyer.start()
    fake.document(42, content, "shot.png", "image/png", caption="能退款吗")
    await arrive(house, telegram)

    message, said = (await house.all(Message, direction="in"))[-1], await buyer.news()
    assert message.attachments[0]["problem"] == problem
    assert said.count(words) == 1
    assert "答复退款" in said
    assert await house.all(Picture) == []


async def test_bad_weather_is_sat_out(house: House, fake: FakeTelegram, telegram: Telegram, buyer: Buyer) -> None:
    await buyer.start()
    fake.next_fault("getFile", Refusal(502, "Bad Gateway"))
    fake.next_fault("getFile", Refusal(429, "Too Many Requests: retry after 9", retry_after=9))
    fake.photo(42, drawn("navy"))
    await arrive(house, telegram)
    at_once = await house.all(Picture)
    house.clock.advance(seconds=1)
    await house.settle(telegram)()
    house.clock.advance(seconds=8)
    too_soon = await buyer.news()
    house.clock.advance(seconds=1)
    then = await buyer.news()

    assert (at_once, too_soon) == ([], "")
    assert "图片收到了" in then
    assert len(await house.all(Picture)) == 1


async def test_weather_that_stays_costs_the_picture_and_not_the_message(
    house: House, fake: FakeTelegram, telegram: Telegram, buyer: Buyer
) -> None:
    await buyer.start()
    for _ in range(9):
        fake.next_fault("getFile", Refusal(500, "Internal Server Error"))
    fake.photo(42, drawn("navy"), caption="能退款吗")
    await arrive(house, telegram)
    begun = house.clock()
    while (await house.all(InboxRow))[-1].state == InboxState.PENDING:
        house.clock.advance(seconds=1)
        await house.settle(telegram)()

    said = await buyer.news()
    assert (house.clock() - begun).total_seconds() <= 20
    assert "请再发一次" in said
    assert "答复退款" in said
    assert (await house.all(Message, direction="in"))[-1].attachments[0]["problem"] == "away"


async def test_an_unreadable_picture_is_no_proof(house: House, telegram: Telegram) -> None:
    raw = {"update_id": 1, "message": {"chat": {"id": 42}, "photo": [{"file_id": "nobody's"}]}}
    read = telegram.read(Update("telegram", telegram.account, "1", "42", json.dumps(raw)))

    inbound = await telegram.fetch(read, is_last=False)

    assert inbound.kind == Kind.PHOTO
    assert inbound.attachments[0]["problem"] == "gone"


async def test_a_download_never_tells_the_token(
    house: House, fake: FakeTelegram, telegram: Telegram, caplog: pytest.LogCaptureFixture, monkeypatch: Any
) -> None:
    monkeypatch.setattr(files, "GONE", frozenset())
    fake.photo(42, drawn("navy"))
    fake.files._files.clear()  # its name is known, its content is not
    await arrive(house, telegram)

    assert fake.token.split(":")[1] not in caplog.text


async def test_an_album_is_one_message_with_all_its_pictures_in_order_and_one_answer(
    house: House, fake: FakeTelegram, telegram: Telegram, buyer: Buyer
) -> None:
    await buyer.say("转人工")
    colours = ["red", "green", "blue"]
    parts = fake.album(42, [drawn(colour) for colour in colours], "三张截图")
    await arrive(house, telegram)
    at_once = await buyer.news()
    house.clock.advance(seconds=1)
    said = await buyer.news()

    message = (await house.all(Message, direction="in"))[-1]
    pictures = await house.all(Picture)
    assert at_once == ""
    assert said.count("\n") == 0
    assert (message.text, message.ticket_id) == ("三张截图", 1)
    assert message.foreign_id == str(parts[0]["message"]["message_id"])
    assert [one["picture"] for one in message.attachments] == [picture.id for picture in pictures]
    assert {picture.message_id for picture in pictures} == {message.id}
    assert len({picture.content_hash for picture in pictures}) == 3


async def test_without_gathering_its_parts_an_album_is_cut(
    house: House, fake: FakeTelegram, telegram: Telegram, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broken twin: a worker that takes each part by itself."""

    async def take_none(self: Inbox, row: InboxRow) -> tuple[InboxRow, ...]:
        return ()

    monkeypatch.setattr(Inbox, "_parts", take_none)
    fake.album(42, [drawn("red"), drawn("blue")])
    await arrive(house, telegram)
    house.clock.advance(seconds=2)
    await house.settle(telegram)()

    assert len(await house.all(Message, direction="in")) == 2


async def test_an_album_waits_for_the_part_after_it_but_not_for_ever(
    house: House, fake: FakeTelegram, telegram: Telegram
) -> None:
    heard = []
    for _ in range(8):
        fake.photo(42, drawn("red"), media_group_id="77")
        await arrive(house, telegram)
        heard.append(len(await house.all(Message, direction="in")))
        house.clock.advance(seconds=0.8)
    house.clock.advance(seconds=1)
    await house.settle(telegram)()

    assert heard == [0] * 7 + [1]
    counts = [len(message.attachments) for message in await house.all(Message, direction="in")]
    assert counts == [8] or counts == [7, 1]
    assert {row.state for row in await house.all(InboxRow)} == {InboxState.DONE}


async def test_a_part_that_comes_late_is_a_message_of_its_own(
    house: House, fake: FakeTelegram, telegram: Telegram
) -> None:
    fake.photo(42, drawn("red"), media_group_id="77")
    await arrive(house, telegram)
    house.clock.advance(seconds=2)
    await house.settle(telegram)()
    fake.photo(42, drawn("blue"), media_group_id="77")
    await arrive(house, telegram)
    house.clock.advance(seconds=2)
    await house.settle(telegram)()

    assert [len(message.attachments) for message in await house.all(Message, direction="in")] == [1, 1]


async def test_a_worker_that_dies_with_an_album_in_its_hands_loses_none_of_it(
    house: House, fake: FakeTelegram, telegram: Telegram
) -> None:
    class Dies(Exception):
        pass

    class Dialogue:
        async def set_scene(self, session: AsyncSession, now: Any, inbound: Any) -> Any:
            raise Dies

    fake.album(42, [drawn("red"), drawn("blue")])
    await arrive(house, telegram)
    house.clock.advance(seconds=1)
    await house.inbox(telegram, dialogue=Dialogue()).drain()
    house.clock.advance(seconds=BACKOFF[0].total_seconds())
    await house.settle(telegram)()

    assert [len(message.attachments) for message in await house.all(Message, direction="in")] == [2]


async def test_an_album_that_is_poison_is_laid_aside_as_a_whole_within_a_minute(
    house: House, fake: FakeTelegram, telegram: Telegram, buyer: Buyer
) -> None:
    class Dialogue:
        def __getattr__(self, name: str) -> Any:
            return getattr(house.dialogue, name)

        async def look_up(self, scene: Any, inbound: Any) -> Any:
            if inbound.attachments or inbound.pictures:
                raise ValueError
            return await house.dialogue.look_up(scene, inbound)

    fake.album(42, [drawn("red"), drawn("blue"), drawn("green")])
    await telegram.look(house.door.accept, None)
    inbox: Inbox = house.inbox(telegram, dialogue=Dialogue())
    begun = house.clock()
    while any(row.state == InboxState.PENDING for row in await house.all(InboxRow)):
        house.clock.advance(seconds=1)
        await inbox.drain()

    assert (house.clock() - begun).total_seconds() < 60
    assert {row.state for row in await house.all(InboxRow)} == {InboxState.DEAD}
    assert (await buyer.news()).count("没能处理好") == 1


async def test_who_floods_on_telegram_is_told_once_and_queued(
    house: House, fake: FakeTelegram, telegram: Telegram, buyer: Buyer
) -> None:
    await buyer.start()
    door = Door(house.database, house.vault, house.clock, house.bell, rate=6)
    for number in range(9):
        fake.say(42, f"在吗 {number}")
    await telegram.look(door.accept, None)
    await house.settle(telegram)()
    for _ in range(5):
        house.clock.advance(seconds=10)
        await house.settle(telegram)()

    assert [text for text in await house.heard() if "在吗" in text] == [f"在吗 {number}" for number in range(9)]
    assert sum("发得很快" in sent.text for sent in fake.sent) == 1


async def test_a_buyer_who_blocks_the_bot_is_not_written_to_until_they_come_back(
    house: House, fake: FakeTelegram, telegram: Telegram, buyer: Buyer
) -> None:
    await buyer.say("转人工")
    agent = await house.hire()
    async with house.database.writing() as session:
        await house.desk.reply(session, house.clock(), 1, agent, "您好")
    fake.block(42)
    await arrive(house, telegram)
    blocked = await house.one(Conversation)
    fake.unblock(42)
    await arrive(house, telegram)
    back = await house.one(Conversation)
    answer = await buyer.say("催单")

    given_up = await house.one(Outgoing, state="blocked")
    assert given_up.message_id == (await house.one(Message, text="您好")).id
    assert blocked.blocked_at is not None
    assert back.blocked_at is None
    assert answer
    assert all(sent.text != "您好" for sent in fake.sent)


async def test_who_turns_out_to_have_blocked_us_is_tried_once(
    house: House, fake: FakeTelegram, telegram: Telegram, buyer: Buyer
) -> None:
    await buyer.say("转人工")
    agent = await house.hire()
    fake.blocked.add(42)  # and we were never told
    async with house.database.writing() as session:
        for text in ("您好", "在吗"):
            await house.desk.reply(session, house.clock(), 1, agent, text)
    fake.paths.clear()
    await house.settle(telegram)()

    assert len([path for path in fake.paths if path.endswith("/sendMessage")]) == 1
    assert [row.state for row in (await house.all(Outgoing))[-2:]] == ["blocked", "blocked"]
    assert (await house.one(Conversation)).blocked_at is not None


async def test_a_stranger_who_blocks_us_is_nobody(house: House, fake: FakeTelegram, telegram: Telegram) -> None:
    fake.block(77)
    await arrive(house, telegram)

    assert await house.all(Conversation) == []


async def test_a_press_on_an_old_button_or_on_anothers_gets_a_kind_sentence(
    house: House, fake: FakeTelegram, telegram: Telegram, buyer: Buyer
) -> None:
    await buyer.start()
    other = fake.sent[-1].buttons[0]["callback_data"]
    fake.say(43, "在吗")
    await arrive(house, telegram)
    fake.press(43, other)
    await arrive(house, telegram)
    house.clock.advance(days=15)
    fake.press(42, other)
    await arrive(house, telegram)

    last = {sent.chat_id: sent.text for sent in fake.sent}
    assert "失效" in last[43]
    assert "失效" in last[42]


async def test_commands_do_what_the_buttons_do(buyer: Buyer) -> None:
    await buyer.start()

    assert "订单号" in await buyer.say("/orders")
    assert "取消" in await buyer.say("/cancel")
    assert await buyer.say("/help")
    assert "K-000001" in await buyer.say("/human")
    assert "K-000001" in await buyer.say("/tickets")
    assert "K-000001" in await buyer.say("/hurry")


PDF = b"%PDF-1.7 a receipt"


async def test_documents_and_voices_are_kept_for_staff_as_they_came(
    house: House, fake: FakeTelegram, telegram: Telegram, buyer: Buyer
) -> None:
    await buyer.say("转人工")
    fake.document(42, PDF, "收据 K7Q2M-9XH4T-R3VNP.exe.pdf", caption="收据")
    fake.file(42, "voice", Upload("voice.ogg", "audio/ogg", b"OggS a voice"))
    await arrive(house, telegram)

    document, voice = await house.all(KeptFile)
    assert [attachments.read(house.vault, "file", one) for one in (document, voice)] == [PDF, b"OggS a voice"]
    assert (document.mime, document.name.endswith(".pdf"), "R3VNP" in document.name) == ("application/pdf", True, False)
    said = (await house.all(Message, direction="in"))[-2:]
    assert [one.ticket_id for one in said] == [1, 1]
    assert [one.attachments[0]["file"] for one in said] == [document.id, voice.id]
    assert PDF not in document.ciphertext


@pytest.mark.parametrize("part", ["video", "animation", "video_note"])
async def test_videos_are_kept_as_documents_are(
    house: House, fake: FakeTelegram, telegram: Telegram, part: str
) -> None:
    clip = b"\x00\x00\x00\x18ftypisom" + b"a clip of a page that says that the code was used"
    sent = fake.files.keep(fake.bot.id, "video", Upload("clip.mp4", "video/mp4", clip))
    fake.send(42, {part: {"file_id": sent.id, "file_size": len(clip), "duration": 7}})
    fake.send(42, {part: {"file_id": sent.id, "file_size": FILE_LIMIT + 1, "duration": 70}})
    await arrive(house, telegram)

    (kept,) = await house.all(KeptFile)
    short, long = await house.all(Message, direction="in")
    assert (kept.mime, kept.name, attachments.read(house.vault, "file", kept)) == ("video/mp4", "video.mp4", clip)
    assert short.attachments == [{"kind": "video", "duration": 7, "file": kept.id}]
    assert long.attachments[0]["problem"] == "file_too_large"
    assert ["已经存好" in fake.sent[-2].text, "超过 10 MB" in fake.sent[-1].text] == [True, True]


@pytest.mark.parametrize(
    ("content", "name", "problem", "told"),
    [
        (b"MZ a program", "游戏.pdf", "file_kind", "这种文件我们不收"),
        (b"PK\x03\x04 word/document.xml word/vbaProject.bin", "a.docx", "file_kind", "这种文件我们不收"),
        (b"\x00\x00\x00\x18ftypheic a picture of an iPhone", "a.heic", "file_kind", "这种文件我们不收"),
        (PDF + bytes(FILE_LIMIT), "a.pdf", "file_too_large", "超过 10 MB"),
    ],
)
async def test_what_is_not_kept_is_named_and_its_sender_told(
    house: House, fake: FakeTelegram, telegram: Telegram, content: bytes, name: str, problem: str, told: str
) -> None:
    fake.document(42, content, name)
    await arrive(house, telegram)

    assert await house.all(KeptFile) == []
    (message,) = await house.all(Message, direction="in")
    assert (message.attachments[0]["file_name"], message.attachments[0]["problem"]) == (name, problem)
    assert told in fake.sent[-1].text
