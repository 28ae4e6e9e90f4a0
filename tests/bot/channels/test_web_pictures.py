"""Pictures through the chat's door: stored before they are acknowledged, seen by their sender alone."""

import io
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from PIL import Image

from bot.channels.web import WebChat
from bot.channels.web_pictures import LIMIT
from bot.tables import InboxRow
from shop.vault import Keys, Vault
from tests.bot.conftest import House
from tests.tickets.test_pixels import file_of, screenshot
from tickets import pictures
from tickets.enclosing import Enclosed
from tickets.pixels import draw_anew
from tickets.tables import Message, Picture, Ticket


@pytest.fixture
def web(house: House) -> WebChat:
    return WebChat(house.database, house.door.accept, house.phrases, house.clock, links=house.claims.links)


@pytest.fixture
async def client(web: WebChat) -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    app.include_router(web.router)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://kadesk.test") as client:
        await client.get("/chat/api/history")
        yield client


async def upload(
    client: httpx.AsyncClient, content: bytes, name: str = "p1", kind: str = "image/png", **headers: str
) -> httpx.Response:
    headers = {"content-type": kind, **headers}
    return await client.post(f"/chat/api/pictures?id={name}&language=zh", content=content, headers=headers)


async def history(client: httpx.AsyncClient) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = (await client.get("/chat/api/history")).json()["messages"]
    return messages


async def test_a_picture_is_stored_sealed_and_takes_effect_once(
    house: House, web: WebChat, client: httpx.AsyncClient
) -> None:
    first = await upload(client, file_of(screenshot()))
    stored = await house.one(InboxRow)
    again = await upload(client, file_of(screenshot()))
    await house.settle(web)()
    late = await upload(client, file_of(screenshot()))
    await house.settle(web)()

    assert [answer.status_code for answer in (first, again, late)] == [202, 202, 202]
    assert stored.state == "pending"
    assert "jpeg" not in stored.sealed
    picture = await house.one(Picture)
    message = await house.one(Message, direction="in")
    assert (picture.message_id, picture.width, picture.height) == (message.id, 540, 960)
    assert message.attachments == [{"kind": "photo", "picture": picture.id}]
    assert Image.open(io.BytesIO(pictures.read(house.vault, picture))).format == "JPEG"
    assert (await house.one(InboxRow)).sealed == ""


async def test_what_an_agent_sends_is_seen_by_its_buyer_alone(
    house: House, web: WebChat, client: httpx.AsyncClient
) -> None:
    await client.post("/chat/api/messages", json={"id": "m1", "text": "转人工"})
    await house.settle(web)()
    lin, ticket = await house.hire(), await house.one(Ticket)
    enclosed = Enclosed(house.vault, [draw_anew(file_of(screenshot()))])
    async with house.database.writing() as session:
        await house.desk.reply(session, house.clock(), ticket.id, lin, "", enclosed=enclosed)

    (attached,) = (await history(client))[-1]["attachments"]
    address = f"/chat/api/pictures/{attached['picture']}"
    seen = (await client.get(address)).content[:2]
    client.cookies.clear()

    assert seen == b"\xff\xd8"
    assert (await client.get(address)).status_code == 404


async def test_the_sender_sees_it_and_nobody_else(house: House, web: WebChat, client: httpx.AsyncClient) -> None:
    await upload(client, file_of(screenshot()))
    await house.settle(web)()
    mine = (await history(client))[0]
    (attached,) = mine["attachments"]
    address = f"/chat/api/pictures/{attached['picture']}"

    own = await client.get(address)
    client.cookies.clear()
    stranger = await client.get(address)
    await client.get("/chat/api/history")
    other = await client.get(address)
    unknown = await client.get("/chat/api/pictures/999")
    odd = await client.get("/chat/api/pictures/one")

    assert (own.status_code, own.headers["content-type"]) == (200, "image/jpeg")
    assert own.headers["content-disposition"].startswith("attachment")
    assert own.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in own.headers["content-security-policy"]
    assert "no-store" in own.headers["cache-control"]
    assert [answer.status_code for answer in (stranger, other, unknown, odd)] == [404] * 4
    assert other.content == unknown.content == b""
    assert (mine["client_id"], attached) == ("p1", {"kind": "photo", "picture": attached["picture"]})


async def test_the_bot_says_that_it_was_kept(house: House, web: WebChat, client: httpx.AsyncClient) -> None:
    await upload(client, file_of(screenshot()))
    await house.settle(web)()

    assert "图片收到了，已经存好" in (await history(client))[-1]["text"]


@pytest.mark.parametrize(
    ("content", "kind", "status", "error"),
    [
        pytest.param(b"", "image/png", 415, "no_picture", id="nothing"),
        pytest.param(b"<svg onload=alert(1)>", "image/svg+xml", 415, "no_picture", id="svg"),
        pytest.param(file_of(screenshot())[:300], "image/png", 415, "no_picture", id="broken"),
        pytest.param(b"\x00" * (LIMIT + 1), "image/png", 413, "too_large", id="too long"),
        pytest.param(file_of(screenshot()), "text/plain", 415, "no_picture", id="a form of another site"),
    ],
)
async def test_what_is_no_picture_is_refused_in_one_sentence(
    house: House, client: httpx.AsyncClient, content: bytes, kind: str, status: int, error: str
) -> None:
    answer = await upload(client, content, kind=kind)

    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert "图片" in answer.json()["text"]
    assert await house.all(InboxRow) == []


@pytest.mark.parametrize(
    ("name", "headers", "status"),
    [
        pytest.param("p/1", {}, 400, id="bad id"),
        pytest.param("p1", {"origin": "https://evil.example"}, 403, id="another site"),
        pytest.param("p1", {"sec-fetch-site": "cross-site"}, 403, id="says so"),
    ],
)
async def test_odd_requests_are_refused_unread(
    house: House, client: httpx.AsyncClient, name: str, headers: dict[str, str], status: int
) -> None:
    assert (await upload(client, file_of(screenshot()), name, **headers)).status_code == status
    assert await house.all(InboxRow) == []


async def test_pictures_count_against_the_pace(house: House) -> None:
    web = WebChat(
        house.database, house.door.accept, house.phrases, house.clock, links=house.claims.links, rate=2, source_rate=2
    )
    app = FastAPI()
    app.include_router(web.router)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://kadesk.test") as client:
        answers = [await upload(client, file_of(screenshot()), f"p{number}") for number in range(3)]

    assert [answer.status_code for answer in answers] == [202, 202, 429]
    assert int(answers[-1].headers["retry-after"]) > 0


async def test_one_that_does_not_open_any_more_is_not_found(
    house: House, web: WebChat, client: httpx.AsyncClient
) -> None:
    await upload(client, file_of(screenshot()))
    await house.settle(web)()
    number = (await house.one(Picture)).id
    web._links = replace(web._links, vault=Vault(Keys.generate()))

    assert (await client.get(f"/chat/api/pictures/{number}")).status_code == 404
