"""The door of shops' events, over HTTP as shops use it."""

import asyncio
import hmac
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from kadesk.cli import main
from kadesk.database import Database
from kadesk.errors import SettingsError
from kadesk.event_door import BODY_LIMIT, EventDoor
from kadesk.migrate import upgrade
from kadesk.settings import Settings
from kadesk.shops import choose_events
from shop.events import Arrived, Events
from shop.tables import ShopEvent

SECRET, KEY = "a secret of this shop", "AbCd_-" * 6
CODE = "K7Q2M-9XH4T-R3VNP"
BODY = json.dumps({"event": "order:paid", "data": {"uniqid": "5e1-77", "serials": [CODE]}}).encode()
HOOK = json.dumps({"order_sn": "AB12CD34EF56GH78", "email": "wang@example.com", "order_info": CODE}).encode()
SHOPS = {
    "star": Events.choose("star", "sellix", SECRET, {}),
    "moon": Events.choose("moon", "dujiaoka", KEY, {}),
    "wood": Events.choose("wood", "woocommerce", SECRET, {}),
}


@dataclass
class Caller:
    """A shop, or who says that they are one."""

    database: Database
    now: datetime
    shops: Mapping[str, Events] = field(default_factory=lambda: SHOPS)
    rate: int = 600
    app: FastAPI | None = None

    async def post(self, place: str, body: bytes, signature: str = "") -> httpx.Response:
        if self.app is None:
            self.app = FastAPI()
            self.app.include_router(EventDoor(self.database, lambda: self.now, self.shops, self.rate).router)
        transport = httpx.ASGITransport(app=self.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://kadesk.test") as client:
            headers = {"X-Sellix-Unescaped-Signature": signature} if signature else {}
            return await client.post(f"/shop/events/{place}", content=body, headers=headers)

    async def kept(self) -> list[tuple[str, str, str]]:
        async with self.database.reading() as session:
            return [(row.shop, row.order_no, row.kind) for row in (await session.exec(select(ShopEvent))).all()]


@pytest.fixture
def caller(database: Database, now: datetime) -> Caller:
    return Caller(database, now)


def sign(body: bytes) -> str:
    return hmac.digest(SECRET.encode(), body, "sha512").hex()


async def check_that_strangers_learn_and_change_nothing(caller: Caller) -> None:
    refused = [
        await caller.post("star", BODY),
        await caller.post("star", BODY, sign(BODY)[:-1] + "z"),
        await caller.post("star", BODY + b" ", sign(BODY)),
        await caller.post("moon", HOOK),
        await caller.post(f"moon/{KEY[:-1]}", HOOK),
        await caller.post("unknown", BODY, sign(BODY)),
        await caller.post(f"unknown/{KEY}", HOOK),
    ]
    assert {(one.status_code, one.content) for one in refused} == {(401, b"")}
    assert await caller.kept() == []


async def test_strangers_learn_and_change_nothing(caller: Caller) -> None:
    await check_that_strangers_learn_and_change_nothing(caller)


class Careless(Events):
    """Looks at no signature."""

    def recognise(self, arrived: Arrived, now: datetime) -> str | None:
        return "any"


async def test_the_check_fails_at_a_door_that_looks_at_no_signature(caller: Caller) -> None:
    star = SHOPS["star"]
    caller.shops = SHOPS | {"star": Careless(star.shop, star.family, star.secret, star.form)}

    with pytest.raises(AssertionError):
        await check_that_strangers_learn_and_change_nothing(caller)


@pytest.mark.parametrize(
    ("send", "row"),
    [
        pytest.param(lambda one: one.post("star", BODY, sign(BODY)), ("star", "5e1-77", "order:paid"), id="signed"),
        pytest.param(lambda one: one.post(f"moon/{KEY}", HOOK), ("moon", "AB12CD34EF56GH78", ""), id="unsigned"),
    ],
)
async def test_an_event_is_kept_once_and_a_repeat_is_acknowledged(
    caller: Caller, send: Callable[[Caller], Awaitable[httpx.Response]], row: tuple[str, str, str]
) -> None:
    answers = [await send(caller) for _ in range(3)]

    assert [(one.status_code, one.content) for one in answers] == [(200, b"")] * 3
    assert await caller.kept() == [row]


async def test_nothing_of_a_body_or_of_the_address_is_kept_or_logged(
    caller: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        await caller.post(f"moon/{KEY}", HOOK)
        await caller.post("star", BODY, sign(BODY))

    async with caller.database.reading() as session:
        rows = " ".join(str(row.model_dump()) for row in (await session.exec(select(ShopEvent))).all())
    ours = " ".join(one.getMessage() for one in caplog.records if not one.name.startswith(("httpx", "httpcore")))
    assert [word for word in (CODE, KEY, SECRET, "wang@example.com") if word in rows + ours] == []


async def test_what_is_not_kept_is_not_acknowledged(caller: Caller) -> None:
    class Full(Database):
        def writing(self) -> AbstractAsyncContextManager[AsyncSession]:
            raise OSError("no space left")

    caller.database = Full("sqlite://")

    assert (await caller.post("star", BODY, sign(BODY))).status_code == 500


async def test_too_much_is_refused(caller: Caller) -> None:
    caller.rate = 2

    long = await caller.post("star", b" " * (BODY_LIMIT + 1), "x")
    await caller.post("star", BODY)
    often = await caller.post("star", BODY, sign(BODY))

    assert (long.status_code, often.status_code) == (413, 429)
    assert int(often.headers["retry-after"]) > 0
    assert await caller.kept() == []


async def test_what_is_about_no_order_is_acknowledged(caller: Caller) -> None:
    stock = b'{"event": "product:stock", "data": {"stock": 3}}'

    assert (await caller.post("star", stock, sign(stock))).status_code == 200
    assert (await caller.post("wood", b"webhook_id=7")).status_code == 200
    assert await caller.kept() == []


def test_the_settings_choose_the_family_of_each_shop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KADESK_SHOP__EVENTS", "standard")
    monkeypatch.setenv("KADESK_SHOP__EVENTS_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    monkeypatch.setenv("KADESK_SHOP__MORE__MOON__EVENTS", "dujiaoka")
    monkeypatch.setenv("KADESK_SHOP__MORE__MOON__EVENTS_SECRET", KEY)
    monkeypatch.setenv("KADESK_SHOP__MORE__STILL__CURRENCY", "USD")

    chosen = choose_events(Settings.load().shop)

    assert {name: one.family.value for name, one in chosen.items()} == {"demo": "standard", "moon": "dujiaoka"}


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        pytest.param({"EVENTS": "shoppy"}, "there is no family 'shoppy'", id="family"),
        pytest.param({"EVENTS": "sellix"}, "set its events_secret in the environment", id="no secret"),
        pytest.param({"EVENTS": "dujiaoka", "EVENTS_SECRET": "short"}, "must be 32 or more", id="guessable"),
    ],
)
def test_settings_of_events_that_cannot_be_are_named(
    monkeypatch: pytest.MonkeyPatch, values: dict[str, Any], sentence: str
) -> None:
    for name, value in values.items():
        monkeypatch.setenv(f"KADESK_SHOP__{name}", value)

    with pytest.raises(SettingsError, match=sentence):
        Settings.load()


def test_the_command_lists_what_was_laid_aside_and_tries_it_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, now: datetime, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KADESK_DATA__DIR", str(tmp_path))

    async def lay_aside() -> None:
        database = Database(Settings.load().database_url)
        await upgrade(database)
        async with database.writing() as session:
            row = ShopEvent(shop="star", event_id="e1", kind="order.paid", order_no="S-1", received_at=now)
            row.state, row.not_before, row.problem = "dead", now, "Shop star does not answer."
            session.add(row)
        await database.close()

    def call(*more: str) -> tuple[object, str]:
        monkeypatch.setattr("sys.argv", ["kadesk", "shop", "events", *more])
        with pytest.raises(SystemExit) as stopped:
            main()
        return stopped.value.code, capsys.readouterr().out

    asyncio.run(lay_aside())
    (listed, shown), (retried, _) = call(), call("--retry")

    assert (listed, retried or 0) == (1, 0)
    assert "star  S-1  order.paid" in shown
    assert "0 laid aside" in call()[1]
