"""The risk on a claim's card, its evidence, and the page of pauses, in a real browser, wide and on a phone."""

from datetime import timedelta
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from tests.console.chromium import new_context, sign_in
from tests.console.house import House
from tests.console.test_pictures import send
from tickets.breakers import BreakerRules, Limit, Scope
from tickets.claims import Claims, Reason
from tickets.risk import RiskRules
from tickets.suspicion import Suspicion
from tickets.tables import Agent, Breaker, Role

pytestmark = [pytest.mark.browser, pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)]

SCREENSHOTS = Path(__file__).parent.parent.parent / "screenshots"


@pytest.fixture
async def agent_of(house: House) -> Agent:
    return await house.stage.add_agent("lin", Role.LEAD)


async def test_a_lead_sees_every_point_and_lifts_a_pause(browser: Browser, house: House, agent_of: Agent) -> None:
    stage = house.stage
    gate = Suspicion(stage.vault, RiskRules(person_from=50))
    stage.claims = Claims(stage.desk, stage.vault, stage.claims.rules, gates=(gate,))
    object.__setattr__(stage.claims.rules, "breakers", BreakerRules({Scope.BUYER: Limit(5, timedelta(hours=24))}))
    orders = [one for one in await stage.open_shop() if one.status == "delivered" and "STEAM" in one.sku]
    first, second = await stage.meet("晴天", "a"), await stage.meet("路人", "b")
    await send(stage, first)
    await stage.claim(first, orders[0], Reason.ALREADY_USED)
    await send(stage, second)
    settled = await stage.claim(second, orders[1], Reason.ALREADY_USED)
    assert settled.ticket is not None
    tripped = Breaker(scope="buyer", key=str(second.buyer_id), count=5, tripped_at=stage.clock())
    async with stage.database.writing() as session:
        session.add(tripped)
    page = await sign_in(await new_context(browser), house.address)
    complaints: list[str] = []
    page.on("console", lambda entry: complaints.append(entry.text) if entry.type == "error" else None)

    await page.goto(f"{house.address}/console/tickets/{settled.ticket.number}")
    await expect(page.locator(".points li")).to_have_count(len(settled.claim.risk_points))
    await expect(page.locator(".points li").first).to_be_visible()
    await expect(page.locator("aside .pictures img")).to_be_visible()
    await page.screenshot(path=SCREENSHOTS / "claim-risk.png", full_page=True)
    await page.goto(f"{house.address}/console/breakers")
    await page.screenshot(path=SCREENSHOTS / "breakers.png")
    await page.set_viewport_size({"width": 390, "height": 860})
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    await page.screenshot(path=SCREENSHOTS / "breakers-phone.png")
    await page.locator("#paused summary").click()
    await page.get_by_role("button", name="确认恢复").click()

    await expect(page.locator(".flash.success")).to_be_visible()
    await expect(page.locator("#paused")).to_contain_text("没有暂停")
    assert complaints == []
