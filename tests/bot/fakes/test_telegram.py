"""The stand-in for Telegram, asked by both of the clients that Kadesk uses: it must be as strict as the real one."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiogram
import httpx
import pytest
import telegram
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.exceptions import (
    TelegramBadRequest,
    TelegramConflictError,
    TelegramForbiddenError,
    TelegramMigrateToChat,
    TelegramNetworkError,
    TelegramRetryAfter,
)
from aiogram.types import BufferedInputFile, InputMediaPhoto
from aiohttp import web
from telegram.request import HTTPXRequest

from bot.fakes.people import PIXELS
from bot.fakes.telegram import TOKEN, FakeTelegram, Limits, Refusal, Weather, serving

STAFF = "987654321:AAH-fake-token-of-the-bot-for-the-staff-000000"
BUYER, AGENT = 42, 7


class Seconds:
    """A clock of seconds that stands still until it is told to go on."""

    def __init__(self) -> None:
        self.now = 1_772_424_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
async def fake(seconds: Seconds) -> AsyncIterator[FakeTelegram]:
    async with serving(FakeTelegram(clock=seconds)) as fake:
        fake.private(fake.bot, BUYER)
        yield fake


@pytest.fixture
async def bot(fake: FakeTelegram) -> AsyncIterator[aiogram.Bot]:
    """A buyer's bot, by aiogram."""
    bot = aiogram.Bot(TOKEN, session=AiohttpSession(api=TelegramAPIServer.from_base(fake.base)))
    yield bot
    if session := bot.session._session:  # type: ignore[attr-defined]  # its own `close` naps for a quarter of a second
        await session.close()


@pytest.fixture
async def staff(fake: FakeTelegram) -> AsyncIterator[telegram.Bot]:
    """The staff's bot, by python-telegram-bot; it runs a forum."""
    account = fake.add_bot(STAFF, name="Desk", username="desk_bot")
    fake.desk = fake.group(people=[AGENT], bots=[account], admins=[account.id], is_forum=True)  # type: ignore[attr-defined]
    request = HTTPXRequest(httpx_kwargs={"trust_env": False})
    async with telegram.Bot(STAFF, f"{fake.base}/bot", f"{fake.base}/file/bot", request, request) as bot:
        yield bot


async def test_both_clients_know_who_they_are(bot: aiogram.Bot, staff: telegram.Bot) -> None:
    assert (await bot.get_me()).username == "kadesk_bot"
    assert (await staff.get_me()).username == "desk_bot"


async def test_both_clients_read_what_was_said(fake: FakeTelegram, bot: aiogram.Bot, staff: telegram.Bot) -> None:
    fake.say(BUYER, "/start order-77")
    fake.say(fake.desk, "/next@desk_bot", sender=AGENT)  # type: ignore[attr-defined]

    (private,) = await bot.get_updates(timeout=0)
    (in_group,) = await staff.get_updates(timeout=0)

    assert private.message is not None
    assert private.message.entities is not None
    assert (private.message.text, private.message.entities[0].type) == ("/start order-77", "bot_command")
    assert in_group.message is not None
    assert in_group.message.from_user is not None
    assert in_group.message.from_user.id == AGENT
    assert await bot.get_updates(offset=private.update_id + 1, timeout=0) == []


async def test_a_group_is_heard_only_as_far_as_privacy_goes(fake: FakeTelegram) -> None:
    curious = fake.add_bot(STAFF, is_private=False)
    group = fake.group(people=[AGENT], bots=[fake.bot, curious])

    for text in ("among us", "/queue", "/queue@kadesk_bot", "what does @kadesk_bot say"):
        fake.say(group, text, sender=AGENT)

    assert (fake.bot.updates.pending, curious.updates.pending) == (3, 4)


