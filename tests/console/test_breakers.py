"""The page of paused replacements: what is paused, and a lead who lifts it."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from tests.console.conftest import Stage, Visitor, text_of
from tickets.breakers import BreakerRules, Limit, Scope
from tickets.tables import Breaker, Role


@pytest.fixture
async def breaker(stage: Stage) -> Breaker:
    buyer = await stage.meet()
    row = Breaker(scope="buyer", key=str(buyer.buyer_id), count=5, tripped_at=stage.clock())
    row.until_at = stage.clock() + timedelta(hours=24)
    async with stage.database.writing() as session:
        session.add(row)
    return row


@pytest.fixture
async def lead(stage: Stage) -> AsyncIterator[Visitor]:
    await stage.add_agent("chen", Role.LEAD)
    async with stage.browser() as browser:
        await browser.sign_in("chen")
        yield browser


async def test_every_page_says_that_something_is_paused(stage: Stage, signed_in: Visitor, breaker: Breaker) -> None:
    queue = text_of(await signed_in.get("/console/"))
    stage.clock.pass_(hours=2, minutes=55)
    stage.clock.now = breaker.until_at  # type: ignore[assignment]
    await signed_in.sign_in()

    assert "自动补发有 1 处暂停" in queue
    assert "处暂停" not in text_of(await signed_in.get("/console/"))


async def test_an_agent_sees_it_and_may_not_lift_it(signed_in: Visitor, breaker: Breaker) -> None:
    page = await signed_in.get("/console/breakers")
    refused = await signed_in.submit(f"/console/breakers/{breaker.id}/reset")

    assert "买家 买家甲 5" in text_of(page)
    assert "/reset" not in page.text
    assert refused.status_code == 403


async def test_a_lead_lifts_it_once(lead: Visitor, breaker: Breaker) -> None:
    before = text_of(await lead.get("/console/breakers"))
    await lead.submit(f"/console/breakers/{breaker.id}/reset")
    after = text_of(await lead.get("/console/breakers"))
    await lead.submit(f"/console/breakers/{breaker.id}/reset")
    again = text_of(await lead.get("/console/breakers"))

    assert "确认恢复" in before
    assert "已恢复补发，重新计数。" in after
    assert "没有暂停，补发正常。" in after
    assert "Chen 小林" in after
    assert "这个暂停已经结束了。" in again


async def test_nobody_lifts_their_own(stage: Stage, lead: Visitor) -> None:
    async with stage.database.writing() as session:
        row = Breaker(scope="agent", key="1", count=60, tripped_at=stage.clock())
        session.add(row)
    page = (await lead.get("/console/breakers")).text
    await lead.submit(f"/console/breakers/{row.id}/reset")
    refused = text_of(await lead.get("/console/breakers"))

    assert "要组长恢复" in page
    assert "/reset" not in page
    assert "客服手工补发" in refused
    assert "没有暂停" not in refused


async def test_the_limits_stand_there(stage: Stage, signed_in: Visitor) -> None:
    rules = BreakerRules({Scope.HOUR: Limit(120, timedelta(hours=1))})
    object.__setattr__(stage.claims.rules, "breakers", rules)

    assert "全店自动补发: 1 小时内 120 次" in text_of(await signed_in.get("/console/breakers"))
