"""The pages in a real browser: an agent's round, a buyer's claim, a lost connection, and no script that is not ours."""

import re
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from kadesk.database import Database
from shop.demo import DemoOrder
from tests.console.chromium import new_context, sign_in
from tests.console.conftest import Clock
from tests.console.house import House
from tickets.conversations import add_message
from tickets.macros import Macros, Recipe
from tickets.outbox import post
from tickets.tables import Agent, Author, Conversation, Level, Outcome, Role, Ticket

pytestmark = [pytest.mark.browser, pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)]

SCREENSHOTS = Path(__file__).parent.parent.parent / "screenshots"


class Watched:
    """A page whose console, errors and requests are kept."""

    def __init__(self, page: Page, house: House) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.elsewhere: list[str] = []
        page.on("console", lambda entry: self.complaints.append(entry.text) if entry.type == "error" else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on(
            "request",
            lambda request: None if request.url.startswith(house.address) else self.elsewhere.append(request.url),
        )

    def assert_clean(self) -> None:
        assert self.complaints == []
        assert self.elsewhere == []


async def _hear(house: House, conversation: Conversation, ticket: Ticket, text: str) -> None:
    stage = house.stage
    async with stage.database.writing() as session:
        message = await add_message(session, stage.clock(), conversation, text, ticket=ticket)
        await stage.desk.hear(session, stage.clock(), ticket, message)


async def test_an_agent_works_a_ticket_by_keyboard(browser: Browser, house: House, agent_of: Agent) -> None:
    stage = house.stage
    await stage.open(await stage.meet("路人", "a"), "排在后面")
    conversation = await stage.meet("晴天", "b")
    ticket = await stage.open(conversation, "充值没有到账", level=Level.HUMAN_QUEUE)
    page = await sign_in(await new_context(browser), house.address)
    watched = Watched(page, house)

    await page.keyboard.press("j")
    await expect(page.locator("tr[data-selected]")).to_contain_text("充值没有到账")
    await page.keyboard.press("j")
    await page.keyboard.press("k")
    await page.keyboard.press("Enter")
    await expect(page.locator("h1")).to_contain_text(ticket.number)
    await page.keyboard.press("t")
    await expect(page.locator(".holder")).to_have_text("我在处理")

    # What the buyer says now appears by itself, and no element that was there is made anew.
    await page.evaluate("document.querySelector('#thread li').seen = true")
    await _hear(house, conversation, ticket, "还在吗？")
    await expect(page.locator("#thread li").last).to_contain_text("还在吗？")
    assert await page.evaluate("document.querySelector('#thread li').seen")

    await page.keyboard.press("r")
    await page.keyboard.type("在的，马上查。")
    await page.keyboard.press("Control+Enter")
    await expect(page.locator(".flash.success")).to_be_visible()
    await expect(page.locator("#thread li.agent .sending.sent")).to_have_text("已送达")
    await expect(page.locator(".clock")).to_have_text("按时完成")
    await page.keyboard.press("n")
    await page.keyboard.type("问过供应商")
    await page.keyboard.press("Control+Enter")
    await expect(page.locator("#thread li.note")).to_contain_text("问过供应商")
    await page.keyboard.press("Escape")
    await page.keyboard.press("u")
    await expect(page.locator("tbody tr")).to_have_count(1)
    watched.assert_clean()


async def test_a_macro_is_chosen_previewed_and_carried_out_by_keyboard(
    browser: Browser, house: House, agent_of: Agent
) -> None:
    stage = house.stage
    lead = await stage.add_agent("chen", Role.LEAD)
    async with stage.database.writing() as session:
        recipe = Recipe("教用法", "{buyer} 您好，请重新登录。", "resolved", ["用法"])
        await Macros(stage.desk).keep(session, stage.clock(), lead.id or 0, recipe)
    ticket = await stage.open(await stage.meet("晴天"), "充值没有到账")
    page = await sign_in(await new_context(browser), house.address)
    watched = Watched(page, house)

    await page.goto(f"{house.address}/console/tickets/{ticket.number}")
    await expect(page.locator(".mode:visible")).to_have_count(1)
    await page.keyboard.press("m")
    await page.locator("#macro-pick").select_option(label="教用法")
    words = page.locator(".apply textarea")
    await expect(words).to_have_value("晴天 您好，请重新登录。")
    await words.fill("晴天您好，请重新登录试试。")
    await page.keyboard.press("Control+Enter")

    await expect(page.locator(".flash.success")).to_be_visible()
    await expect(page.locator("#thread .agent .text").last).to_contain_text("晴天您好，请重新登录试试。")
    await expect(page.locator(".head .phase-resolved")).to_be_visible()
    await expect(page.locator(".chip.tag")).to_contain_text("#用法")
    watched.assert_clean()


async def test_what_an_agent_opened_and_typed_at_the_side_survives_the_refresh(
    browser: Browser, house: House, agent_of: Agent
) -> None:
    conversation = await house.stage.meet()
    ticket = await house.stage.open(conversation)
    page = await sign_in(await new_context(browser), house.address)
    await page.goto(f"{house.address}/console/tickets/{ticket.number}")
    await page.locator("#do-link summary").click()
    await page.fill("#do-link [name=other]", "K-0000")
    await page.fill("[name=tags]", "批次")

    await _hear(house, conversation, ticket, "还在吗？")
    await expect(page.locator("#thread li").last).to_contain_text("还在吗？")

    await expect(page.locator("#do-link [name=other]")).to_have_value("K-0000")
    await expect(page.locator("[name=tags]")).to_have_value("批次")


async def test_the_ticket_page_works_without_scripts(browser: Browser, house: House, agent_of: Agent) -> None:
    ticket = await house.stage.open(await house.stage.meet())
    signed_in = await sign_in(await new_context(browser), house.address)
    state = await signed_in.context.storage_state()
    context = await browser.new_context(locale="zh-CN", java_script_enabled=False, storage_state=state)
    page = await context.new_page()

    await page.goto(f"{house.address}/console/tickets/{ticket.number}")
    await page.get_by_role("button", name="领取 t").click()
    await page.locator("form[data-for=note] textarea").fill("没有脚本也行")
    await page.get_by_role("button", name="保存备注").click()
    await page.locator("#do-snooze summary").click()
    await page.get_by_role("button", name="4 小时").click()

    await expect(page.locator("#thread .note .text")).to_have_text("没有脚本也行")
    await expect(page.locator(".head")).to_contain_text("再处理")


async def test_a_buyer_rates_in_the_chat_and_the_report_shows_it(
    browser: Browser, house: House, agent_of: Agent
) -> None:
    stage = house.stage
    chat = await (await new_context(browser, width=390)).new_page()
    await chat.goto(f"{house.address}/chat")
    await _answered(chat, "我是自动客服")
    await _say(chat, "转人工")
    await _answered(chat, "已经为您转人工")
    async with stage.database.writing() as session:
        await stage.desk.resolve(session, stage.clock(), 1, agent_of.id or 0, Outcome.INSTRUCT, "好了")

    await _answered(chat, "这次处理得怎么样")
    await chat.screenshot(path=SCREENSHOTS / "chat-rating.png")
    await chat.get_by_role("button", name="4 分 满意").click()
    await _answered(chat, "4 分已经记下了")
    page = await sign_in(await new_context(browser), house.address)
    await page.goto(f"{house.address}/console/reports?ratings=4")

    await expect(page.locator("#ratings .figure b").first).to_have_text("4.00")
    await expect(page.locator("#ratings")).to_contain_text("K-000001")


async def test_the_queue_fills_by_itself_and_keeps_the_selection(
    browser: Browser, house: House, agent_of: Agent
) -> None:
    stage = house.stage
    page = await sign_in(await new_context(browser), house.address)
    await expect(page.locator(".empty")).to_contain_text("没有人在等")

    first = await stage.open(await stage.meet(address="a"), "先来")
    await expect(page.locator("tbody tr")).to_have_count(1)
    await page.keyboard.press("j")
    urgent = await stage.open(await stage.meet(address="b"), "要人工", level=Level.HUMAN_QUEUE)
    await expect(page.locator("tbody tr")).to_have_count(2)

    assert await page.locator("tbody tr .mono").first.inner_text() == urgent.number
    await expect(page.locator("tr[data-selected]")).to_contain_text(first.number)
    await expect(page.locator("#news")).to_contain_text("1 条新通知")


async def test_a_draft_survives_until_it_is_sent(browser: Browser, house: House, agent_of: Agent) -> None:
    ticket = await house.stage.open(await house.stage.meet())
    page = await sign_in(await new_context(browser), house.address)
    await page.goto(f"{house.address}/console/tickets/{ticket.number}")
    await page.keyboard.press("r")
    await page.keyboard.type("写到一半")

    await page.reload()
    await expect(page.locator("textarea[data-mode=reply]")).to_have_value("写到一半")
    await page.focus("textarea[data-mode=reply]")
    await page.keyboard.press("Control+Enter")
    await expect(page.locator(".flash.success")).to_be_visible()

    await expect(page.locator("textarea[data-mode=reply]")).to_have_value("")


async def test_a_refused_form_is_never_sent_again_by_itself(browser: Browser, house: House, agent_of: Agent) -> None:
    ticket = await house.stage.open(await house.stage.meet())
    page = await sign_in(await new_context(browser), house.address)
    await page.goto(f"{house.address}/console/tickets/{ticket.number}")
    await page.locator("#do-link summary").click()
    await page.fill("#do-link [name=other]", "K-999999")
    await page.locator("#do-link button").first.click()
    await expect(page.locator(".flash.error")).to_be_visible()
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)

    await _hear(house, await house.stage.meet(), ticket, "还在吗？")
    await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")  # refresh now
    await expect(page.locator("#thread li").last).to_contain_text("还在吗？")
    await expect(page.locator("#do-link [name=other]")).to_have_value("K-999999")
    await page.reload()
    await expect(page.locator(".flash.error")).to_have_count(0)

    assert sent == []
    assert page.url == f"{house.address}/console/tickets/{ticket.number}"


