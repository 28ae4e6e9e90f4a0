"""The chat on a shop's page: another site, with a policy that allows our script and our frame and nothing else."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from playwright.async_api import Browser, Page, expect

from console.pages import STATIC
from console.rules import ConsoleRules
from kadesk.database import Database
from kadesk.errors import SettingsError
from kadesk.settings import SHIPPED, Settings
from tests.console.chromium import new_context
from tests.console.conftest import Clock, Stage
from tests.console.house import LINKS, House
from tests.console.test_accessibility import findings
from tests.tickets.test_pixels import file_of, screenshot
from tickets.outbox import post
from tickets.tables import Author, Conversation, OrderBinding

SCREENSHOTS = Path(__file__).parent.parent.parent / "screenshots"
OURS = ("widget.js", "framed.js", "pictures.js", "chat.js")  # all that a shop's page and its frame load of ours
PAGE = """<!doctype html><html lang="zh-CN"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>星卡商城</title><main><h1>星卡商城</h1><p>Steam 50元充值卡
<a href="{desk}/chat?start={payload}">订单有问题？</a></p></main>
<script src="{desk}/widget.js" data-accent="#0a7" {attributes} async></script></html>"""


class ShopPages:
    """A shop on a port and a host name of its own; any path gives its page."""

    def __init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        self.origin = f"http://localhost:{self._port}"
        self.desk = ""
        self.attributes = self.payload = ""

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        async with await asyncio.start_server(self._answer, "127.0.0.1", self._port):
            yield

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        policy = (
            f"default-src 'none'; script-src {self.desk}; frame-src {self.desk}; require-trusted-types-for 'script'"
        )
        body = PAGE.format(desk=self.desk, attributes=self.attributes, payload=self.payload).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Security-Policy: {policy}\r\n"
        writer.write(f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)
        await writer.drain()
        writer.close()


def _ancestors(answer: httpx.Response) -> str:
    (found,) = re.findall("frame-ancestors ([^;]*)", answer.headers["content-security-policy"])
    return str(found)


@pytest.mark.parametrize("origins", [(), ("https://shop.example.com", "https://moon.example.com")])
async def test_only_the_shops_of_the_list_may_frame_the_chat_and_nobody_the_rest(
    database: Database, clock: Clock, origins: tuple[str, ...]
) -> None:
    stage = Stage(database, clock, ConsoleRules(widget_origins=origins))
    async with stage.browser() as visitor:
        framed = await visitor.get("/chat?embed=1")
        others = [await visitor.get(path) for path in ("/chat", "/chat?embed=2", "/r/none", "/console/login")]
        script = await visitor.get("/widget.js")

    assert _ancestors(framed) == (" ".join(origins) or "'none'")
    assert ("x-frame-options" in framed.headers) == (not origins)
    assert "script-src 'self'; style-src 'self'" in framed.headers["content-security-policy"]
    assert {(_ancestors(other), other.headers["x-frame-options"]) for other in others} == {("'none'", "DENY")}
    assert script.headers["content-type"].startswith("text/javascript")
    assert script.headers["cross-origin-resource-policy"] == "cross-origin"


@pytest.mark.parametrize(
    "origin",
    [
        "https://shop.example.com/",
        "https://*.example.com",
        "shop.example.com",
        "https://a.example 'self'",
        "https://a:443",
    ],
)
def test_the_list_takes_origins_as_browsers_write_them(monkeypatch: pytest.MonkeyPatch, origin: str) -> None:
    monkeypatch.setenv("KADESK_WEB__WIDGET_ORIGINS", f"http://localhost:8080,{origin}")

    with pytest.raises(SettingsError, match="write origins such as"):
        Settings.load(SHIPPED)


def test_our_script_is_small() -> None:
    assert sum((STATIC / name).stat().st_size for name in OURS) < 30_000


@pytest.fixture
async def shop() -> AsyncIterator[ShopPages]:
    shop = ShopPages()
    async with shop.open():
        yield shop


@pytest.fixture
async def desk(database: Database, clock: Clock, shop: ShopPages, matcher_cache: Path) -> AsyncIterator[House]:
    house = House(database, clock, matcher_cache, ConsoleRules(widget_origins=(shop.origin,)), is_secure=True)
    shop.desk = house.address
    async with house.open():
        yield house


async def _visit(browser: Browser, shop: ShopPages, language: str, width: int, *, is_dark: bool = False) -> Page:
    page = await (await new_context(browser, language, width, is_dark=is_dark)).new_page()
    await page.goto(shop.origin)
    return page


@pytest.mark.browser
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_buyer_is_helped_on_the_page_of_a_shop(browser: Browser, desk: House, shop: ShopPages) -> None:
    order, other = (await desk.stage.open_shop())[:2]
    end = desk.stage.clock() + timedelta(days=20_000)  # by the browser's clock, too
    shop.attributes = f'data-lang="zh" data-identity="{LINKS.sign(order.order_no, end)}"'
    shop.payload = LINKS.sign(other.order_no, end)
    page = await _visit(browser, shop, "zh-CN", 1280)
    heard, complaints = [], []
    page.on("request", lambda request: heard.append(request.url))
    page.on("console", lambda entry: complaints.append(entry.text) if entry.type == "error" else None)
    launcher = page.get_by_role("button", name="在线客服")
    frame = page.frame_locator("iframe")
    text, state = frame.locator("#text"), frame.locator("#state")

    await launcher.focus()
    await page.keyboard.press("Enter")
    await expect(text).to_be_focused()
    await expect(frame.locator("#log .bot").last).to_contain_text(order.order_no)
    await page.get_by_role("link", name="订单有问题").click()
    await expect(frame.locator("#log .bot").last).to_contain_text(other.order_no)
    await page.keyboard.type("怎么查订单")
    await page.keyboard.press("Enter")
    await expect(frame.locator("#log .bot").last).to_contain_text("订单号")
    picture = {"name": "a.png", "mimeType": "image/png", "buffer": file_of(screenshot(1, (540, 1170)))}
    await frame.locator("#picture").set_input_files([picture])  # type: ignore[list-item]
    await expect(frame.locator("#log .bot").last).to_contain_text("图片收到了", timeout=60_000)
    await page.screenshot(path=SCREENSHOTS / "widget-zh.png")
    found = await findings(page) + await findings(page.frames[1])  # type: ignore[arg-type]

    await page.context.set_offline(True)
    await expect(state).to_have_text("连接断开，正在重连…")
    await text.fill("还有一件事：转人工")
    await text.press("Enter")
    await page.context.set_offline(False)
    await expect(frame.locator("#log .bot").last).to_contain_text("K-000001")
    await expect(state).to_have_text("已连接")
    await text.fill("没说完")
    await page.keyboard.press("Escape")
    await expect(launcher).to_be_focused()
    await expect(launcher).to_have_attribute("aria-expanded", "false")
    await page.keyboard.press("Enter")
    await expect(text).to_have_value("没说完")
    await page.keyboard.press("Escape")
    async with desk.stage.database.writing() as session:
        conversation = await session.get_one(Conversation, 1)
        await post(session, desk.stage.clock(), conversation, "好了", author=Author.BOT)
        assert (await session.get_one(OrderBinding, 1)).way == "deep_link"
    await expect(page.get_by_role("button", name="在线客服, 1 条新消息")).to_be_visible()
    await page.screenshot(path=SCREENSHOTS / "widget-badge.png")

    await page.reload()
    await expect(page.locator(".badge")).to_have_text("1")
    await page.locator(".launcher").click()
    await expect(frame.locator("#log .bot").last).to_contain_text("好了")
    await expect(frame.locator("#log .picture")).to_be_visible()
    await expect(page.locator(".badge")).to_be_hidden()

    assert found == [], "\n".join(found)
    assert [address for address in heard if not address.startswith((desk.address, shop.origin, "data:"))] == []
    assert [one for one in complaints if "ERR_INTERNET_DISCONNECTED" not in one] == []
    (cookie,) = await page.context.cookies()
    assert (cookie["name"], cookie["httpOnly"], cookie["sameSite"]) == ("__Host-kadesk_framed", True, "None")


@pytest.mark.browser
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_on_a_phone_in_the_dark_it_fills_the_screen_and_holds_the_focus(
    browser: Browser, desk: House, shop: ShopPages
) -> None:
    shop.attributes = 'data-lang="en"'
    page = await _visit(browser, shop, "en-US", 360, is_dark=True)
    frame = page.frame_locator("iframe")

    await page.get_by_role("button", name="Support chat").click()
    await expect(frame.locator("#log .bot")).to_be_visible()
    found = await findings(page) + await findings(page.frames[1])  # type: ignore[arg-type]
    await page.screenshot(path=SCREENSHOTS / "widget-en-phone.png")
    for _ in range(9):
        await page.keyboard.press("Tab")
        assert await page.evaluate("document.activeElement.localName") == "kadesk-widget"
    box = await page.locator(".panel").bounding_box()
    await frame.get_by_role("button", name="Close").click()

    assert box == {"x": 0, "y": 0, "width": 360, "height": 860}
    await expect(page.locator(".launcher")).to_be_focused()
    assert found == [], "\n".join(found)


@pytest.mark.browser
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_page_that_is_not_on_the_list_holds_no_chat(browser: Browser, house: House, shop: ShopPages) -> None:
    shop.desk = house.address
    page = await _visit(browser, shop, "zh-CN", 1280)
    refused = []
    page.on("console", lambda entry: refused.append(entry.text) if "frame-ancestors" in entry.text else None)

    await page.clock.install()
    await page.locator(".launcher").click()
    await page.clock.run_for(11_000)
    await expect(page.locator(".away")).to_contain_text("客服窗口打不开")
    await page.screenshot(path=SCREENSHOTS / "widget-away.png")

    assert refused
    assert page.frames[1].url.startswith("chrome-error:")
