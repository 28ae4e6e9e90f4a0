"""Refunds in a real browser: an agent asks, a lead agrees, a person pays; the buyer reads each step in the chat."""

import os
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from shop.adapters.local import LocalShop
from shop.port import OrderStatus
from tests.console.chromium import new_context, sign_in
from tests.console.house import House
from tests.console.test_accessibility import findings
from tickets.claims import Reason
from tickets.desk import DeskRules
from tickets.payouts import pay_refunds
from tickets.refunds import Refunds
from tickets.rules import MoneyRules
from tickets.tables import Agent, Role

pytestmark = [pytest.mark.browser, pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)]

PICTURES = os.environ.get("KEEP_SCREENSHOTS_IN", "")


async def keep(page: Page, name: str) -> None:
    if PICTURES:
        await page.screenshot(path=Path(PICTURES) / f"{name}.png", full_page=True)


async def test_a_refund_goes_from_agent_to_lead_to_payment(browser: Browser, house: House, agent_of: Agent) -> None:
    stage = house.stage
    object.__setattr__(stage.desk, "rules", DeskRules(money=MoneyRules(agent_limit=1_000)))
    await stage.add_agent("chen", Role.LEAD)
    order = next(o for o in await stage.open_shop() if o.status == OrderStatus.DELIVERED and o.sku == "STEAM-CN-50")
    ticket = (await stage.claim(await stage.meet("晴天"), order, Reason.WRONG_REGION)).ticket
    assert ticket is not None
    agent = await sign_in(await new_context(browser), house.address)
    lead = await sign_in(await new_context(browser), house.address, "chen")

    await agent.goto(f"{house.address}/console/tickets/{ticket.number}")
    await agent.locator(".claim summary", has_text="退款").click()
    await keep(agent, "1-ask")
    await agent.get_by_role("button", name="申请退款").click()
    await expect(agent.locator(".flash")).to_contain_text("退款已申请")
    await expect(agent.locator(".refund")).to_contain_text("等组长审批")
    await keep(agent, "2-asked")
    await lead.goto(f"{house.address}/console/refunds")
    await expect(lead.locator(".banner", has_text="等你处理")).to_be_visible()
    await lead.locator("#refunds summary", has_text="同意退款").click()
    await keep(lead, "3-approve")
    await lead.get_by_role("button", name="同意", exact=True).click()
    await expect(lead.locator(".flash")).to_contain_text("已同意")
    await pay_refunds(stage.database, stage.clock, Refunds(stage.desk), lambda name: None)
    await lead.goto(f"{house.address}/console/refunds?tab=manual")
    await lead.locator("#refunds summary", has_text="已退款").click()
    await lead.get_by_label("流水号").fill("wx-4200-77")
    await keep(lead, "4-paid")
    await lead.get_by_role("button", name="确认已退").click()
    await expect(lead.locator(".flash")).to_contain_text("已记为退款完成")
    await lead.goto(f"{house.address}/console/refunds?tab=done")
    await expect(lead.locator("#refunds")).to_contain_text("wx-4200-77")
    await keep(lead, "5-done")
    await agent.reload()

    await expect(agent.locator("#thread")).to_contain_text("流水号 wx-4200-77")
    await expect(agent.locator(".refund")).to_contain_text("已退款")
    await keep(agent, "6-ticket")


async def test_a_dear_replacement_takes_two_persons(browser: Browser, house: House, agent_of: Agent) -> None:
    stage = house.stage
    object.__setattr__(stage.desk, "rules", DeskRules(money=MoneyRules(two_persons=1_000)))
    await stage.add_agent("chen", Role.LEAD)
    order = next(o for o in await stage.open_shop() if o.status == OrderStatus.DELIVERED and o.sku == "STEAM-CN-50")
    ticket = (await stage.claim(await stage.meet("晴天"), order, Reason.WRONG_REGION)).ticket
    assert ticket is not None
    agent = await sign_in(await new_context(browser), house.address)
    lead = await sign_in(await new_context(browser, "en", is_dark=True), house.address, "chen")

    await agent.goto(f"{house.address}/console/tickets/{ticket.number}")
    await agent.locator("summary", has_text="申请补发（要两个人）").click()
    await keep(agent, "7-second-ask")
    await agent.get_by_role("button", name="申请", exact=True).click()
    await expect(agent.locator(".claim")).to_contain_text("等第二个人同意")
    await lead.goto(f"{house.address}/console/refunds")
    await lead.locator("#seconds summary", has_text="Grant the replacement").click()
    await keep(lead, "8-second-grant")
    await lead.get_by_role("button", name="Grant", exact=True).click()

    await expect(lead.locator(".flash")).to_contain_text("Granted")
    await agent.reload()
    await expect(agent.locator("#thread")).to_contain_text("一次性链接")
    await keep(agent, "9-granted")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("language", "width", "is_dark"),
    [pytest.param("zh-CN", 1280, False, id="zh"), pytest.param("en-US", 390, True, id="en on a phone in the dark")],
)
async def test_nothing_of_it_stands_in_anybodys_way(
    browser: Browser, house: House, agent_of: Agent, language: str, width: int, is_dark: bool
) -> None:
    stage = house.stage
    object.__setattr__(stage.desk, "rules", DeskRules(money=MoneyRules(agent_limit=1_000, two_persons=4_000)))
    await stage.add_agent("chen", Role.LEAD)
    sold = [o for o in await stage.open_shop() if o.status == OrderStatus.DELIVERED and o.sku == "STEAM-CN-50"]
    tickets = [(await stage.claim(await stage.meet(), order, Reason.WRONG_REGION)).ticket for order in sold[:2]]
    shop = LocalShop(stage.database, stage.vault)
    orders = [await shop.find_order(order.order_no) for order in sold[:2]]
    async with stage.database.writing() as session:
        for ticket, order, amount in zip(tickets, orders, (None, 900), strict=True):
            assert ticket is not None
            assert order is not None
            who = (ticket.id or 0, agent_of.id or 0)
            await Refunds(stage.desk).ask(session, stage.clock(), *who, order, amount=amount)
    context = await new_context(browser, language, width, is_dark=is_dark)
    page, found = await sign_in(context, house.address, "chen"), []
    await pay_refunds(stage.database, stage.clock, Refunds(stage.desk), lambda name: None)

    pages = ["/console/refunds", "/console/refunds?tab=manual", "/console/refunds?tab=all"]
    for address in (*pages, *(f"/console/tickets/{ticket.number}" for ticket in tickets if ticket)):
        await page.goto(house.address + address)
        await page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        found += await findings(page)
        overflow = await page.evaluate("document.documentElement.scrollWidth") - width
        found += [f"{address} is {overflow} px too wide"] if overflow > 0 else []
        await keep(page, f"{width}-{address.rpartition('/')[2].replace('?', '-')}")

    assert found == [], "\n".join(found)
