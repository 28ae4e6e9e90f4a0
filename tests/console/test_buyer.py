"""The buyers' pages: a chat without anything foreign, and one look at a code."""

import asyncio
import re
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from sqlmodel import select

import console
from audit.tables import AuditRow
from shop.codes import read_code
from shop.reveals import make_link, read_token
from shop.tables import Code, RevealLink
from tests.console.conftest import Stage, Visitor, text_of

STATIC = Path(console.__file__).parent / "static"


@pytest.fixture
async def link(stage: Stage) -> str:
    """The address of a fresh reveal link."""
    await stage.open_shop()
    async with stage.database.writing() as session:
        code = (await session.exec(select(Code).where(Code.state == "issued"))).first()
        assert code is not None
        assert code.id is not None
        made = await make_link(session, stage.clock(), stage.vault, code.id, timedelta(hours=24))
        return "/r/" + read_token(stage.vault, made)


async def _clear_text(stage: Stage) -> str:
    async with stage.database.reading() as session:
        row = (await session.exec(select(RevealLink, Code).join(Code, Code.id == RevealLink.code_id))).one()
    return read_code(stage.vault, row[1])


async def test_looking_at_the_page_uses_nothing_up(stage: Stage, visitor: Visitor, link: str) -> None:
    for _ in range(3):
        page = await visitor.get(link)
        assert (await visitor.head(link)).status_code == page.status_code == 200
        assert "显示卡密" in text_of(page)
        assert await _clear_text(stage) not in page.text

    assert await _clear_text(stage) in text_of(await visitor.post(link))


async def test_a_code_is_shown_once(stage: Stage, visitor: Visitor, link: str) -> None:
    text = await _clear_text(stage)

    first, second, third = await visitor.post(link), await visitor.post(link), await visitor.get(link)

    assert (first.status_code, second.status_code, third.status_code) == (200, 404, 404)
    assert f">{text}<" in first.text
    assert text not in second.text + third.text
    assert "链接已失效" in text_of(second)
    assert "转人工" in text_of(third)


async def test_of_ten_who_press_at_once_one_sees_the_code(stage: Stage, link: str) -> None:
    text = await _clear_text(stage)

    async def press(number: int) -> httpx.Response:
        async with stage.browser(address=f"198.51.100.{number}") as browser:
            return await browser.post(link)

    pages = await asyncio.gather(*(press(number) for number in range(10)))

    assert sorted(page.status_code for page in pages) == [200, *[404] * 9]
    assert sum(text in page.text for page in pages) == 1


async def test_the_look_is_audited_with_where_it_came_from_and_without_the_code(
    stage: Stage, visitor: Visitor, link: str
) -> None:
    await visitor.post(link)

    async with stage.database.reading() as session:
        row = (await session.exec(select(AuditRow).where(AuditRow.action == "code.revealed"))).one()
        opened = (await session.exec(select(RevealLink))).one()
    assert row.after == {"seen_from": "192.0.2.1"}
    assert opened.opened_from == "192.0.2.1"
    assert await _clear_text(stage) not in str(row.model_dump())


@pytest.mark.parametrize("token", ["unknown", "a" * 32, "../../etc/passwd", "%F0%9F%98%80", "' OR 1=1 --"])
async def test_an_unknown_link_looks_like_a_used_one(visitor: Visitor, link: str, token: str) -> None:
    await visitor.post(link)
    used = await visitor.get(link)

    unknown = await visitor.get(f"/r/{token.replace('/', '%2F')}")

    assert unknown.status_code == 404
    assert "detail" in unknown.text or text_of(unknown) == text_of(used)


async def test_an_old_link_is_gone(stage: Stage, visitor: Visitor, link: str) -> None:
    stage.clock.pass_(hours=24)

    assert (await visitor.get(link)).status_code == 404
    assert (await visitor.post(link)).status_code == 404


async def test_a_code_is_kept_by_no_cache_and_named_to_nobody(visitor: Visitor, link: str) -> None:
    for page in (await visitor.get(link), await visitor.post(link), await visitor.get(link)):
        assert page.headers["cache-control"] == "no-store"
        assert page.headers["referrer-policy"] == "no-referrer"
        assert "noindex" in page.headers["x-robots-tag"]
        assert "set-cookie" not in page.headers


async def test_the_reveal_page_speaks_the_language_of_its_link(visitor: Visitor, link: str) -> None:
    assert "Show the code" in text_of(await visitor.get(f"{link}?lang=en"))
    assert "Save it now" in text_of(await visitor.post(f"{link}?lang=en"))


@pytest.mark.parametrize(
    ("accept", "query", "title"),
    [
        pytest.param("en-US", "", "Support chat", id="browser"),
        pytest.param("en-US", "?lang=zh", "在线客服", id="switch"),
        pytest.param("fr", "?lang=xx", "在线客服", id="neither"),
    ],
)
async def test_the_chat_speaks_the_buyers_language(stage: Stage, accept: str, query: str, title: str) -> None:
    async with stage.browser(accept) as visitor:
        assert title in text_of(await visitor.get(f"/chat{query}"))


async def test_the_chat_can_be_used_by_keyboard_and_screen_reader(visitor: Visitor) -> None:
    page = (await visitor.get("/chat")).text

    assert re.search(r'<div id="log" role="log" aria-live="polite" aria-label="[^"]+" tabindex="0">', page)
    assert '<label for="text"' in page
    assert re.search(r'<html lang="zh-CN">', page)
    assert '<p id="state" role="status">' in page
    assert all("alt=" in image for image in re.findall(r"<img[^>]*>", page))


def test_the_chats_own_script_is_small() -> None:
    assert (STATIC / "chat.js").stat().st_size < 30_000
    assert sum(path.stat().st_size for path in STATIC.iterdir()) < 80_000