async def test_what_was_ticked_and_chosen_in_a_refused_form_stays_while_the_page_is_made_fresh(
    browser: Browser, house: House, agent_of: Agent
) -> None:
    conversation = await house.stage.meet()
    ticket = await house.stage.open(conversation)
    for text in ("卡密用不了", "还有，我要退款"):
        await _hear(house, conversation, ticket, text)
    page = await sign_in(await new_context(browser), house.address)
    await page.goto(f"{house.address}/console/tickets/{ticket.number}")
    await page.locator("#do-split summary").click()
    await page.get_by_label("还有，我要退款").check()
    await page.fill("#do-split [name=subject]", "退款")
    await page.evaluate("document.querySelector('#do-split [name=version]').value = 0")  # of an older page

    await page.locator("#do-split button").click()
    await expect(page.locator(".flash.error")).to_contain_text("有变化")
    await expect(page.locator("#do-split form")).to_be_in_viewport()
    await _hear(house, conversation, ticket, "还在吗？")
    await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")  # refresh now
    await expect(page.locator("#thread li").last).to_contain_text("还在吗？")

    ticks = [await box.is_checked() for box in await page.locator("#do-split [name=message]").all()]
    assert ticks == [False, False, True, False]
    await page.locator("#do-split button").click()
    await expect(page.locator(".flash.success")).to_contain_text("拆出")


