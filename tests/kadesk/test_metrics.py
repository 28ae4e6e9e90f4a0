"""The door for watchers from outside, and the watchman inside."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from types import SimpleNamespace

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client import generate_latest
from pydantic import SecretStr

from bot.phrases import Phrases
from kadesk import metrics
from kadesk.database import Database
from kadesk.metrics import measure
from kadesk.watchman import Watchman
from kadesk.workers import Workers
from tickets import conversations, escalations
from tickets.canary import set_canary
from tickets.desk import Desk
from tickets.tables import Heartbeat, Level
from tickets.watch import Watch

SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
SECRET = "K-secret subject 卡密 AAAA-BBBB"


async def figures(database: Database, at: datetime, bots: Sequence[tuple[str, str]] = ()) -> dict[str, float]:
    async with database.reading() as session:
        text = generate_latest((await measure(session, at, bots)).registry).decode()
    assert "AAAA" not in text
    lines = [line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")]
    return {name.removeprefix("kadesk_"): float(value) for name, _, value in lines}


async def test_the_figures_of_an_empty_desk(database: Database, now: datetime) -> None:
    found = await figures(database, now)

    assert found["sweep_age_seconds"] == float("inf")
    assert found["sweep_stalled"] == 1
    assert {found[name] for name in ("clocks_due", "dead_letters", "notices_undeliverable", "sweep_deaf")} == {0}


async def test_the_figures_of_a_desk_at_work(database: Database, now: datetime) -> None:
    desk = Desk(Phrases())
    async with database.writing() as session:
        conversation = await conversations.find_or_create(session, now, "web", "main", "a", SECRET, "zh")
        await desk.open(session, now, conversation, "question", SECRET, level=Level.HUMAN_QUEUE)
        await set_canary(session, now + 24 * HOUR)
    await escalations.sweep(database, lambda: now + 25 * HOUR, desk)

    found = await figures(database, now + 25 * HOUR + 200 * SECOND)

    assert found["sweep_age_seconds"] == 200
    assert found["sweep_stalled"] == 1
    assert found["sweep_late_seconds"] == 3600
    assert found['queue_length{level="1",queue="general"}'] == 1
    assert found['outbox_length{channel="web"}'] == 1
    assert found['outbox_age_seconds{channel="web"}'] == 200
    assert found["notices_undeliverable"] == 2
    assert found["canary_late_seconds"] == 0
    assert (await figures(database, now + 28 * HOUR + SECOND))["clocks_due"] == 1


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_the_figures_of_the_bots(database: Database, now: datetime) -> None:
    detail = {"looked_at": now.isoformat(), "pending": 3}
    async with database.writing() as session:
        session.add(Heartbeat(name="telegram:7", at=now, detail=detail))

    found = await figures(database, now + 121 * SECOND, [("telegram", "7"), ("telegram", "8")])

    assert not any(name.startswith("calls_") for name in found)
    of = {account: f'{{account="{account}",channel="telegram"}}' for account in "78"}
    assert found[f"bot_red{of['7']}"] == found[f"bot_red{of['8']}"] == 1
    assert found[f"bot_look_age_seconds{of['7']}"] == 121
    assert found[f"bot_pending{of['7']}"] == 3
    assert f"bot_pending{of['8']}" not in found


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("client", "host", "headers", "status"),
    [
        pytest.param("127.0.0.1", "127.0.0.1:8000", {}, 200, id="this machine"),
        pytest.param("::1", "localhost", {}, 200, id="this machine by name"),
        pytest.param("10.0.0.9", "127.0.0.1:8000", {}, 404, id="another machine"),
        pytest.param("127.0.0.1", "127.0.0.1", {"X-Forwarded-For": "127.0.0.1"}, 404, id="behind a proxy"),
        pytest.param("127.0.0.1", "evil.example", {}, 404, id="a page that renames its host"),
        pytest.param("10.0.0.9", "help.example", {"Authorization": "Bearer s3cret"}, 200, id="the token"),
        pytest.param("10.0.0.9", "help.example", {"Authorization": "Bearer other"}, 404, id="another token"),
        pytest.param("10.0.0.9", "help.example", {"Authorization": "Bearer "}, 404, id="no token"),
    ],
)
async def test_the_door_opens_for_this_machine_and_for_the_token(
    database: Database, client: str, host: str, headers: dict[str, str], status: int
) -> None:
    settings = SimpleNamespace(metrics=SimpleNamespace(token=SecretStr("s3cret")), bots=())
    app = FastAPI()
    app.include_router(metrics.router(SimpleNamespace(database=database, settings=settings, workers=Workers())))  # type: ignore[arg-type]
    transport = httpx.ASGITransport(app=app, client=(client, 1))

    async with httpx.AsyncClient(transport=transport, base_url=f"http://{host}") as visitor:
        answer = await visitor.get("/metrics", headers=headers)

    assert answer.status_code == status
    assert ("kadesk_sweep_age_seconds" in answer.text) == (status == 200)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_without_a_token_nobody_has_it(database: Database) -> None:
    settings = SimpleNamespace(metrics=SimpleNamespace(token=SecretStr("")), bots=())
    app = FastAPI()
    app.include_router(metrics.router(SimpleNamespace(database=database, settings=settings, workers=Workers())))  # type: ignore[arg-type]
    transport = httpx.ASGITransport(app=app, client=("10.0.0.9", 1))

    async with httpx.AsyncClient(transport=transport, base_url="http://help.example") as visitor:
        answer = await visitor.get("/metrics", headers={"Authorization": "Bearer "})

    assert answer.status_code == 404


# The watchman


def seen(at: datetime, swept_at: datetime | None, **facts: object) -> Watch:
    return Watch(
        **{"at": at, "swept_at": swept_at, "late_by": timedelta(), "canary_late": None, "undeliverable": 0} | facts
    )  # type: ignore[arg-type]


def test_a_heart_that_does_not_beat_for_two_minutes_is_an_alarm(now: datetime) -> None:
    watchman = Watchman()

    said = [watchman.judge(seen(now + second * SECOND, now), second) for second in range(0, 180, 30)]

    assert [problem is not None for problem in said] == [False, False, False, False, False, True]
    assert said[-1] == "the sweep has stalled: no good one for 0:02:30"


@pytest.mark.parametrize("jump", [-2 * HOUR, 72 * HOUR])
def test_a_clock_that_is_set_moves_no_alarm(now: datetime, jump: timedelta) -> None:
    beating, dead = Watchman(), Watchman()
    for second in range(0, 600, 20):
        at = now + second * SECOND + (jump if second >= 300 else timedelta())
        assert beating.judge(seen(at, at), second) is None
        assert (dead.judge(seen(at, now), second) is not None) == (second > 120)


def test_a_sweep_that_never_was_is_an_alarm_after_two_minutes(now: datetime) -> None:
    watchman = Watchman()

    assert [watchman.judge(seen(now, None), second) is None for second in (0, 120, 121)] == [True, True, False]


def test_what_lies_and_what_reaches_nobody_are_alarms(now: datetime) -> None:
    deaf = Watchman().judge(seen(now, now, canary_late=timedelta(seconds=61)), 0)
    untold = Watchman().judge(seen(now, now, undeliverable=3), 0)

    assert deaf == "the sweep leaves what is due: the canary lies for 0:01:01"
    assert untold == "3 notices reach nobody: no staff account is active"
