"""Pictures in a real browser: chosen or pasted on a phone, refused with a reason, seen by staff beside the claim."""

import base64
from pathlib import Path

import pytest
from playwright.async_api import Browser, FilePayload, Page, expect
from sqlmodel import select

from tests.console.chromium import new_context, sign_in
from tests.console.house import House
from tests.tickets.test_pixels import file_of, screenshot
from tickets.tables import Agent, Picture

pytestmark = [pytest.mark.browser, pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)]

SCREENSHOTS = Path(__file__).parent.parent.parent / "screenshots"
PASTE = """
(encoded) => {
  const bytes = Uint8Array.from(atob(encoded), (character) => character.charCodeAt(0));
  const data = new DataTransfer();
  data.items.add(new File([bytes], "pasted.png", { type: "image/png" }));
  const paste = { clipboardData: data, bubbles: true, cancelable: true };
  return document.activeElement.dispatchEvent(new ClipboardEvent("paste", paste));
}
"""


def picked(name: str, kind: str, content: bytes) -> FilePayload:
    return {"name": name, "mimeType": kind, "buffer": content}


async def _open(browser: Browser, house: House) -> tuple[Page, list[str]]:
    page = await (await new_context(browser, width=390)).new_page()
    complaints: list[str] = []
    page.on("console", lambda entry: complaints.append(entry.text) if entry.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    await page.goto(f"{house.address}/chat")
    await expect(page.locator("#log .bot")).to_be_visible()
    return page, complaints


async def _is_drawn(page: Page, index: int) -> None:
    """The picture came from the server, and shows something."""
    kept = page.locator('#log .buyer img[src^="/chat/api/pictures/"]').nth(index)
    await expect(kept).to_be_visible(timeout=60_000)
    assert await kept.evaluate("(image) => image.decode().then(() => image.naturalWidth)") > 0


async def test_a_buyer_sends_pictures_from_a_phone_and_staff_see_them(
    browser: Browser, house: House, agent_of: Agent
) -> None:
    page, complaints = await _open(browser, house)

    await page.set_input_files("#picture", [picked("a.png", "image/png", file_of(screenshot(1, (540, 1170))))])
    await _is_drawn(page, 0)
    await page.focus("#text")
    await page.evaluate(PASTE, base64.b64encode(file_of(screenshot(2))).decode())
    await _is_drawn(page, 1)
    await expect(page.locator("[data-unsent]")).to_have_count(0)
    await page.fill("#text", "转人工")
    await page.press("#text", "Enter")
    await expect(page.locator("#log .bot").last).to_contain_text("K-000001")
    await page.screenshot(path=SCREENSHOTS / "chat-picture.png")

    await page.reload()
    await _is_drawn(page, 1)
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    staff = await sign_in(await new_context(browser), house.address)
    await staff.goto(f"{house.address}/console/tickets/K-000001")
    shown = staff.locator("#thread .pictures img")
    await expect(shown).to_have_count(2)
    assert await shown.first.evaluate("(image) => image.decode().then(() => image.naturalWidth)") > 0
    await staff.screenshot(path=SCREENSHOTS / "ticket-picture.png")
    assert complaints == []


async def test_what_cannot_be_sent_says_why_and_holds_nothing_up(browser: Browser, house: House) -> None:
    page, _ = await _open(browser, house)

    await page.set_input_files("#picture", [picked("a.heic", "image/heic", b"x")])
    await expect(page.locator("[data-unsent] .note").last).to_contain_text("只能发 PNG")
    await page.set_input_files("#picture", [picked("b.png", "image/png", b"\x00" * (8 * 1024 * 1024 + 1))])
    await expect(page.locator("[data-unsent] .note").last).to_contain_text("最大 8 MB")
    await page.set_input_files("#picture", [picked("c.png", "image/png", b"no picture at all")])
    await expect(page.locator("[data-unsent] .note").last).to_contain_text("打不开")
    await page.screenshot(path=SCREENSHOTS / "chat-picture-refused.png")
    await page.set_input_files("#picture", [picked("d.png", "image/png", file_of(screenshot(1)))])

    await _is_drawn(page, 0)
    async with house.stage.database.reading() as session:
        assert len((await session.exec(select(Picture.id))).all()) == 1


async def test_a_picture_waits_for_the_connection_and_goes_once(browser: Browser, house: House) -> None:
    page, _ = await _open(browser, house)
    await page.route("**/chat/api/pictures?*", lambda route: route.abort())

    await page.set_input_files("#picture", [picked("a.png", "image/png", file_of(screenshot(1)))])
    await expect(page.locator("[data-unsent] .note")).to_contain_text("没有发出去")
    await page.unroute("**/chat/api/pictures?*")
    await page.get_by_role("button", name="重发").click()

    await _is_drawn(page, 0)
    async with house.stage.database.reading() as session:
        assert len((await session.exec(select(Picture.id))).all()) == 1
