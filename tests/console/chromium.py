"""A real browser for the tests of the pages, and the way through the console's door."""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from tests.console.conftest import PASSWORD

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
# Debian's chromium as root, without its own calls to the network.
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

expect.set_options(timeout=20_000)  # a busy machine is no failure


@asynccontextmanager
async def open_browser() -> AsyncIterator[Browser]:
    if CHROMIUM is None:
        if os.environ.get("CI"):
            pytest.fail("Chromium is missing: the pages were not tried in a browser")
        pytest.skip("SKIPPED: the browser suite, because no Chromium is installed (apt-get install chromium)")
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield chromium
        await chromium.close()


async def new_context(
    browser: Browser, language: str = "zh-CN", width: int = 1360, *, is_dark: bool = False
) -> BrowserContext:
    colours = "dark" if is_dark else "light"
    context = await browser.new_context(
        locale=language, viewport={"width": width, "height": 860}, color_scheme=colours, is_mobile=width < 500
    )
    context.set_default_timeout(15_000)
    return context


async def sign_in(context: BrowserContext, address: str, login: str = "lin") -> Page:
    page = await context.new_page()
    await page.goto(f"{address}/console/")
    await page.fill("[name=login]", login)
    await page.fill("[name=password]", PASSWORD)
    await page.keyboard.press("Enter")
    await expect(page.locator("nav [aria-current]").first).to_be_visible()
    return page
