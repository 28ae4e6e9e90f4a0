"""The session of a chat in a frame: by a header, with a cookie that counts only beside it."""

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI

from bot.channels.web import WebChat
from bot.channels.web_session import FRAMED_COOKIE, HEADER, SECURE_COOKIE
from tests.bot.conftest import House

EMPTY = {HEADER: ""}


@pytest.fixture
def web(house: House) -> WebChat:
    return WebChat(
        house.database, house.door.accept, house.phrases, house.clock, links=house.claims.links, is_secure=True
    )


@pytest.fixture
async def client(web: WebChat) -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    app.include_router(web.router)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://kadesk.test") as client:
        yield client


async def said_in(client: httpx.AsyncClient, headers: dict[str, str]) -> list[str]:
    messages = (await client.get("/chat/api/history", headers=headers)).json()["messages"]
    return [message["text"] for message in messages if message["author"] == "buyer"]


async def test_a_frame_names_its_session_and_needs_no_cookie(
    house: House, web: WebChat, client: httpx.AsyncClient
) -> None:
    first = await client.get("/chat/api/history", headers=EMPTY)
    client.cookies.clear()
    mine = {HEADER: first.headers[HEADER]}
    sent = await client.post("/chat/api/messages", json={"id": "m1", "text": "能退款吗"}, headers=mine)
    await house.settle(web)()

    assert (sent.status_code, sent.headers[HEADER]) == (202, mine[HEADER])
    assert "set-cookie" not in sent.headers
    assert await said_in(client, mine) == ["能退款吗"]
    assert await said_in(client, EMPTY) == []


async def test_the_cookie_of_a_frame_counts_beside_the_empty_header_alone(
    house: House, web: WebChat, client: httpx.AsyncClient
) -> None:
    first = await client.get("/chat/api/history", headers=EMPTY)
    (cookie,) = first.headers.get_list("set-cookie")
    await client.post("/chat/api/messages", json={"id": "m1", "text": "能退款吗"}, headers=EMPTY)
    await house.settle(web)()

    assert cookie.startswith(f"{FRAMED_COOKIE}=")
    assert {"HttpOnly", "Path=/", "SameSite=none", "Secure", "Partitioned"} <= set(cookie.split("; "))
    assert await said_in(client, EMPTY) == ["能退款吗"]
    assert await said_in(client, {HEADER: "-"}) == []
    assert await said_in(client, {}) == []


async def test_the_cookie_of_our_own_page_does_not_count_in_a_frame(
    house: House, web: WebChat, client: httpx.AsyncClient
) -> None:
    await client.get("/chat/api/history")
    await client.post("/chat/api/messages", json={"id": "m1", "text": "能退款吗"})
    await house.settle(web)()

    assert SECURE_COOKIE in client.cookies
    assert await said_in(client, {}) == ["能退款吗"]
    assert await said_in(client, EMPTY) == await said_in(client, {HEADER: "-"}) == []


async def test_a_frame_of_one_customer_leaves_no_cookie(client: httpx.AsyncClient) -> None:
    answer = await client.get("/chat/api/history", headers={HEADER: "-"})

    assert len(answer.headers[HEADER]) == 43
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("headers", [{"origin": "https://shop.example.com"}, {"sec-fetch-site": "cross-site"}])
async def test_a_shops_own_script_may_not_ask(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    asked = await client.options("/chat/api/history", headers=headers | {"access-control-request-headers": HEADER})
    answer = await client.get("/chat/api/history", headers=EMPTY | headers)

    assert (asked.status_code, answer.status_code) == (405, 403)
    assert not {"access-control-allow-origin", HEADER, "set-cookie"} & set(asked.headers) | set(answer.headers) & {
        HEADER
    }
