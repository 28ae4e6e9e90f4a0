"""Pictures beside a reply: by the plain form, and in a browser from the agent's hand to the buyer's chat."""

import base64

import pytest
from playwright.async_api import Browser, expect

from console.doors import FORM_LIMIT
from tests.console.chromium import new_context, sign_in
from tests.console.conftest import ORIGIN, Stage, Visitor
from tests.console.house import House
from tests.console.test_accessibility import findings
from tests.console.test_pictures_in_chat import PASTE, picked
from tests.tickets.test_pixels import file_of, screenshot
from tickets import pictures
from tickets.tables import Agent, Message, Picture, Ticket

PNG = file_of(screenshot(size=(90, 160)))


async def send(browser: Visitor, ticket: Ticket, text: str, *files: bytes, **fields: str) -> tuple[int, str]:
    """By a browser without scripts: its form has the field of pictures even when none was chosen."""
    chosen = [("picture", (f"{n}.png", one, "image/png")) for n, one in enumerate(files)]
    empty = [("picture", ("", b"", "application/octet-stream"))]
    form = {"csrftoken": browser.cookies.get("starlette_admin_csrftoken", ""), "text": text} | fields
    form.setdefault("version", str(ticket.version))
    address = f"/console/tickets/{ticket.number}"
    answer = await browser.post(f"{address}/reply", data=form, files=chosen or empty, headers={"origin": ORIGIN})
    page = await browser.get(address) if answer.status_code == 303 else answer
    return answer.status_code, page.text


async def kept(stage: Stage) -> list[Picture]:
    async with stage.database.reading() as session:
        return list((await session.exec(pictures.select(Picture).order_by("id"))).all())


async def test_a_reply_takes_pictures_with_words_or_without(stage: Stage, signed_in: Visitor) -> None:
    ticket = await stage.open(await stage.meet())

    status, page = await send(signed_in, ticket, "看红圈", PNG, PNG)
    async with stage.database.reading() as session:
        fresh = await session.get_one(Ticket, ticket.id)
    silent, _ = await send(signed_in, fresh, "", PNG)

    first, second, third = await kept(stage)
    assert (status, silent) == (303, 303)
    for picture in (first, second):
        assert f'<img src="/console/pictures/{picture.id}"' in page
    assert pictures.read(stage.vault, third)[:2] == b"\xff\xd8"
    assert all(one.is_ours for one in (first, second, third))
    async with stage.database.reading() as session:
        said = (await session.exec(pictures.select(Message).where(Message.author == "agent").order_by("id"))).all()
    assert [(one.text, len(one.attachments)) for one in said] == [("看红圈", 2), ("", 1)]


@pytest.mark.parametrize(
    ("files", "text", "sentence"),
    [
        ([b"no picture"], "看红圈", "打不开"),
        ([PNG] * 5, "看红圈", "最多发 4 张"),
        ([PNG], "K7Q2M-9XH4T-R3VNP", "像卡密"),
        ([file_of(screenshot(size=(4, 200)))], "看红圈", "太窄长"),
        ([], "", "请先写点内容"),
    ],
    ids=["no picture", "too many", "a code in the words", "a strip", "nothing"],
)
async def test_what_cannot_go_out_says_why_and_the_words_stay(
    stage: Stage, signed_in: Visitor, files: list[bytes], text: str, sentence: str
) -> None:
    ticket = await stage.open(await stage.meet())

    status, page = await send(signed_in, ticket, text, *files)

    assert (status, await kept(stage)) == (422, [])
    assert sentence in page
    assert f">{text}</textarea>" in page
    assert ("图片没有保留" in page) == bool(files)


async def test_only_who_is_signed_in_may_send_more_than_words(
    stage: Stage, visitor: Visitor, signed_in: Visitor
) -> None:
    ticket = await stage.open(await stage.meet())
    await visitor.get("/console/login")
    large = PNG + b"\x00" * FORM_LIMIT

    stranger, told = await send(visitor, ticket, "看红圈", large)
    staff, _ = await send(signed_in, ticket, "看红圈", large)

    assert (stranger, staff, len(await kept(stage))) == (413, 303, 1)
    assert "太大" in told


@pytest.mark.browser
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_an_agent_chooses_pastes_and_takes_away_and_the_buyer_sees_the_rest(
    browser: Browser, house: House, agent_of: Agent
) -> None:
    buyer = await (await new_context(browser, width=390)).new_page()
    await buyer.goto(f"{house.address}/chat")
    await expect(buyer.locator("#log .bot")).to_be_visible()
    await buyer.fill("#text", "转人工")
    await buyer.press("#text", "Enter")
    await expect(buyer.locator("#log .bot").last).to_contain_text("K-000001")
    staff = await sign_in(await new_context(browser), house.address)
    await staff.goto(f"{house.address}/console/tickets/K-000001")
    shown = staff.locator("#enclosed img")

    await staff.set_input_files("#picture", [picked("a.png", "image/png", PNG), picked("b.txt", "text/plain", b"b")])
    await expect(staff.locator("#enclosed [role=status]")).to_have_text("b.txt 不是 PNG 或 JPEG 图片")
    await staff.focus("[data-mode=reply] textarea")
    await staff.evaluate(PASTE, base64.b64encode(PNG).decode())
    await expect(shown).to_have_count(2)
    assert await findings(staff) == []
    await staff.get_by_role("button", name="去掉 a.png").press("Enter")
    await expect(shown).to_have_count(1)
    await staff.fill("[data-mode=reply] textarea", "看红圈")
    await staff.get_by_role("button", name="发送").click()

    await expect(staff.locator("#thread .agent .pictures img")).to_have_count(1)
    came = buyer.locator("#log .agent img")
    await expect(came).to_have_count(1)
    assert await came.evaluate("(image) => image.decode().then(() => image.naturalWidth)") == 90
    await expect(buyer.locator("#log .agent .text")).to_contain_text("看红圈")
