"""The page of the bots: what staff see of each, and the banner when one is in trouble."""

from functools import partial
from typing import Any

import pytest

from bot.channels.weixin.quota import day_of
from bot.health import look
from bot.tables import CallCount
from kadesk.database import Database
from tests.console.conftest import Clock, Stage, Visitor, text_of
from tickets.tables import Heartbeat


@pytest.fixture
def places() -> list[tuple[str, str]]:
    return [("telegram", "7"), ("telegram", "8")]


@pytest.fixture
def stage(database: Database, clock: Clock, places: list[tuple[str, str]]) -> Stage:
    return Stage(database, clock, lights=partial(look, places=places))


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
async def test_an_account_on_wechat_shows_what_is_wrong_and_its_calls(stage: Stage, signed_in: Visitor) -> None:
    now = stage.clock()
    facts = {"mode": "callback", "counted_as": "7", "limits": {"message/custom/send": 10}, "warn_at": 0.8}
    await beat(stage, "7", refused_at=now.isoformat(), refusal="signature", **facts)
    place = {"channel": "telegram", "account": "7", "day": day_of(now)}
    async with stage.database.writing() as session:
        session.add(CallCount(**place, call="message/custom/send", count=8))

    shown = text_of(await signed_in.get("/console/bots"))

    assert "平台上填的 Token 和这里的不一样" in shown
    assert "message/custom/send：8 / 10 次" in shown


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_all_is_said_in_english_too(stage: Stage, signed_in: Visitor) -> None:
    await beat(stage, "7", problem="token")
    await beat(stage, "8", problem="conflict")
    await signed_in.submit("/console/language", language="en")

    shown = text_of(await signed_in.get("/console/bots"))

    assert "The messenger refuses this token" in shown
    assert "Another program receives with the same token" in shown
    assert "Bots in trouble: 2." in shown


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_every_page_says_which_part_of_the_program_keeps_failing(stage: Stage, signed_in: Visitor) -> None:
    before = text_of(await signed_in.get("/console/"))
    stage.failing += ["delivery", "inbox"]

    assert "反复出错" not in before
    assert "程序的这些部分反复出错：delivery, inbox。" in text_of(await signed_in.get("/console/reports"))


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_the_staff_bot_has_a_light_that_says_why_its_group_is_silent(
    stage: Stage, signed_in: Visitor, places: list[tuple[str, str]]
) -> None:
    places.append(("staff", "9"))
    now, problem = stage.clock(), "Forbidden: bot was <b>kicked</b>"
    detail = {"looked_at": now.isoformat(), "name": "staff_bot", "group_problem": problem}
    async with stage.database.writing() as session:
        session.add(Heartbeat(name="staff:9", at=now, detail=detail))

    page = await signed_in.get("/console/bots")

    assert "客服群 @staff_bot" in text_of(page)
    assert "客服群里发不了消息" in text_of(page)
    assert "was &lt;b&gt;kicked" in page.text