async def test_photos_go_both_ways_and_a_file_has_another_name_for_each_bot(
    fake: FakeTelegram, bot: aiogram.Bot, staff: telegram.Bot
) -> None:
    shown = await bot.send_photo(BUYER, BufferedInputFile(PIXELS, "a.png"), caption="<b>看</b>", parse_mode="HTML")
    fake.photo(BUYER, PIXELS, "我的截图")
    (update,) = await bot.get_updates(timeout=0)
    assert update.message is not None
    assert update.message.photo is not None
    content = await bot.download(update.message.photo[-1])
    mirrored = await staff.send_photo(fake.desk, PIXELS)  # type: ignore[attr-defined]
    file = await staff.get_file(mirrored.photo[-1].file_id)

    assert (shown.caption, fake.sent[0].text) == ("看", "看")
    assert content is not None
    assert content.read() == PIXELS
    assert bytes(await file.download_as_bytearray()) == PIXELS
    with pytest.raises(telegram.error.BadRequest, match=r"(?i)wrong file identifier"):
        await staff.send_photo(fake.desk, update.message.photo[-1].file_id)  # type: ignore[attr-defined]


async def test_an_album_is_several_messages_of_one_group(fake: FakeTelegram, bot: aiogram.Bot) -> None:
    fake.album(BUYER, [PIXELS] * 3, "三张")
    heard = [update.message for update in await bot.get_updates(timeout=0) if update.message]
    sent = await bot.send_media_group(
        BUYER, [InputMediaPhoto(media=BufferedInputFile(PIXELS, f"{n}.png")) for n in range(2)]
    )

    assert [message.caption for message in heard] == ["三张", None, None]
    assert len({message.media_group_id for message in heard}) == 1
    assert len(sent) == 2


async def test_topics_live_and_die(fake: FakeTelegram, staff: telegram.Bot) -> None:
    desk: int = fake.desk  # type: ignore[attr-defined]
    topic = await staff.create_forum_topic(desk, "K-000001 小陈")
    number = topic.message_thread_id
    sent = await staff.send_message(desk, "卡密无效", message_thread_id=number)
    fake.say(desk, "我来看", sender=AGENT, thread_id=number)
    (update,) = await staff.get_updates(timeout=0)
    await staff.close_forum_topic(desk, number)
    with pytest.raises(telegram.error.BadRequest, match=r"(?i)topic_not_modified"):
        await staff.close_forum_topic(desk, number)
    fake.reopen_topic(desk, number, sender=AGENT)
    fake.delete_topic(desk, number)

    assert (sent.is_topic_message, sent.message_thread_id) == (True, number)
    assert update.message is not None
    assert update.message.reply_to_message is not None
    assert update.message.reply_to_message.forum_topic_created is not None
    with pytest.raises(telegram.error.BadRequest, match=r"(?i)thread not found"):
        await staff.send_message(desk, "noch da?", message_thread_id=number)
    with pytest.raises(telegram.error.BadRequest, match=r"(?i)topic_deleted"):
        await staff.reopen_forum_topic(desk, number)


async def test_a_private_chat_has_topics_where_the_bot_has(fake: FakeTelegram, bot: aiogram.Bot) -> None:
    with pytest.raises(TelegramBadRequest, match="not a forum"):
        await bot.create_forum_topic(BUYER, "K-000001")
    fake.bot.has_topics = True

    topic = await bot.create_forum_topic(BUYER, "K-000001")

    sent = await bot.send_message(BUYER, "hier", message_thread_id=topic.message_thread_id)
    assert sent.message_thread_id == topic.message_thread_id


@pytest.mark.parametrize(
    ("markup", "problem"),
    [
        ("<b>half", 'Can\'t find end tag corresponding to start tag "b"'),
        ("<b><i>x</b></i>", 'Unmatched end tag at byte offset 7, expected "</i>", found "</b>"'),
        ("早</b>", "Unexpected end tag at byte offset 3"),
        ("1 < 2", "Unclosed start tag at byte offset 2"),
        ("<h1>x</h1>", 'Unsupported start tag "h1" at byte offset 0'),
        ("<b> </b>", None),
    ],
)
async def test_markup_is_really_read(bot: aiogram.Bot, markup: str, problem: str | None) -> None:
    with pytest.raises(TelegramBadRequest) as refused:
        await bot.send_message(BUYER, markup, parse_mode="HTML")

    assert (problem or "message text is empty") in str(refused.value)


