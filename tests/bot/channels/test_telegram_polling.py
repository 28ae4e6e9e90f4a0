"""Long polling by several processes and several bots: one looks, another takes over, none holds another up."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from aiogram.exceptions import TelegramBadRequest, TelegramNetworkError, TelegramRetryAfter
from aiohttp import web

from bot.channels.botapi import looks, polling
from bot.channels.botapi.patience import Patience
from bot.channels.noting import Note, unheard
from bot.channels.port import Update
from bot.channels.telegram import Telegram, presses
from bot.channels.telegram.methods import GetUpdates
from bot.channels.telegram.server import Server
from bot.fakes.telegram import TOKEN, FakeTelegram, Refusal, serving
from kadesk.database import Database

OTHER = "987654321:AAH-other-token-of-a-bot-that-never-was-0"
MOMENT = timedelta(milliseconds=5)
GET = GetUpdates(timeout=25)


class Store:
    """Keeps each update once, as the inbox does."""

    def __init__(self) -> None:
        self.kept: list[str] = []
        self.came = 0

    async def accept(self, *updates: Update) -> int:
        self.came += len(updates)
        fresh = [one.update_id for one in updates if one.update_id not in self.kept]
        self.kept += fresh
        return len(fresh)


class Elected:
    def __init__(self, name: str) -> None: ...
    async def __aenter__(self) -> bool:
        return True

    async def __aexit__(self, *_: object) -> None: ...


@pytest.fixture
async def fake() -> AsyncIterator[FakeTelegram]:
    async with serving(FakeTelegram()) as fake:
        fake.longest_poll = 0.1
        yield fake


@asynccontextmanager
async def receiving(
    *telegrams: Telegram, accept: Any, elected: Any = Elected
) -> AsyncIterator[list[asyncio.Task[None]]]:
    tasks = [asyncio.create_task(one.run(accept, elected)) for one in telegrams]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def until(is_true: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not is_true():  # noqa: ASYNC110  # it happens at the far end of a socket
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("database_url", [pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True)
async def test_of_three_processes_one_looks_and_when_it_dies_another(
    database_url: str, fake: FakeTelegram, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(polling, "ELECT_EVERY", 0.05)
    store, looked = Store(), list[int]()
    async with three(database_url) as processes:

        def start(number: int) -> asyncio.Task[None]:
            telegram = Telegram(TOKEN, fake.base, note=lambda *_, **facts: looked.append(number))
            return asyncio.create_task(telegram.run(store.accept, processes[number].elected))

        tasks = [start(number) for number in range(3)]
        for number in range(3):
            fake.say(42, f"word {number}")
            await until(lambda number=number: len(store.kept) == number + 1)  # type: ignore[misc]
            leader = tasks[looked[-1]]
            assert not leader.done()
            leader.cancel()
            await asyncio.gather(leader, return_exceptions=True)

    assert "another program" not in caplog.text
    assert (store.kept, sorted(set(looked))) == (["500", "501", "502"], [0, 1, 2])


@asynccontextmanager
async def three(url: str) -> AsyncIterator[list[Database]]:
    databases = [Database(url, held=1) for _ in range(3)]
    yield databases
    for database in databases:
        await database.close()


async def test_what_a_server_lists_in_disorder_is_kept_as_it_happened(fake: FakeTelegram) -> None:
    store, telegram = Store(), Telegram(TOKEN, fake.base)
    first = fake.say(42, "1")["update_id"]
    for number in (first + 2, str(first + 1)):
        fake.push({"update_id": number, "message": {"message_id": 9, "date": 1, "chat": {"id": 42}, "text": "x"}})

    offset = await telegram.look(store.accept, None)
    await telegram.close()

    assert (store.kept, offset) == ([str(first + one) for one in range(3)], first + 3)


@pytest.mark.parametrize(
    ("refusal", "answered"),
    [
        pytest.param(Refusal(502, "Bad Gateway"), 1, id="weather"),
        pytest.param(Refusal(400, "Bad Request: query is too old"), 0, id="it will never be answered"),
    ],
)
async def test_a_press_is_answered_though_telegram_stumbles_once(
    fake: FakeTelegram, monkeypatch: pytest.MonkeyPatch, refusal: Refusal, answered: int
) -> None:
    monkeypatch.setattr(presses, "AGAIN_AFTER", 0.0)
    store, telegram = Store(), Telegram(TOKEN, fake.base)
    fake.press(42, "x")
    fake.next_fault("answerCallbackQuery", refusal)

    await telegram.look(store.accept, None)
    await until(lambda: not telegram._presses._side)
    await telegram.close()

    assert len(fake.pressed) == answered


async def test_while_the_store_is_slow_no_button_spins_and_nothing_is_confirmed(
    fake: FakeTelegram, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polling, "AHEAD_EVERY", 0.01)
    store, telegram, gate = Store(), Telegram(TOKEN, fake.base), asyncio.Event()
    before = fake.say(42, "您好")["update_id"]

    async def slow(*updates: Update) -> int:
        await gate.wait()
        return await store.accept(*updates)

    looking = asyncio.create_task(telegram.look(slow, before))
    await until(lambda: fake.offsets)
    fake.press(42, "x")
    await until(lambda: fake.pressed)
    kept = list(store.kept)
    gate.set()
    offset = await looking
    await telegram.close()

    assert (kept, store.kept) == ([], [str(before), str(before + 1)])
    assert set(fake.offsets) == {before}
    assert (offset, len(fake.pressed)) == (before + 2, 1)


async def test_numbers_that_begin_anew_after_a_quiet_week_are_heard(
    fake: FakeTelegram, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looks, "QUIET", 0)
    store = Store()
    async with receiving(Telegram(TOKEN, fake.base), accept=store.accept):
        fake.say(42, "before")
        await until(lambda: fake.offsets[-2:] == [501, None])
        fake.bot.updates._next = 7
        fake.say(42, "after")
        await until(lambda: len(store.kept) == 2)

    assert store.kept == ["500", "7"]


async def test_what_is_no_update_holds_up_nothing(fake: FakeTelegram, monkeypatch: pytest.MonkeyPatch) -> None:
    telegram, store = Telegram(TOKEN, fake.base), Store()
    say = {"message": {"message_id": 1, "date": 1, "chat": {"id": 42}, "text": "in time"}}
    answer = ["words", None, {"update_id": None}, {"update_id": "510"} | say, {"update_id": 511, "callback_query": 5}]

    async def get(*_: Any) -> Any:
        return answer

    monkeypatch.setattr(fake.bot.updates, "get", get)
    offset = await telegram.look(store.accept, None)
    answer[3:] = []
    with pytest.raises(ValueError, match="without numbers"):
        await telegram.look(store.accept, None)

    await telegram._bot.session.close()
    assert (store.kept, offset) == (["510"], 512)


async def test_a_bot_whose_token_is_refused_stops_no_other(
    fake: FakeTelegram, caplog: pytest.LogCaptureFixture
) -> None:
    store, known = Store(), dict[str, Any]()
    broken = Telegram(OTHER, fake.base, note=lambda *_, **facts: known.update(facts), first_wait=MOMENT)
    async with receiving(broken, Telegram(TOKEN, fake.base), accept=store.accept):
        fake.say(42, "hello")
        await until(lambda: store.kept and known.get("problem"))

    assert known["problem"] == "token"
    assert "telegram 987654321: the bot token was refused" in caplog.text


async def test_each_bot_hears_its_own(fake: FakeTelegram) -> None:
    store, second = Store(), fake.add_bot(OTHER)
    second.updates._next = 900
    async with receiving(Telegram(TOKEN, fake.base), Telegram(OTHER, fake.base), accept=store.accept):
        fake.say(42, "to the first")
        fake.send(42, {"text": "to the second"}, bot=second)
        await until(lambda: len(store.kept) == 2)

    assert sorted(store.kept) == ["500", "900"]


async def test_a_conflict_gives_the_office_up_and_a_left_over_webhook_goes(fake: FakeTelegram) -> None:
    store, known = Store(), list[Any]()
    fake.next_fault("getUpdates", Refusal(409, "Conflict: terminated by other getUpdates request"))
    fake.webhook = "https://left.over/hook"
    fake.say(42, "kept by Telegram meanwhile")
    telegram = Telegram(
        TOKEN, fake.base, note=lambda *_, **facts: known.append(facts.get("problem")), first_wait=MOMENT
    )

    async with receiving(telegram, accept=store.accept):
        await until(lambda: store.kept)

    assert "conflict" in known
    assert known[-1] in ("", None)


async def test_a_server_that_never_holds_a_look_open_is_asked_a_few_times_a_second(
    fake: FakeTelegram, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, asked = Store(), list[int | None]()
    fake.longest_poll = 0
    monkeypatch.setattr(looks, "LEAST", 0.05)
    async with receiving(Telegram(TOKEN, fake.base), accept=store.accept):
        fake.say(42, "hello")
        await until(lambda: store.kept)
        begun = len(fake.offsets)
        await asyncio.sleep(0.3)
        asked += fake.offsets[begun:]

    assert 1 <= len(asked) <= 7
    assert set(asked) == {501}  # with its offset, for a server may keep all that it ever had


async def test_a_server_that_confirms_nothing_is_not_asked_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looks, "LEAST", 0.05)
    told: list[int | None] = []

    async def look(offset: int | None) -> int:
        told.append(offset)
        return 501

    row, begun = looks.Looks(), time.monotonic()
    for _ in range(4):
        await row.again(look)

    assert told == [None, 501, 501, 501]
    assert time.monotonic() - begun >= 0.14


@pytest.mark.parametrize("refusal", [Refusal(404, "Not Found: method not found"), "<h1>404</h1>", Refusal(500, "no")])
async def test_a_server_that_knows_no_webhooks_is_polled(
    fake: FakeTelegram, monkeypatch: pytest.MonkeyPatch, refusal: Refusal | str
) -> None:
    store, answer = Store(), fake.answer

    async def odd(request: web.Request) -> web.StreamResponse:
        if request.match_info["method"] != "deleteWebhook":
            return await answer(request)
        if isinstance(refusal, str):
            return web.Response(status=404, text=refusal, content_type="text/html")
        return web.json_response(refusal.body, status=int(refusal.body["error_code"]))

    monkeypatch.setattr(fake, "answer", odd)
    async with serving(fake), receiving(Telegram(TOKEN, fake.base), accept=store.accept):
        fake.say(42, "hello")
        async with asyncio.timeout(0.9):  # at the first try
            await until(lambda: store.kept)


def patient(first_wait: timedelta = timedelta(seconds=1), note: Note = unheard) -> Patience:
    nobody: Any = None
    return Patience("telegram", "1", first_wait, note, Server(nobody).judge)


async def test_a_refusal_without_words_ends_no_receiver() -> None:
    known: dict[str, Any] = {}
    patience = patient(MOMENT, lambda *_, **facts: known.update(facts))

    await patience.sit_out(TelegramBadRequest(GET, None))  # type: ignore[arg-type]

    assert known["error"] == "no reason given"


async def test_who_says_later_but_not_when_is_asked_after_a_pause() -> None:
    patience = patient()

    assert patience.wait_after(TelegramRetryAfter(GET, "Too Many Requests", 0)) == 1.0


async def test_a_look_that_was_held_open_for_too_long_makes_the_next_ones_no_rarer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    patience, late = patient(), TelegramNetworkError(GET, "Request timeout error")
    quick = [patience.wait_after(late) for _ in range(3)]
    monkeypatch.setattr("bot.channels.botapi.patience.LASTED", 0)

    slow = [patience.wait_after(late) for _ in range(3)]

    assert (quick, slow) == ([1.0, 2.0, 4.0], [1.0, 1.0, 1.0])
