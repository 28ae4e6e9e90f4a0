"""Forged requests, headers, and templates that hold nothing a strict policy would have to allow."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from sqlmodel import select
from starlette.datastructures import Headers

import console
from console.doors import is_same_origin
from tests.console.conftest import ORIGIN, PASSWORD, Stage, Visitor
from tickets.tables import Agent, Ticket

ROOM = Path(console.__file__).parent


@pytest.mark.parametrize(
    ("headers", "verdict"),
    [
        pytest.param({"host": "k.test", "sec-fetch-site": "same-origin"}, True, id="our page"),
        pytest.param({"host": "inner", "sec-fetch-site": "same-origin", "origin": "https://k.test"}, True, id="proxy"),
        pytest.param({"host": "k.test", "origin": "http://k.test"}, True, id="older browser"),
        pytest.param({"host": "k.test:8000", "origin": "http://k.test:8000"}, True, id="with a port"),
        pytest.param(
            {"host": "k.test", "sec-fetch-site": "cross-site", "origin": "http://k.test"}, False, id="other site"
        ),
        pytest.param({"host": "k.test", "sec-fetch-site": "same-site"}, False, id="a neighbour under the same domain"),
        pytest.param({"host": "k.test", "sec-fetch-site": "none"}, False, id="typed by hand"),
        pytest.param({"host": "k.test", "origin": "http://evil.test"}, False, id="foreign origin"),
        pytest.param({"host": "k.test", "origin": "http://k.test.evil"}, False, id="longer name"),
        pytest.param({"host": "k.test", "origin": "http://k.test@evil"}, False, id="our name as a user"),
        pytest.param({"host": "k.test", "origin": "null"}, False, id="hidden origin"),
        pytest.param({"host": "k.test"}, False, id="nothing said"),
        pytest.param({}, False, id="nothing at all"),
    ],
)
def test_a_writing_request_must_come_from_our_own_pages(headers: dict[str, str], verdict: bool) -> None:
    assert is_same_origin(Headers(headers)) is verdict


async def _phase(stage: Stage, ticket: Ticket) -> tuple[str, int | None]:
    async with stage.database.reading() as session:
        row = (await session.exec(select(Ticket).where(Ticket.id == ticket.id))).one()
        return row.phase, row.assignee_id


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="no origin"),
        pytest.param({"origin": "https://evil.example"}, id="foreign origin"),
        pytest.param({"origin": ORIGIN, "sec-fetch-site": "cross-site"}, id="cross-site"),
    ],
)
async def test_a_forged_form_changes_nothing(stage: Stage, signed_in: Visitor, headers: dict[str, str]) -> None:
    ticket = await stage.open(await stage.meet())
    form = {
        "csrftoken": signed_in.cookies["starlette_admin_csrftoken"],
        "text": "x",
        "outcome": "reject",
        "version": "2",
    }

    for verb in ("take", "reply", "note", "resolve", "release", "replace"):
        answer = await signed_in.post(f"/console/tickets/{ticket.number}/{verb}", data=form, headers=headers)
        assert answer.status_code == 403, verb

    assert await _phase(stage, ticket) == ("open", None)


async def test_a_form_without_the_pages_token_is_refused(stage: Stage, signed_in: Visitor) -> None:
    ticket = await stage.open(await stage.meet())

    answer = await signed_in.post(
        f"/console/tickets/{ticket.number}/take", data={"csrftoken": "guess"}, headers={"origin": ORIGIN}
    )

    assert answer.status_code == 403
    assert await _phase(stage, ticket) == ("open", None)


async def test_nobody_can_be_signed_in_or_out_by_another_site(stage: Stage, signed_in: Visitor, agent: Agent) -> None:
    async with stage.browser() as visitor:
        page = await visitor.get("/console/login")
        form = {"login": "lin", "password": PASSWORD, "csrftoken": page.cookies["starlette_admin_csrftoken"]}
        forged = await visitor.post("/console/login", data=form, headers={"origin": "https://evil.example"})
    await signed_in.post("/console/logout", headers={"origin": "https://evil.example"})

    assert forged.status_code == 403
    assert (await signed_in.get("/console/")).status_code == 200


async def test_no_page_can_be_had_without_signing_in(stage: Stage, visitor: Visitor) -> None:
    ticket = await stage.open(await stage.meet())
    pages = ["/console", "/console/", "/console/reports", "/console/all-tickets/list", "/console/audit/list"]

    for page in [*pages, f"/console/tickets/{ticket.number}", "/console/tickets/K-9", "/console/nothing"]:
        answer = await visitor.get(page)
        assert answer.status_code in (303, 307), page
        assert "K-0000" not in answer.text


async def test_no_get_has_effects(stage: Stage, signed_in: Visitor) -> None:
    ticket = await stage.open(await stage.meet())
    addresses = ["logout", "language", "notices/seen"]
    addresses += [f"tickets/{ticket.number}/{verb}" for verb in ("take", "reply", "note", "resolve", "replace")]

    answers = [await signed_in.get(f"/console/{address}?text=x&outcome=reject") for address in addresses]

    assert {answer.status_code for answer in answers} <= {303, 405}
    assert await _phase(stage, ticket) == ("open", None)
    assert (await signed_in.get("/console/")).status_code == 200


async def _every_page(stage: Stage, signed_in: Visitor) -> list[httpx.Response]:
    ticket = await stage.open(await stage.meet())
    pages = [
        "/console/",
        "/console/reports",
        "/console/all-tickets/list",
        "/console/buyers/list",
        "/console/audit/list",
    ]
    pages += [f"/console/tickets/{ticket.number}", "/console/nothing", "/chat", "/r/unknown", "/console/static/chat.js"]
    async with stage.browser() as stranger:
        return [await stranger.get("/console/login"), *[await signed_in.get(page) for page in pages]]


async def test_every_page_carries_strict_headers(stage: Stage, signed_in: Visitor) -> None:
    for page in await _every_page(stage, signed_in):
        policy = page.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'"), page.url
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert "require-trusted-types-for 'script'" in policy
        assert page.headers["x-content-type-options"] == "nosniff"
        assert page.headers["referrer-policy"] in ("same-origin", "no-referrer")
        assert page.headers["cache-control"] == "no-store" or "static" in str(page.url)


async def test_no_page_needs_anything_from_elsewhere_nor_inline(stage: Stage, signed_in: Visitor) -> None:
    for page in await _every_page(stage, signed_in):
        if not page.headers["content-type"].startswith("text/html"):
            continue
        assert not re.search(r"""(?:src|href)=["'](?:https?:)?//""", page.text), page.url
        assert not re.search(r"<style|<script(?![^>]*\bsrc=)|\sstyle=|\son[a-z]+=|javascript:", page.text), page.url