async def test_entities_count_in_utf_16(bot: aiogram.Bot) -> None:
    sent = await bot.send_message(
        BUYER, '😀 <a href="https://a.b/?c&amp;d">look <b>here</b></a> &lt;3', parse_mode="HTML"
    )

    assert sent.text == "😀 look here <3"
    assert [(one.type, one.offset, one.length) for one in sent.entities or ()] == [("text_link", 3, 9), ("bold", 8, 4)]


async def test_what_is_too_long_or_too_wide_is_refused(bot: aiogram.Bot) -> None:
    button = aiogram.types.InlineKeyboardButton(text="x", callback_data="é" * 33)
    wide = aiogram.types.InlineKeyboardMarkup(inline_keyboard=[[button]])

    with pytest.raises(TelegramBadRequest, match="message is too long"):
        await bot.send_message(BUYER, "😀" * 2_049)
    with pytest.raises(TelegramBadRequest, match="BUTTON_DATA_INVALID"):
        await bot.send_message(BUYER, "x", reply_markup=wide)
    with pytest.raises(TelegramBadRequest, match="chat not found"):
        await bot.send_message(43, "x")


async def test_edits_and_deletions(fake: FakeTelegram, bot: aiogram.Bot) -> None:
    sent = await bot.send_message(BUYER, "eins")
    await bot.edit_message_text("zwei", chat_id=BUYER, message_id=sent.message_id)

    with pytest.raises(TelegramBadRequest, match="message is not modified"):
        await bot.edit_message_text("zwei", chat_id=BUYER, message_id=sent.message_id)
    await bot.delete_message(BUYER, sent.message_id)
    with pytest.raises(TelegramBadRequest, match="message to edit not found"):
        await bot.edit_message_text("drei", chat_id=BUYER, message_id=sent.message_id)
    assert (fake.sent[0].text, fake.sent[0].edits, fake.sent[0].is_deleted) == ("zwei", ["eins"], True)


async def test_people_who_are_gone_cannot_be_written_to(fake: FakeTelegram, bot: aiogram.Bot) -> None:
    fake.block(BUYER)
    (update,) = await bot.get_updates(timeout=0)

    with pytest.raises(TelegramForbiddenError, match="bot was blocked by the user"):
        await bot.send_message(BUYER, "x")
    fake.unblock(BUYER)
    fake.deactivated.add(BUYER)
    with pytest.raises(TelegramForbiddenError, match="user is deactivated"):
        await bot.send_message(BUYER, "x")
    assert update.my_chat_member is not None
    assert update.my_chat_member.new_chat_member.status == "kicked"


async def test_a_press_can_be_answered_for_a_while(fake: FakeTelegram, bot: aiogram.Bot, seconds: Seconds) -> None:
    fake.press(BUYER, "a")
    fake.press(BUYER, "b")
    first, second = [update.callback_query for update in await bot.get_updates(timeout=0)]
    assert first is not None
    assert second is not None

    await bot.answer_callback_query(first.id)
    seconds.now += 61

    with pytest.raises(TelegramBadRequest, match="query is too old"):
        await bot.answer_callback_query(second.id)


async def test_a_group_moves(fake: FakeTelegram, bot: aiogram.Bot) -> None:
    old = fake.group(people=[AGENT], bots=[fake.bot], kind="group")
    new = fake.migrate(old)

    with pytest.raises(TelegramMigrateToChat) as moved:
        await bot.send_message(old, "x")

    leaving, arriving = [update.message for update in await bot.get_updates(timeout=0)]
    assert moved.value.migrate_to_chat_id == new
    assert leaving is not None
    assert arriving is not None
    assert (leaving.migrate_to_chat_id, arriving.migrate_from_chat_id) == (new, old)


