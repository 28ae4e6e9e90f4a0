"""A link from the shop's page of an order, in a real browser."""

from datetime import timedelta

import pytest
from playwright.async_api import Browser, expect

from tests.console.chromium import new_context
from tests.console.house import LINKS, House

pytestmark = [pytest.mark.browser, pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)]


async def test_a_link_opens_the_order_once_and_leaves_the_address(browser: Browser, house: House) -> None:
    order = (await house.stage.open_shop())[0]
    payload = LINKS.sign(order.order_no, house.stage.clock() + timedelta(minutes=30))
    page = await (await new_context(browser)).new_page()

    await page.goto(f"{house.address}/chat?start={payload}")
    await expect(page.locator("#log .bot").last).to_contain_text(order.order_no)
    shown = await page.locator("#log .bot").count()
    await page.fill("#text", "没说完")
    await page.reload()
    await expect(page.locator("#log .bot").last).to_contain_text(order.order_no)

    await expect(page.locator("#text")).to_have_value("没说完")
    assert page.url == f"{house.address}/chat"
    assert await page.locator("#log .bot").count() == shown == 2