async def test_no_form_beside_the_conversation_is_wider_than_its_card(
    browser: Browser, house: House, agent_of: Agent
) -> None:
    conversation = await house.stage.meet()
    await house.stage.open(conversation, "Windows 11 专业版激活码 ****-LPFG、****-1TPE、****-0PES 都用不了")
    ticket = await house.stage.open(conversation)
    page = await sign_in(await new_context(browser), house.address)

    await page.goto(f"{house.address}/console/tickets/{ticket.number}")
    await page.evaluate("document.querySelectorAll('#facts details').forEach(one => one.open = true)")

    beyond = """cards => cards.flatMap(card => [...card.querySelectorAll("input, select, button, textarea")]
        .filter(one => one.getBoundingClientRect().right > card.getBoundingClientRect().right)
        .map(one => one.outerHTML))"""
    assert await page.locator("#facts section").evaluate_all(beyond) == []


async def test_a_buyer_gets_a_new_code_exactly_once(browser: Browser, house: House) -> None:
    order = await _open_shop(house)
    page = await (await new_context(browser, width=390)).new_page()
    watched = Watched(page, house)
    await page.goto(f"{house.address}/chat")
    await _answered(page, "我是自动客服")

    await _say(page, "怎么查订单")
    await _answered(page, "订单")
    await page.screenshot(path=SCREENSHOTS / "chat.png")
    await page.locator("#log .bot").first.get_by_role("button", name="卡密用不了").click()
    await _answered(page, "订单号")
    await _say(page, order.order_no)
    await _answered(page, "查询密码")
    await _say(page, order.query_password)
    await _answered(page, "哪一张用不了")
    await _say(page, order.codes[0])
    await _answered(page, "提示了什么")
    await page.locator("#log .bot").last.get_by_role("button", name="提示已被使用").click()
    link = page.locator("a.reveal")
    await expect(link).to_be_visible()

    assert order.codes[0] not in await page.locator("#log").inner_text()
    assert order.query_password not in await page.locator("#log").inner_text()
    code = await _open_link(page, house)
    assert code != order.codes[0]
    assert re.fullmatch(r"[A-Z0-9-]{10,}", code)
    again = await page.context.new_page()
    await again.goto(await link.get_attribute("href") or "")
    await expect(again.locator("h1")).to_have_text("链接已失效")
    watched.assert_clean()


async def _open_shop(house: House) -> DemoOrder:
    orders = await house.stage.open_shop()
    return next(
        order
        for order in orders
        if order.status == "delivered" and order.sku == "STEAM-CN-50" and len(order.codes) == 1
    )


async def _say(page: Page, text: str) -> None:
    await page.fill("#text", text)
    await page.press("#text", "Enter")


async def _answered(page: Page, text: str) -> None:
    await expect(page.locator("#log > div").last).to_have_class("bot")
    await expect(page.locator("#log .bot").last).to_contain_text(text)


