"""The door that Telegram calls: who may knock, what is too much, and that nothing is acknowledged before it is kept."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from bot.channels.botapi import arrivals, webhook
from bot.channels.botapi.hook import Hook
from bot.channels.botapi.webhook import BODY_LIMIT, SECRET_HEADER
from bot.channels.port import Update
from bot.channels.telegram import Telegram, reading
from bot.channels.telegram.methods import KINDS
from bot.fakes.telegram import TOKEN, FakeTelegram, Refusal, serving

SECRET = "a-secret-that-only-telegram-knows"
PATH = "/telegram/123456789"
HELLO = {"update_id": 7, "message": {"message_id": 1, "date": 1, "chat": {"id": 42}, "text": "secret words"}}
PRESS = {"update_id": 8, "callback_query": {"id": "55", "from": {"id": 42}, "data": "x"}}


class Store:
    """Where updates go; it can be away, or slow."""

    def __init__(self) -> None:
        self.kept: list[Update] = []
        self.is_away = False
        self.gate = asyncio.Event()
        self.gate.set()

    async def accept(self, *updates: Update) -> int:
        if self.is_away:
            raise ConnectionError("the database is away")
        await self.gate.wait()
        self.kept += updates
        return len(updates)


class Doors:
    """One bot's door, knocked at without a network."""

    def __init__(self, telegram: Telegram, store: Store) -> None:
        self.app = FastAPI()
        self.app.include_router(telegram.router(store.accept))
        self._client = httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://kadesk.test")

    async def post(self, content: Any, secret: str = SECRET, kind: str = "application/json") -> int:
        body = content if isinstance(content, bytes) or hasattr(content, "__aiter__") else json.dumps(content).encode()
        headers = {SECRET_HEADER: secret, "content-type": kind}
        return (await self._client.post(PATH, content=body, headers=headers)).status_code


@pytest.fixture
async def fake() -> AsyncIterator[FakeTelegram]:
    async with serving(FakeTelegram()) as fake:
        yield fake


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def known() -> dict[str, Any]:
    """What the bot notes of itself; instants are True."""
    return {}


@pytest.fixture
async def telegram(fake: FakeTelegram, known: dict[str, Any]) -> AsyncIterator[Telegram]:
    hook = Hook(f"https://help.example.com{PATH}", SECRET)

    def note(*instants: str, **facts: object) -> None:
        known.update(dict.fromkeys(instants, True) | facts)

    telegram = Telegram(TOKEN, fake.base, hook=hook, note=note, first_wait=timedelta(milliseconds=5))
    yield telegram
    await telegram._bot.session.close()


@pytest.fixture
def doors(telegram: Telegram, store: Store) -> Doors:
    return Doors(telegram, store)


async def until(is_true: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not is_true():  # noqa: ASYNC110  # it happens at the far end of a socket
            await asyncio.sleep(0.01)


class Elected:
    def __init__(self, name: str) -> None: ...
    async def __aenter__(self) -> bool:
        return True

    async def __aexit__(self, *_: object) -> None: ...


async def test_an_update_is_kept_before_it_is_acknowledged(doors: Doors, store: Store) -> None:
    store.gate.clear()
    answer = asyncio.create_task(doors.post(HELLO))
    await asyncio.sleep(0.05)
    was_done = answer.done()
    store.gate.set()

    assert (was_done, await answer) == (False, 200)
    assert [(one.update_id, one.address) for one in store.kept] == [("7", "42")]


async def test_while_the_store_is_away_telegram_keeps_the_update(doors: Doors, store: Store) -> None:
    store.is_away = True
    refused = await doors.post(HELLO)
    store.is_away = False

    assert (refused, await doors.post(HELLO)) == (503, 200)
    assert len(store.kept) == 1


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "Application/JSON", "text/plain", ""])
async def test_who_knows_the_secret_may_call_the_body_what_they_like(doors: Doors, store: Store, kind: str) -> None:
    assert await doors.post(HELLO, kind=kind) == 200

    assert [one.update_id for one in store.kept] == ["7"]


@pytest.mark.parametrize("secret", ["", "another", SECRET[:-1], SECRET + "x", "é"])
async def test_who_does_not_know_the_secret_is_not_listened_to(doors: Doors, secret: str) -> None:
    async def receive() -> Any:
        raise AssertionError("something was read")

    statuses = []

    async def send(event: Any) -> None:
        statuses.append(event.get("status"))

    headers = [(SECRET_HEADER.encode(), secret.encode("latin-1"))] if secret else []
    scope = {"type": "http", "method": "POST", "path": PATH, "query_string": b"", "headers": headers}
    await doors.app(scope | {"http_version": "1.1", "scheme": "http", "root_path": ""}, receive, send)

    assert statuses[0] == 401


async def test_a_body_has_an_end(doors: Doors, store: Store) -> None:
    drawn = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal drawn
        while True:
            drawn += 1
            yield b" " * 65_536

    assert await doors.post(b" " * (BODY_LIMIT + 1)) == 413
    assert await doors.post(endless()) == 413
    assert drawn <= BODY_LIMIT // 65_536 + 2
    assert store.kept == []


