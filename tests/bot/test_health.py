"""The lights of the bots: what a process learns is kept, what others learned stays, and what is wrong is named."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from bot.channels.weixin.quota import day_of
from bot.health import Light, Pulse, Trouble, Use, look
from bot.tables import CallCount, InboxRow
from kadesk.database import Database
from tests.bot.conftest import Clock
from tickets.tables import Heartbeat

PLACE = ("telegram", "7")
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)


async def light(database: Database, at: datetime, place: tuple[str, str] = PLACE) -> Light:
    async with database.reading() as session:
        (found,) = await look(session, at, [place])
    return found


async def test_what_is_learned_is_kept_by_whoever_learns_it(database: Database, clock: Clock, now: datetime) -> None:
    here, there = Pulse(database, clock, *PLACE), Pulse(database, clock, *PLACE)
    here.note("looked_at", "seen_at", name="shop_bot", mode="polling")
    there.note("sent_at", pending=3)
    clock.advance(seconds=5)
    there.note("seen_at")
    await there.write()
    await here.write()

    found = await light(database, clock())

    assert (found.name, found.mode, found.pending) == ("shop_bot", "polling", 3)
    assert (found.looked_at, found.sent_at, found.seen_at) == (now, now, now + 5 * SECOND)
    assert not found.is_red


async def test_a_bot_that_nobody_has_looked_for_is_red(database: Database, clock: Clock, now: datetime) -> None:
    unknown = await light(database, now)
    pulse = Pulse(database, clock, *PLACE)
    pulse.note("began_at")
    await pulse.write()

    assert unknown.troubles == (Trouble.SILENT,)
    assert (await light(database, now + 2 * MINUTE)).troubles == ()
    assert (await light(database, now + 2 * MINUTE + SECOND)).troubles == (Trouble.SILENT,)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("facts", "troubles"),
    [
        pytest.param({"problem": "token"}, ["token"], id="a refused token"),
        pytest.param({"problem": "conflict"}, ["conflict"], id="another program"),
        pytest.param({"problem": "refused", "error": "HTTPS"}, ["refused"], id="a refused webhook"),
        pytest.param({"error": "502", "error_at": "2026-03-02T03:56:00+00:00"}, ["webhook"], id="calls that fail"),
        pytest.param({"error": "502", "error_at": "2026-03-02T03:54:00+00:00"}, [], id="calls that failed once"),
        pytest.param({"problem": ""}, [], id="nothing"),
    ],
)
async def test_what_is_wrong_is_named(
    database: Database, now: datetime, facts: dict[str, Any], troubles: Sequence[str]
) -> None:
    async with database.writing() as session:
        session.add(Heartbeat(name="telegram:7", at=now, detail={"looked_at": now.isoformat()} | facts))

    assert list((await light(database, now)).troubles) == troubles


async def test_what_waits_for_too_long_is_counted_by_account(database: Database, now: datetime) -> None:
    rows = [
        InboxRow(
            channel="telegram",
            account=account,
            update_id=str(number),
            thread=f"telegram:{account}:42",
            sealed="",
            received_at=now,
            not_before=now + number * MINUTE,
        )
        for number, account in enumerate(["7", "7", "8"])
    ]
    async with database.writing() as session:
        session.add(Heartbeat(name="telegram:7", at=now, detail={"looked_at": (now + 3 * MINUTE).isoformat()}))
        session.add_all(rows)

    assert (await light(database, now + MINUTE)).troubles == ()
    late = await light(database, now + 2 * MINUTE + SECOND)
    assert (late.inbox, late.troubles) == (2, (Trouble.INBOX,))


async def test_what_could_not_be_written_is_written_later(clock: Clock, database: Database) -> None:
    pulse = Pulse(database, clock, *PLACE)
    pulse.note("looked_at", name="shop_bot")
    pulse._database = _Away()  # type: ignore[assignment]
    with pytest.raises(ConnectionError):
        await pulse.write()
    pulse._database = database
    await pulse.write()

    assert (await light(database, clock())).name == "shop_bot"


class _Away:
    def writing(self) -> Any:
        raise ConnectionError


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("facts", "troubles"),
    [
        pytest.param({"lives": 1}, [], id="nobody wrote for days"),
        pytest.param({}, ["silent"], id="no process serves it"),
        pytest.param({"lives": 1, "problem": "secret"}, ["secret"], id="a wrong secret"),
        pytest.param({"lives": 1, "problem": "address", "send_problem": "address"}, ["address"], id="said once"),
        pytest.param({"lives": 1, "refused": 30, "refusal": "signature"}, ["signature"], id="another token"),
        pytest.param({"lives": 1, "refused": 30, "refusal": "seal", "called": 10}, [], id="and then a good call"),
        pytest.param({"lives": 1, "refused": 30, "refusal": "seal", "called": 40}, ["seal"], id="a good one before"),
        pytest.param({"lives": 1, "refused": 61, "refusal": "plain"}, [], id="an hour ago"),
        pytest.param({"lives": 1, "feed_error": "busy"}, ["feed"], id="a feed that is away"),
    ],
)
async def test_what_is_wrong_with_an_account_on_wechat_is_named(
    database: Database, now: datetime, facts: dict[str, Any], troubles: Sequence[str]
) -> None:
    minutes = {key: value for key, value in facts.items() if isinstance(value, int)}
    detail: dict[str, Any] = {f"{key}_at": (now - value * MINUTE).isoformat() for key, value in minutes.items()}
    detail |= {key: value for key, value in facts.items() if isinstance(value, str)}
    detail |= {"mode": "callback", "began_at": (now - 9000 * MINUTE).isoformat()}
    async with database.writing() as session:
        session.add(Heartbeat(name="wechat:wx1", at=now, detail=detail))

    assert list((await light(database, now, ("wechat", "wx1"))).troubles) == troubles


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_calls_are_shown_beside_their_limit(database: Database, now: datetime) -> None:
    facts = {"lives_at": now.isoformat(), "counted_as": "wx1", "by_day": True, "limits": {"send": 10}, "warn_at": 0.8}
    counts = {"send": 8, "media/get": 3, "media/get 45009": 1}
    async with database.writing() as session:
        session.add(Heartbeat(name="wechat:wx1", at=now, detail=facts))
        place = {"channel": "wechat", "account": "wx1", "day": day_of(now)}
        session.add_all(CallCount(**place, call=call, count=count) for call, count in counts.items())

    seen = await light(database, now, ("wechat", "wx1"))

    assert seen.calls == (Use("media/get", 3, None, 1, is_near=True), Use("send", 8, 10, 0, is_near=True))
    assert seen.troubles == (Trouble.CALLS,)
