"""The page of the bots: what staff see of each, and the banner when one is in trouble."""

from functools import partial
from typing import Any

import pytest

from bot.health import look
from kadesk.database import Database
from tests.console.conftest import Clock, Stage, Visitor, text_of
from tickets.tables import Heartbeat


@pytest.fixture
def stage(database: Database, clock: Clock) -> Stage:
    return Stage(database, clock, lights=partial(look, places=[("telegram", "7"), ("telegram", "8")]))


async def beat(stage: Stage, account: str, **facts: Any) -> None:
    now = stage.clock()
    detail = {"looked_at": now.isoformat(), "seen_at": now.isoformat()} | facts
    async with stage.database.writing() as session:
        session.add(Heartbeat(name=f"telegram:{account}", at=now, detail=detail))


async def test_each_bot_has_a_light_and_every_page_says_when_one_is_red(stage: Stage, signed_in: Visitor) -> None:
    await beat(stage, "7", name="shop_bot", mode="polling")
    words = "Wrong response from the webhook: 502 <b>Bad Gateway</b>"
    await beat(
        stage, "8", name="games_bot", mode="webhook", pending=12, error=words, error_at=stage.clock().isoformat()
    )

    page = await signed_in.get("/console/bots")
    shown = text_of(page)

    assert "@shop_bot 轮询 正常" in shown
    assert "平台访问我们的地址出错" in shown
    assert "&lt;b&gt;Bad Gateway" in page.text
    assert "1 个机器人有问题" in text_of(await signed_in.get("/console/"))
    assert "/console/bots" in (await signed_in.get("/console/reports")).text


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_all_is_said_in_english_too(stage: Stage, signed_in: Visitor) -> None:
    await beat(stage, "7", problem="token")
    await beat(stage, "8", problem="conflict")
    await signed_in.submit("/console/language", language="en")

    shown = text_of(await signed_in.get("/console/bots"))

    assert "The messenger refuses this token" in shown
    assert "Another program receives with the same token" in shown
    assert "Bots in trouble: 2." in shown