async def test_a_business_is_answered_for_where_somebody_wrote_lately(
    fake: FakeTelegram, bot: aiogram.Bot, seconds: Seconds
) -> None:
    connection = fake.connect(owner_id=5)
    fake.say(BUYER, "在吗", connection=connection)
    *_, update = await bot.get_updates(timeout=0)
    sent = await bot.send_message(BUYER, "在", business_connection_id=connection)
    seconds.now += 86_401

    assert update.business_message is not None
    assert update.business_message.business_connection_id == connection
    assert sent.business_connection_id == connection
    with pytest.raises(TelegramBadRequest, match="BUSINESS_PEER_USAGE_MISSING"):
        await bot.send_message(BUYER, "noch da?", business_connection_id=connection)


async def test_who_writes_too_fast_waits(fake: FakeTelegram, bot: aiogram.Bot, seconds: Seconds) -> None:
    fake.bot.limits = Limits()
    group = fake.group(bots=[fake.bot])

    async def fill(chat_id: int) -> tuple[int, int]:
        sent = 0
        while True:
            try:
                await bot.send_message(chat_id, "x")
            except TelegramRetryAfter as error:
                return sent, error.retry_after
            sent += 1

    to_one, to_group = await fill(BUYER), await fill(group)
    seconds.now += 1
    to_one_again = await fill(BUYER)

    assert to_one == (5, 1)
    assert to_group == (20, 60)
    assert to_one_again == (1, 1)


@pytest.mark.parametrize(("fault", "arrives"), [("lost", 1), ("cut", 0), ("garbage", 1), (Refusal(500, "Oh"), 0)])
async def test_faults_that_were_ordered_come(
    fake: FakeTelegram, bot: aiogram.Bot, fault: str | Refusal, arrives: int
) -> None:
    fake.next_fault("sendMessage", fault)

    with pytest.raises((TelegramNetworkError, aiogram.exceptions.AiogramError)):
        await bot.send_message(BUYER, "x")

    assert len(fake.sent) == arrives
    assert (await bot.send_message(BUYER, "y")).text == "y"


def test_the_same_seed_gives_the_same_weather() -> None:
    def faults(seed: int) -> list[Any]:
        weather = Weather(seed, lost=0.2, refused=0.1)
        return ["429" if isinstance(one, Refusal) else one for one in (weather.next("sendMessage") for _ in range(500))]

    first = faults(1)

    assert first == faults(1) != faults(2)
    assert 70 < first.count("lost") < 130
    assert 25 < first.count("429") < 75


async def test_one_reader_at_a_time(fake: FakeTelegram, bot: aiogram.Bot) -> None:
    fake.longest_poll = 5
    first = asyncio.create_task(bot.get_updates(timeout=5))
    await until(lambda: bool(fake.offsets))
    second = asyncio.create_task(bot.get_updates(timeout=5))

    with pytest.raises(TelegramConflictError, match="terminated by other getUpdates"):
        await first
    fake.say(BUYER, "x")
    assert len(await second) == 1
    await bot.set_webhook("https://kadesk.test/hook")
    with pytest.raises(TelegramConflictError, match="webhook is active"):
        await bot.get_updates(timeout=0)