async def _open_link(page: Page, house: House) -> str:
    async with page.context.expect_page() as opened:
        await page.locator("a.reveal").click()
    reveal = await opened.value
    watched = Watched(reveal, house)
    await reveal.get_by_role("button", name="显示卡密").click()
    code = (await reveal.locator("#code").inner_text()).strip()
    await reveal.get_by_role("button", name="复制").click()
    await expect(reveal.locator("#copy")).to_have_text("已复制")
    watched.assert_clean()
    return code


async def test_what_is_typed_without_a_connection_arrives_once_and_in_order(
    browser: Browser, database: Database, clock: Clock, matcher_cache: Path
) -> None:
    house = House(database, clock, matcher_cache)
    page = await (await new_context(browser)).new_page()
    async with house.open():
        await page.goto(f"{house.address}/chat")
        await _answered(page, "我是自动客服")
    await expect(page.locator("#state")).to_have_text("连接断开，正在重连…")

    await _say(page, "第一句：怎么查订单")
    await expect(page.locator("[data-unsent] .note").first).to_have_text("没有发出去")
    await _say(page, "第二句：转人工")
    async with house.open():
        await expect(page.locator("#state")).to_have_text("已连接", timeout=25_000)
        await expect(page.locator("[data-unsent]")).to_have_count(0, timeout=25_000)

        own = await page.locator("#log .buyer .text").all_inner_texts()

    assert own == ["第一句：怎么查订单", "第二句：转人工"]


async def test_hostile_words_stay_words_and_only_our_links_are_links(browser: Browser, house: House) -> None:
    page = await (await new_context(browser)).new_page()
    watched = Watched(page, house)
    await page.goto(f"{house.address}/chat")
    await _answered(page, "我是自动客服")
    token = "abcdefghijklmnopqrstuvwxyz012345"
    hostile = " ".join(
        [
            "<img src=x onerror='document.title=1'><script>document.title=2</script>",
            f"https://evil.example/r/{token}",
            "javascript:alert(1)",
            f"{house.address}/r/{token}",
            f"{house.address}/console/logout",
            f"{house.address}/r/x/../../chat",
        ]
    )
    async with house.stage.database.writing() as session:
        conversation = await session.get_one(Conversation, 1)
        await post(session, house.stage.clock(), conversation, hostile, author=Author.BOT)
        await add_message(session, house.stage.clock(), conversation, hostile)

    await expect(page.locator("#log .bot").last).to_contain_text("onerror")
    await expect(page.locator("#log .buyer").last).to_contain_text("<script>")

    links = await page.locator("#log a").evaluate_all("links => links.map(link => link.href)")
    assert links == [f"{house.address}/r/{token}?lang=zh"]
    assert await page.locator("#log img, #log script").count() == 0
    assert await page.title() == "在线客服"
    watched.assert_clean()


async def test_the_chat_works_without_a_mouse_and_in_english(browser: Browser, house: House) -> None:
    page = await (await new_context(browser, "en-US")).new_page()
    await page.goto(f"{house.address}/chat")
    await expect(page.locator("#log .bot")).to_be_visible()

    assert await page.evaluate("document.activeElement.id") == "text"
    await page.keyboard.type("line one")
    await page.keyboard.press("Shift+Enter")
    await page.keyboard.type("line two")
    await page.keyboard.press("Enter")
    await expect(page.locator("#log .buyer .text").last).to_have_text("line one\nline two")
    for _ in range(3):  # past the picture button and "My tickets"
        await page.keyboard.press("Shift+Tab")
    assert await page.evaluate("document.activeElement.textContent") == "Talk to a person"
    await page.keyboard.press("Enter")
    await expect(page.locator("#log .buyer .text").last).to_have_text("Talk to a person")
    await expect(page.locator("#state")).to_have_text("Connected")


@pytest.mark.parametrize("language", ["zh-CN", "en-US"])
async def test_no_page_breaks_its_own_policy(browser: Browser, house: House, agent_of: Agent, language: str) -> None:
    ticket = await house.stage.open(await house.stage.meet(), level=Level.HUMAN_QUEUE)
    page = await sign_in(await new_context(browser, language), house.address)
    watched = Watched(page, house)
    pages = {
        "queue": "/console/",
        "ticket": f"/console/tickets/{ticket.number}",
        "reports": "/console/reports?rows=counted",
        "tickets": "/console/all-tickets/list",
        "buyers": "/console/buyers/list",
        "macros": "/console/macros",
        "tags": "/console/tags",
    }

    for name, address in pages.items():
        await page.goto(house.address + address)
        await page.screenshot(path=SCREENSHOTS / f"{name}-{language[:2]}.png")
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
        await page.set_viewport_size({"width": 390, "height": 860})
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name} on a telephone"
        await page.set_viewport_size({"width": 1360, "height": 860})

    watched.assert_clean()