async def test_a_body_that_drips_is_given_up(doors: Doors, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "BODY_TIMEOUT", 0.05)

    async def dripping() -> AsyncIterator[bytes]:
        while True:
            yield b" "
            await asyncio.sleep(0.01)

    assert await doors.post(dripping()) == 408


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        pytest.param(b'{"update_id": 7, "mess', "application/json", 200, id="broken"),
        pytest.param(b"\xff\xfe", "application/json; charset=utf-8", 200, id="no text"),
        pytest.param(b"[" * 200_000, "application/json", 200, id="bottomless"),
        pytest.param([HELLO], "application/json", 200, id="no update"),
        pytest.param({"odd": 1}, "application/json", 200, id="without a number"),
    ],
)
async def test_what_will_never_be_an_update_does_not_come_again(
    doors: Doors, store: Store, caplog: pytest.LogCaptureFixture, content: Any, kind: str, status: int
) -> None:
    assert await doors.post(content, kind=kind) == status

    assert store.kept == []
    assert "secret words" not in caplog.text
    assert bool(caplog.text) == (status == 200)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"message": "words"}, id="no object"),
        pytest.param({"message": {"chat": 5, "text": "x"}}, id="no chat"),
        pytest.param({"message": {"chat": {"id": "4\u00002"}, "text": "x"}}, id="an address that no database takes"),
        pytest.param({"callback_query": ["x"]}, id="no press"),
    ],
)
async def test_what_is_nobodys_is_acknowledged(doors: Doors, store: Store, body: dict[str, Any]) -> None:
    assert await doors.post({"update_id": 9} | body) == 200

    assert store.kept == []


async def test_what_our_own_code_stumbles_over_is_kept_for_a_person(
    doors: Doors, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "take", lambda *_: 1 / 0)

    assert await doors.post(HELLO) == 200

    (kept,) = store.kept
    assert kept.address == f"?{kept.update_id}"
    assert json.loads(kept.raw) == HELLO


@pytest.mark.parametrize("is_slow", [False, True])
async def test_a_press_is_answered_once_it_is_kept_or_when_that_takes_long(
    doors: Doors, store: Store, fake: FakeTelegram, monkeypatch: pytest.MonkeyPatch, is_slow: bool
) -> None:
    monkeypatch.setattr(arrivals, "PATIENCE", 0.01 if is_slow else 60)
    query = fake.press(42, "x")["callback_query"]["id"]
    press = PRESS | {"callback_query": {"id": query, "from": {"id": 42}, "data": "x"}}
    store.gate.clear()
    answer = asyncio.create_task(doors.post(press))
    await (until(lambda: fake.pressed) if is_slow else asyncio.sleep(0.05))
    meanwhile, is_kept = list(fake.pressed), answer.done()
    store.gate.set()
    assert await answer == 200

    async with asyncio.timeout(1):
        await until(lambda: fake.pressed)
    assert (meanwhile, is_kept, fake.pressed) == ([query] * is_slow, False, [query])


async def test_a_server_that_knows_no_info_of_webhooks_is_taken_at_its_word(
    telegram: Telegram,
    store: Store,
    fake: FakeTelegram,
    known: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    fake.next_fault("getWebhookInfo", Refusal(404, "Not Found: method not found"))

    worker = asyncio.create_task(telegram.run(store.accept, Elected))
    await until(lambda: "looked_at" in known)
    worker.cancel()
    await asyncio.gather(worker, return_exceptions=True)

    assert fake.webhook.endswith(PATH)
    assert "token was refused" not in caplog.text


async def test_the_webhook_is_set_with_the_secret_and_nothing_that_waits_is_dropped(
    telegram: Telegram, store: Store, fake: FakeTelegram, known: dict[str, Any]
) -> None:
    fake.say(42, "before the webhook")

    worker = asyncio.create_task(telegram.run(store.accept, Elected))
    await until(lambda: "pending" in known)
    worker.cancel()
    await asyncio.gather(worker, return_exceptions=True)

    pusher = fake.bot.updates.pusher
    assert pusher is not None
    assert (pusher.url, pusher.secret, pusher.max_connections) == (f"https://help.example.com{PATH}", SECRET, 40)
    assert set(fake.bot.updates.allowed) == set(KINDS)
    assert fake.bot.updates.pending == 1
    assert (known["mode"], known["name"], known["pending"]) == ("webhook", "kadesk_bot", 1)


async def test_a_webhook_that_somebody_took_away_is_set_again(
    telegram: Telegram, store: Store, fake: FakeTelegram, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook, "CHECK_EVERY", 0.02)
    worker = asyncio.create_task(telegram.run(store.accept, Elected))
    await until(lambda: fake.webhook)
    fake.bot.updates.set_pusher(None)

    await until(lambda: fake.webhook)

    worker.cancel()
    await asyncio.gather(worker, return_exceptions=True)


async def test_why_telegram_cannot_call_is_known(
    telegram: Telegram, store: Store, fake: FakeTelegram, known: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook, "CHECK_EVERY", 0.02)
    worker = asyncio.create_task(telegram.run(store.accept, Elected))
    await until(lambda: fake.bot.updates.pusher)

    fake.bot.updates.pusher.last_error = (1772424000.0, "Wrong response from the webhook: 502 Bad Gateway")  # type: ignore[union-attr]
    await until(lambda: known.get("error"))

    worker.cancel()
    await asyncio.gather(worker, return_exceptions=True)
    assert known["error"] == "Wrong response from the webhook: 502 Bad Gateway"
    assert known["error_at"] == "2026-03-02T04:00:00+00:00"
