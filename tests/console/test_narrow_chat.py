"""The buyers' chat on the narrowest phones."""

import pytest
from playwright.async_api import Browser

from tests.console.chromium import new_context
from tests.console.house import House

pytestmark = [pytest.mark.browser, pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)]

# How many pixels the hint has more than it takes.
SPARE = """() => {
  const text = document.getElementById("text"), style = getComputedStyle(text);
  const pen = document.createElement("canvas").getContext("2d");
  pen.font = `${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
  const room = text.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
  return room - pen.measureText(text.placeholder).width;
}"""


async def test_the_hint_of_the_box_is_never_cut(browser: Browser, house: House) -> None:
    spare = {}
    for language in ("zh-CN", "en-US"):
        context = await new_context(browser, language, 320)
        page = await context.new_page()
        await page.goto(f"{house.address}/chat")
        for width in (320, 360):
            await page.set_viewport_size({"width": width, "height": 640})
            spare[language, width] = await page.evaluate(SPARE)
        await context.close()

    assert {place: pixels for place, pixels in spare.items() if pixels < 0} == {}
