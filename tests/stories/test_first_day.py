"""An owner's first day: everything started by one command, a buyer helped, an agent at work, the promise kept."""

import asyncio
import os
import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.async_api import Browser, Locator, Page
from sqlmodel import col, select

from kadesk.database import Database
from tests.stories.conftest import Serve, Served
from tickets.tables import Agent, Escalation, Message, Notice, Ticket

Shots = Callable[[Page, str], Awaitable[None]]

pytestmark = [pytest.mark.browser, pytest.mark.slow]


class Chat:
    """A buyer before the chat page."""

    def __init__(self, page: Page) -> None:
        self.page = page

    @classmethod
    async def open(cls, browser: Browser, served: Served, language: str = "zh") -> "Chat":
        context = await browser.new_context(locale="zh-CN" if language == "zh" else "en-US")
        page = await context.new_page()
        await page.goto(f"{served.url}/chat?lang={language}")
        chat = cls(page)
        await chat.answer(1)
        return chat

    def bubbles(self) -> Locator:
        return self.page.locator("#log > .bot, #log > .agent, #log > .system")

    async def answer(self, number: int) -> Locator:
        """The answer of this number, as soon as it is there."""
        await self.bubbles().nth(number - 1).wait_for(timeout=20_000)
        return self.bubbles().nth(number - 1)

    async def after(self, act: Callable[[], Awaitable[None]], answers: int = 1) -> str:
        """Do something and wait for so many answers; the text of the last."""
        before = await self.bubbles().count()
        await act()
        return await (await self.answer(before + answers)).inner_text()

    async def say(self, text: str, answers: int = 1) -> str:
        async def type_it() -> None:
            await self.page.fill("#text", text)
            await self.page.press("#text", "Enter")

        return await self.after(type_it, answers)

    async def press(self, label: str, answers: int = 1) -> str:
        """Press the newest button of this name, whatever was said since."""
        labelled = self.page.get_by_role("button", name=re.compile(label))
        button = self.bubbles().filter(has=labelled).last.get_by_role("button", name=re.compile(label)).first
        return await self.after(button.click, answers)


async def test_a_buyer_is_helped_on_the_first_day(serve: Serve, browser: Browser, shots: Shots) -> None:
    served = await serve()
    order_no, password = served.order
    chat = await Chat.open(browser, served)

    assert "订单号" in await chat.say("怎么查订单")
    await chat.press("查我的订单")
    await chat.say(order_no)
    assert "已发货" in await chat.say(password)
    await chat.press("卡密用不了")
    await chat.press(r"\*\*\*\*")
    await shots(chat.page, "chat-claim")
    await chat.press("已被使用")
    link = await chat.bubbles().last.locator("a").get_attribute("href")
    assert link is not None
    assert link.startswith(f"{served.url}/r/")
    await shots(chat.page, "chat-replaced")

    first = await (await browser.new_context(locale="zh-CN")).new_page()
    await first.goto(link)
    assert await first.locator(".code").count() == 0  # opening the link shows nothing yet
    await first.get_by_role("button").first.click()
    code = await first.locator(".code").inner_text()
    await shots(first, "reveal")
    second = await (await browser.new_context(locale="zh-CN")).new_page()
    await second.goto(link)

    assert len(code) > 8
    assert await second.locator(".code").count() == 0
    assert code not in await second.content()
    assert code not in await chat.page.content()
    assert await served.stop() == 0
    assert "Traceback" not in (served.folder.parent / "log").read_text()


async def test_a_second_start_keeps_the_data(serve: Serve) -> None:
    served = await serve()
    assert await served.stop() == 0

    again = await serve()

    assert again.order == served.order
    assert again.password_of("lin") == served.password_of("lin")


async def test_a_ticket_nobody_handles_stands_in_the_human_queue_once(
    serve: Serve, browser: Browser, shots: Shots
) -> None:
    served = await serve(KADESK_SLA__HANDLING="6 s")
    order_no, password = served.order
    chat = await Chat.open(browser, served, "en")
    for words in ("my code does not work", order_no, password):
        await chat.say(words)
    await chat.press(r"\*\*\*\*")
    await chat.press("Region")  # a reason for which the bot does not replace: a ticket in its own lane

    late = chat.bubbles().filter(has_text="gone to a person with priority")
    await late.wait_for(timeout=60_000)
    await shots(chat.page, "chat-late")
    database = Database(f"sqlite:///{served.folder / 'kadesk.db'}")
    for _ in range(3):  # sweeps go on; nothing happens twice
        await asyncio.sleep(1)
        async with database.reading() as session:
            moves = (await session.exec(select(Escalation))).all()
            notices = (await session.exec(select(Notice).order_by(col(Notice.id)))).all()
    await database.close()

    assert re.search(r"K-\d{6}", await late.inner_text())
    assert [(move.trigger, move.level) for move in moves] == [("due", 1)]
    assert moves[0].escalated_at - moves[0].due_at < timedelta(seconds=30)
    assert len({(move.ticket_id, move.cycle_id, move.level) for move in moves}) == len(moves) == 1
    assert {notice.ticket_id for notice in notices} == {moves[0].ticket_id}


async def test_an_agent_answers_and_the_buyer_reads_it(serve: Serve, browser: Browser, shots: Shots) -> None:
    served = await serve()
    chat = await Chat.open(browser, served)
    number = re.findall(r"K-\d{6}", await chat.say("转人工"))[0]  # not the first: the sweep's canary has a ticket too
    desk = await (await browser.new_context(locale="zh-CN", viewport={"width": 1280, "height": 800})).new_page()
    await desk.goto(f"{served.url}/console")
    await desk.fill("input[name=login]", "lin")
    await desk.fill("input[name=password]", served.password_of("lin"))
    await desk.locator("button.main").click()

    await desk.get_by_role("link", name=number).first.wait_for()
    await shots(desk, "console-queue")
    await desk.get_by_role("link", name=number).first.click()
    await desk.get_by_role("button", name="领取 t").click()
    await desk.locator("textarea").first.fill("您好，我是小林，马上帮您看。<b>x</b>")
    seen = await chat.bubbles().count()  # before the answer is on its way
    await desk.locator("textarea").first.press("Control+Enter")
    answered = await chat.answer(seen + 1)

    assert "您好，我是小林，马上帮您看。<b>x</b>" in await answered.inner_text()
    await shots(desk, "console-ticket")
    await desk.goto(f"{served.url}/console/reports")
    await shots(desk, "console-reports")
    database = Database(f"sqlite:///{served.folder / 'kadesk.db'}")
    async with database.reading() as session:
        ticket = (await session.exec(select(Ticket).where(Ticket.number == number))).one()
        agent = await session.get_one(Agent, ticket.assignee_id)
        said = (await session.exec(select(Message.text).where(Message.author == "agent"))).all()
    await database.close()
    assert agent.login == "lin"
    assert said == ["您好，我是小林，马上帮您看。<b>x</b>"]


@pytest.fixture
def shots(tmp_path: Path) -> Shots:
    """Draw a page; `make screenshots` keeps the pictures in the documents."""
    folder = Path(os.environ.get("SCREENSHOTS", str(tmp_path)))
    folder.mkdir(parents=True, exist_ok=True)

    async def draw(page: Page, name: str) -> None:
        await page.screenshot(path=str(folder / f"{name}.png"))

    return draw