def test_no_script_of_ours_makes_html_of_text_but_the_one_that_refreshes() -> None:
    sinks = re.compile(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|createContextualFragment|\beval\b|new Function"
    )

    for script in (ROOM / "static").glob("*.js"):
        source = script.read_text()
        assert not sinks.search(source), script.name
        assert ("parseFromString" in source) == (script.name == "live.js")


def test_no_template_switches_escaping_off() -> None:
    for template in (ROOM / "templates").rglob("*.html"):
        assert not re.search(r"\|\s*safe\b|autoescape|Markup", template.read_text()), template.name


async def test_a_zero_byte_never_reaches_the_database(signed_in: Visitor) -> None:
    for address in ("/console/tickets/K-%00", "/console/all-tickets/list?q=%00", "/chat?lang=%00", "/r/%00"):
        assert (await signed_in.get(address)).status_code == 400, address


async def test_a_form_of_a_megabyte_is_refused_before_anybody_reads_it(visitor: Visitor) -> None:
    await visitor.get("/console/login")

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(64):
            yield b"x" * 16_384

    announced = await visitor.submit("/console/login", login="lin", password="x" * 1_000_000)
    form = {"origin": ORIGIN, "content-type": "application/x-www-form-urlencoded"}
    in_pieces = await visitor.post("/console/login", content=pieces(), headers=form)

    assert (announced.status_code, in_pieces.status_code) == (413, 413)


async def test_static_files_are_kept_by_browsers_until_they_change(visitor: Visitor) -> None:
    page = await visitor.get("/chat")
    address = re.search(r"/console/static/chat\.js\?v=[0-9a-f]{12}", page.text)
    assert address

    script = await visitor.get(address[0])

    assert script.status_code == 200
    assert "immutable" in script.headers["cache-control"]
    assert "set-cookie" not in script.headers
    assert (await visitor.get("/console/static/%2e%2e/rules.py")).status_code == 404