class Hook:
    """A webhook that says what it is told to; `run` waits until something is true."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str]] = []
        self.secrets: set[str | None] = set()
        self.statuses: dict[str, list[int]] = {}

    async def take(self, request: Any) -> Any:
        message = (await request.json())["message"]
        self.heard.append((str(message["chat"]["id"]), message["text"]))
        self.secrets.add(request.headers.get("X-Telegram-Bot-Api-Secret-Token"))
        statuses = self.statuses.get(message["text"], [])
        return web.Response(status=statuses.pop(0) if statuses else 200)


@pytest.fixture
async def hook(fake: FakeTelegram) -> AsyncIterator[tuple[Hook, str]]:
    hook, app = Hook(), web.Application()
    app.router.add_post("/hook", hook.take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield hook, f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    fake.bot.updates.set_pusher(None)
    await runner.cleanup()


async def until(is_true: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not is_true():  # noqa: ASYNC110  # it is asked of a server, which rings no bell
            await asyncio.sleep(0.005)


async def test_a_webhook_gets_each_chats_updates_in_order_until_it_takes_them(
    fake: FakeTelegram, bot: aiogram.Bot, hook: tuple[Hook, str]
) -> None:
    listener, url = hook
    listener.statuses["a1"] = [503, 500]
    fake.say(BUYER, "a1")
    fake.say(BUYER, "a2")
    fake.say(43, "b1")

    await bot.set_webhook(url, secret_token="s3cret", allowed_updates=["message"])
    await until(lambda: fake.bot.updates.pending == 0)
    info = await bot.get_webhook_info()

    assert [text for chat, text in listener.heard if chat == "42"] == ["a1", "a1", "a1", "a2"]
    assert listener.heard.index(("43", "b1")) < 3, "another chat does not wait"
    assert listener.secrets == {"s3cret"}
    assert info.last_error_message == "Wrong response from the webhook: 500 Internal Server Error"
    assert (info.pending_update_count, info.allowed_updates) == (0, ["message"])


async def test_a_push_whose_answer_is_lost_comes_again(
    fake: FakeTelegram, bot: aiogram.Bot, hook: tuple[Hook, str]
) -> None:
    listener, url = hook
    fake.next_fault("webhook", "lost")
    await bot.set_webhook(url)

    fake.say(BUYER, "once")
    await until(lambda: fake.bot.updates.pending == 0)

    assert listener.heard == [("42", "once")] * 2


async def test_a_webhook_that_is_not_there_is_told_of(fake: FakeTelegram, bot: aiogram.Bot) -> None:
    await bot.set_webhook("http://127.0.0.1:9/hook")
    fake.say(BUYER, "x")
    pusher = fake.bot.updates.pusher
    assert pusher is not None
    await until(lambda: pusher.last_error is not None)

    info = await bot.get_webhook_info()

    assert (info.last_error_message, info.pending_update_count) == ("Connection refused", 1)


@pytest.mark.parametrize("way", ["json", "data", "params"])
async def test_fields_may_come_in_any_form(fake: FakeTelegram, way: str) -> None:
    async with httpx.AsyncClient() as client:
        answer = await client.post(f"{fake.base}/bot{TOKEN}/SENDmessage", **{way: {"chat_id": "42", "text": "x"}})  # type: ignore[arg-type]
        unknown = await client.get(f"{fake.base}/bot{TOKEN}/sendFlowers")
        stranger = await client.get(f"{fake.base}/bot1:x/getMe")

    assert answer.json()["result"]["text"] == "x"
    assert (unknown.status_code, stranger.json()) == (
        404,
        {"ok": False, "error_code": 401, "description": "Unauthorized"},
    )


async def test_commands_members_and_a_protected_message(fake: FakeTelegram, bot: aiogram.Bot) -> None:
    group = fake.group(people=[AGENT], bots=[fake.bot])
    await bot.set_my_commands([aiogram.types.BotCommand(command="start", description="开始")], language_code="zh")
    await bot.send_chat_action(BUYER, "typing")
    await bot.send_message(BUYER, "SECRET", protect_content=True)
    member = await bot.get_chat_member(group, AGENT)
    await bot.leave_chat(group)

    assert [one.command for one in await bot.get_my_commands(language_code="zh")] == ["start"]
    assert fake.bot.actions == [(BUYER, "typing")]
    assert fake.sent[-1].is_protected
    assert member.status == "member"
    with pytest.raises(TelegramForbiddenError, match="not a member of the supergroup chat"):
        await bot.send_message(group, "x")


async def test_a_slow_answer_comes_late(fake: FakeTelegram, bot: aiogram.Bot) -> None:
    fake.next_fault("getMe", 0.2)

    with pytest.raises(TelegramNetworkError):
        await bot.get_me(request_timeout=0.05)  # type: ignore[arg-type]
