"""No page stands in the way of who reads with a screen reader, by keyboard, or in the dark: axe-core looks at each."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, BrowserContext, Page, expect
from sqlmodel import select

from shop.adapters.local import LocalShop
from shop.demo import DemoOrder
from shop.reveals import make_link, read_token
from shop.tables import Code
from tests.console.chromium import new_context, sign_in
from tests.console.conftest import Stage
from tests.console.house import House
from tickets import outbox
from tickets.claims import Reason
from tickets.refunds import Refunds
from tickets.tables import Agent, Level, Mail, Outcome, Outgoing, Role, Sending, Ticket

pytestmark = [pytest.mark.browser, pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)]

WORST = ("serious", "critical")


async def findings(page: Page) -> list[str]:
    """What axe-core calls serious or critical, with the elements it means."""
    found: Any = (await Axe().run(page)).response["violations"]
    return [
        f"{page.url} {one['id']}: {node['html'][:160]} {node['failureSummary']}"
        for one in found
        if one["impact"] in WORST
        for node in one["nodes"]
    ]


async def furnish(stage: Stage) -> Ticket:
    """A late and a lost one, one that ended, and one with everything on it; the last is given."""
    holder, lead = await stage.add_agent(), await stage.add_agent("chen", Role.LEAD)
    assert holder.id is not None
    assert lead.id is not None
    stage.clock.pass_(hours=-30)
    await stage.open(await stage.meet("路人", "late"), "很久了", level=Level.HUMAN_QUEUE)
    stage.clock.pass_(hours=30)
    lost = await stage.open(await stage.meet("失联", "lost"), "充值没到账")
    ended = await stage.open(await stage.meet("小明", "ended"), "怎么开发票")
    sold = [order for order in await stage.open_shop() if order.status == "delivered"]
    conversation = await stage.meet("晴天", "full", "vip")
    await stage.claim(conversation, sold[0])
    await _furnish_money(stage, lead, sold[1:3])
    full = await stage.open(conversation, "还有一件事", level=Level.LEAD)
    async with stage.database.writing() as session:
        now = stage.clock()
        await stage.desk.reply(session, now, lost.id or 0, holder.id, "今天晚上到账。")
        await stage.desk.resolve(session, now, ended.id or 0, holder.id, Outcome.INSTRUCT, "已开。")
        await stage.desk.note(session, now, full.id or 0, lead.id, "@lin 请看一下")
        await stage.desk.tag(session, now, full.id or 0, lead.id, ["批量"])
        await stage.desk.hurry(session, now, await session.get_one(Ticket, full.id))
        sent = select(Outgoing.id).where(Outgoing.ticket_id == lost.id, Outgoing.handles)
        outgoing = (await session.exec(sent)).one()
        await outbox.mark_failed(session, now, outgoing or 0, Sending.BLOCKED, "The buyer cannot be reached: gone")
    return full


async def _furnish_money(stage: Stage, lead: Agent, sold: Sequence[DemoOrder]) -> None:
    """A claim to be decided, a refund to be paid by hand, and mail that got stuck."""
    shop, verbs = LocalShop(stage.database, stage.vault), Refunds(stage.desk)
    await stage.claim(await stage.meet("小雨", "undecided"), sold[0], Reason.WRONG_REGION)
    settled = await stage.claim(await stage.meet("小雪", "refunded"), sold[1], Reason.WRONG_REGION)
    order = await shop.find_order(sold[1].order_no)
    assert order is not None
    assert settled.ticket is not None
    now = stage.clock()
    async with stage.database.writing() as session:
        refund = await verbs.ask(session, now, settled.ticket.id or 0, lead.id or 0, order, claim_id=settled.claim.id)
        await verbs.by_hand(session, now, refund.id or 0)
        times = {"created_at": now, "not_before": now, "expires_at": now}
        session.add(
            Mail(seal_id="x", sealed="", subject="您的验证码", state="failed", attempts=6, problem="550", **times)
        )


PAGES = [
    *("/console/", "/console/?tab=waiting", "/console/?tab=late", "/console/?tab=mine", "/console/reports"),
    *("/console/all-tickets/list", "/console/buyers/list", "/console/audit/list", "/console/macros"),
    *("/console/tags?tag=批量", "/console/stranded", "/console/tickets/K-404404"),
    *("/console/refunds?tab=manual", "/console/refunds?tab=all", "/console/breakers"),
    *("/console/suppliers?supplier=1&rows=out", "/console/batches?batch=1", "/console/codes", "/console/code/1"),
]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("language", "width", "is_dark"),
    [
        pytest.param("zh-CN", 1280, False, id="zh"),
        pytest.param("en-US", 390, True, id="en on a phone in the dark"),
    ],
)
async def test_staff_find_nothing_in_their_way(
    browser: Browser, house: House, language: str, width: int, is_dark: bool
) -> None:
    full = await furnish(house.stage)
    context = await new_context(browser, language, width, is_dark=is_dark)
    outside = await context.new_page()
    await outside.goto(f"{house.address}/console/")
    found = await findings(outside)
    page = await sign_in(context, house.address, "chen")
    numbers = [full.number, *(f"K-{number:06d}" for number in range(1, (full.id or 0)))]

    for address in (*PAGES, *(f"/console/tickets/{number}" for number in numbers)):
        await page.goto(house.address + address)
        await page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        found += await findings(page)
        overflow = await page.evaluate("document.documentElement.scrollWidth") - width
        found += [f"{address} is {overflow} px too wide"] if overflow > 0 else []

    assert found == [], "\n".join(found)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("language", "width", "is_dark"),
    [
        pytest.param("zh-CN", 390, False, id="zh on a phone"),
        pytest.param("en-US", 1280, True, id="en in the dark"),
    ],
)
async def test_buyers_find_nothing_in_their_way(
    browser: Browser, house: House, language: str, width: int, is_dark: bool
) -> None:
    context = await new_context(browser, language, width, is_dark=is_dark)
    page = await context.new_page()
    await page.goto(f"{house.address}/chat")
    await page.fill("#text", "怎么查订单" if language == "zh-CN" else "how do I find my order")
    await page.press("#text", "Enter")
    await expect(page.locator("#log .bot").nth(1)).to_be_visible()
    await page.locator(".quick button").first.click()
    await expect(page.locator("#log .bot").nth(2)).to_be_visible()

    found = await findings(page) + await _reveal(context, house)

    assert found == [], "\n".join(found)


async def _reveal(context: BrowserContext, house: House) -> list[str]:
    """What is found on the three pages of a link: the offer, the code, and the link that is gone."""
    stage = house.stage
    await stage.open_shop()
    async with stage.database.writing() as session:
        code = (await session.exec(select(Code).where(Code.state == "issued"))).first()
        assert code is not None
        link = await make_link(session, stage.clock(), stage.vault, code.id or 0, timedelta(days=1))
        address = f"{house.address}/r/{read_token(stage.vault, link)}"
    page = await context.new_page()
    await page.goto(address)
    found = await findings(page)
    await page.locator("form .main").click()
    await expect(page.locator("#code")).to_be_visible()
    found += await findings(page)
    await page.goto(address)
    await expect(page.locator("#code")).to_have_count(0)
    return found + await findings(page)
