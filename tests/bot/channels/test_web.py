"""The web chat's door, over HTTP as a page uses it."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from bot.channels.pace import Pace
from bot.channels.web import BODY_LIMIT, WebChat
from bot.channels.web_session import COOKIE
from bot.tables import InboxRow
from tests.bot.conftest import CODE, ORDER, PASSWORD, House
from tickets.tables import Conversation, Identity


@pytest.fixture
def web(house: House) -> WebChat:
    return WebChat(house.database, house.door.accept, house.phrases, house.clock, links=house.claims.links)


@pytest.fixture
async def client(web: WebChat) -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    app.include_router(web.router)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://kadesk.test") as client:
        client.headers["Content-Type"] = "application/json"
        yield client


async def post(client: httpx.AsyncClient, **body: Any) -> httpx.Response:
    return await client.post("/chat/api/messages", json=body)


async def history(client: httpx.AsyncClient) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = (await client.get("/chat/api/history")).json()["messages"]
    return messages


async def test_the_first_visit_makes_a_session_that_scripts_cannot_read(client: httpx.AsyncClient) -> None:
    answer = await client.get("/chat/api/history")

    assert answer.json() == {"messages": []}
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"{COOKIE}=")
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie


async def test_over_https_the_cookie_is_secure(house: House) -> None:
    web = WebChat(
        house.database, house.door.accept, house.phrases, house.clock, links=house.claims.links, is_secure=True
    )
    app = FastAPI()
    app.include_router(web.router)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://kadesk.test") as client:
        answer = await client.get("/chat/api/history")

    assert "Secure" in answer.headers["set-cookie"]
    assert answer.headers["set-cookie"].startswith(f"__Host-{COOKIE}=")


async def test_a_message_is_answered_in_the_history(house: House, web: WebChat, client: httpx.AsyncClient) -> None:
    accepted = await post(client, id="m1", text="能退款吗")
    await house.settle(web)()

    mine, hello, answer = await history(client)
    assert (accepted.status_code, accepted.json()) == (202, {"id": "m1"})
    assert (mine["author"], mine["text"], mine["client_id"], mine["buttons"]) == ("buyer", "能退款吗", "m1", [])
    assert (hello["author"], answer["author"]) == ("bot", "bot")
    assert {"handle", "text"} == set(answer["buttons"][0])
    assert set(answer) == {"id", "author", "name", "text", "client_id", "buttons", "attachments", "at"}


async def test_the_same_message_sent_again_is_one(house: House, web: WebChat, client: httpx.AsyncClient) -> None:
    for _ in range(3):
        assert (await post(client, id="m1", text="转人工")).status_code == 202
    await house.settle(web)()

    assert len(await house.all(InboxRow)) == 1


async def test_the_same_id_of_another_session_is_another_message(house: House, client: httpx.AsyncClient) -> None:
    await post(client, id="m1", text="在吗")
    client.cookies.clear()
    await post(client, id="m1", text="在吗")

    assert len(await house.all(InboxRow)) == 2


async def test_start_greets_and_a_button_is_pressed_by_its_handle(
    house: House, web: WebChat, client: httpx.AsyncClient
) -> None:
    settle = house.settle(web)
    await post(client, id="m1", start=True, language="en")
    await settle()
    (greeting,) = await history(client)
    handle = next(button["handle"] for button in greeting["buttons"] if "tickets" in button["text"])

    await post(client, id="m2", handle=handle)
    await settle()

    pressed, answer = (await history(client))[1:]
    assert "automatic assistant" in greeting["text"]
    assert (pressed["text"], pressed["client_id"]) == ("My tickets", "m2")
    assert "no open tickets" in answer["text"]


async def test_sessions_see_only_their_own(house: House, web: WebChat, client: httpx.AsyncClient) -> None:
    await post(client, id="m1", text=f"{ORDER} {PASSWORD}")
    await house.settle(web)()

    client.cookies.clear()

    assert await history(client) == []


async def test_codes_come_back_masked(house: House, web: WebChat, client: httpx.AsyncClient) -> None:
    await post(client, id="m1", text=f"卡密 {CODE} 用不了")
    await house.settle(web)()

    assert CODE not in json.dumps(await history(client))


async def test_the_token_is_not_in_the_database(house: House, web: WebChat, client: httpx.AsyncClient) -> None:
    await post(client, id="m1", text="在吗")
    await house.settle(web)()

    token = client.cookies[COOKIE]
    stored = [row.address for row in (*await house.all(Identity), *await house.all(Conversation))]
    assert stored
    assert token not in stored


async def test_notes_and_names_of_agents(house: House, web: WebChat, client: httpx.AsyncClient) -> None:
    await post(client, id="m1", text="转人工")
    await house.settle(web)()
    agent = await house.hire()
    async with house.database.writing() as session:
        await house.desk.note(session, house.clock(), 1, agent, "这人很急")
        await house.desk.reply(session, house.clock(), 1, agent, "您好")

    messages = await history(client)

    assert (messages[-1]["author"], messages[-1]["name"], messages[-1]["text"]) == ("agent", "小林", "您好")
    assert not any("很急" in message["text"] for message in messages)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b'{"id": "m1"}',
        b'{"text": "no id"}',
        b'{"id": "m1", "text": "   "}',
        b'{"id": "m1", "text": 7}',
        b'{"id": "../../etc", "text": "a"}',
        b'{"id": "m1", "start": "yes"}',
        b"\xff\xfe",
        b"[" * 5000,
    ],
)
async def test_what_is_no_message_is_refused_in_a_sentence(client: httpx.AsyncClient, body: bytes) -> None:
    answer = await client.post("/chat/api/messages", content=body)

    assert answer.status_code == 400
    assert answer.json()["error"] == "bad_request"
    assert answer.json()["text"]


async def test_too_large_a_body_is_refused_before_it_is_read_through(house: House, client: httpx.AsyncClient) -> None:
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        for _ in range(1000):
            read += 8192
            yield b"x" * 8192

    answer = await client.post("/chat/api/messages", content=endless(), headers={"Accept-Language": "en"})

    assert answer.status_code == 413
    assert "too large" in answer.json()["text"]
    assert read <= BODY_LIMIT + 3 * 8192
    assert await house.all(InboxRow) == []


async def test_ten_kilobytes_are_a_message(house: House, web: WebChat, client: httpx.AsyncClient) -> None:
    assert (await post(client, id="m1", text="长" * 10_000)).status_code == 202
    await house.settle(web)()

    assert "4000 个字以内" in (await history(client))[-1]["text"]


async def test_half_a_surrogate_pair_is_a_question_mark(house: House, web: WebChat, client: httpx.AsyncClient) -> None:
    await client.post("/chat/api/messages", content=b'{"id": "m1", "text": "a \\ud83d b"}')
    await house.settle(web)()

    assert (await history(client))[0]["text"] == "a ? b"


async def test_a_flood_is_asked_to_slow_down(house: House, client: httpx.AsyncClient) -> None:
    await client.get("/chat/api/history")
    statuses = [(await post(client, id=f"m{number}", text="在吗")).status_code for number in range(41)]
    refusal = await post(client, id="late", text="在吗")
    house.clock.advance(minutes=1)
    later = await post(client, id="later", text="在吗")

    assert statuses == [202] * 40 + [429]
    assert refusal.headers["Retry-After"] == "60"
    assert "太快" in refusal.json()["text"]
    assert later.status_code == 202


async def test_throwing_the_cookie_away_does_not_help_a_flood(client: httpx.AsyncClient) -> None:
    statuses = []
    for number in range(41):
        client.cookies.clear()
        statuses.append((await post(client, id=f"m{number}", text="在吗")).status_code)

    assert statuses == [202] * 40 + [429]


def test_a_pace_forgets_senders_that_have_been_silent(now: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.channels.pace.REMEMBERED", 3)
    pace = Pace(1)

    for sender in "abcd":
        pace.wait_for(sender, now)

    assert not pace.wait_for("a", now)
    assert pace.wait_for("d", now)


# The stream: a generator, so that a test can stop reading


def parse(event: str) -> dict[str, Any]:
    lines = dict(line.split(": ", 1) for line in event.strip().splitlines())
    message: dict[str, Any] = json.loads(lines["data"])
    assert lines["id"] == str(message["id"])
    return message


async def next_event(stream: AsyncIterator[str]) -> str:
    async with asyncio.timeout(10):
        return await anext(stream)


async def test_the_stream_tells_what_happens_and_resumes(house: House, web: WebChat, client: httpx.AsyncClient) -> None:
    settle = house.settle(web)
    await post(client, id="m1", text="能退款吗")
    await settle()
    address = (await house.one(Conversation)).address

    stream = web.events(address, 0)
    assert (await next_event(stream)).startswith("retry:")
    first = [parse(await next_event(stream)) for _ in range(3)]
    waiting = asyncio.create_task(next_event(stream))
    await post(client, id="m2", text="怎么查订单")
    await settle()
    fourth = parse(await waiting)
    await stream.aclose()
    resumed = web.events(address, fourth["id"])
    await next_event(resumed)
    seen = [parse(await next_event(resumed)) for _ in range(5)]
    await resumed.aclose()

    assert first[0]["text"] == "能退款吗"
    assert fourth["client_id"] == "m2"
    assert seen[-1]["id"] > fourth["id"]
    assert web._listeners == {}


async def test_a_stream_needs_a_session(client: httpx.AsyncClient) -> None:
    assert (await client.get("/chat/api/events")).status_code == 401


async def test_closing_ends_the_streams(house: House, web: WebChat, client: httpx.AsyncClient) -> None:
    stream = web.events("nobody", 0)
    await next_event(stream)
    rest = asyncio.create_task(anext(stream, "the end"))
    await asyncio.sleep(0)

    web.close()

    async with asyncio.timeout(5):
        assert await rest == "the end"


def web_of(house: House, **options: Any) -> WebChat:
    return WebChat(house.database, house.door.accept, house.phrases, house.clock, links=house.claims.links, **options)


def calling(web: WebChat, source: str = "127.0.0.1") -> httpx.AsyncClient:
    app = FastAPI()
    app.include_router(web.router)
    transport = httpx.ASGITransport(app, client=(source, 40_000))
    return httpx.AsyncClient(transport=transport, base_url="http://kadesk.test")


async def test_invented_sessions_are_counted_by_where_they_come_from(house: House) -> None:
    web = web_of(house, rate=3)
    async with calling(web) as client:
        answers = []
        for number in range(5):
            client.cookies.clear()
            invented = {"Cookie": f"{COOKIE}={number:043}"}
            answers.append(await client.post("/chat/api/messages", json={"id": "m", "text": "在吗"}, headers=invented))

    assert [answer.status_code for answer in answers] == [202, 202, 202, 429, 429]
    assert len(await house.all(InboxRow)) == 3


async def test_known_sessions_have_a_budget_each_and_one_for_their_address(house: House) -> None:
    web = web_of(house, rate=2, source_rate=5)
    async with calling(web, "192.0.2.1") as anna, calling(web, "192.0.2.1") as bert:
        await post(anna, id="m0", text="在吗")
        await post(bert, id="m0", text="在吗")
        await house.settle(web)()

        of_anna = [(await post(anna, id=f"m{n}", text="在吗")).status_code for n in (1, 2, 3)]
        of_bert = [(await post(bert, id=f"m{n}", text="在吗")).status_code for n in (1, 2)]

    assert of_anna == [202, 202, 429]
    assert of_bert == [429, 429]  # the address has used its five up


async def test_another_address_is_not_held_up(house: House) -> None:
    web = web_of(house, rate=1)
    async with calling(web, "192.0.2.1") as loud, calling(web, "192.0.2.2") as quiet:
        assert [(await post(loud, id=f"m{n}", text="在吗")).status_code for n in (1, 2)] == [202, 429]

        claimed = {"X-Forwarded-For": "192.0.2.9"}
        again = await loud.post("/chat/api/messages", json={"id": "m3", "text": "在吗"}, headers=claimed)
        other = await post(quiet, id="m1", text="在吗")

    assert (again.status_code, other.status_code) == (429, 202)


async def test_streams_are_limited_per_address_and_told_so(house: House) -> None:
    web = web_of(house, streams_per_source=1)
    stream = web.events("a" * 64, 0, "192.0.2.1")
    await anext(stream)
    async with calling(web, "192.0.2.1") as client:
        await client.get("/chat/api/history")

        refused = await client.get("/chat/api/events")

    await stream.aclose()
    assert refused.status_code == 429
    assert refused.json()["error"] == "too_many"
    assert "太多" in refused.json()["text"]
    assert web._streams_from.total() == 0


async def test_streams_are_limited_per_process(house: House) -> None:
    web = web_of(house, streams=1)
    stream = web.events("a" * 64, 0, "192.0.2.1")
    await anext(stream)
    async with calling(web, "192.0.2.2") as client:
        await client.get("/chat/api/history")

        refused = await client.get("/chat/api/events")

    await stream.aclose()
    assert refused.json()["error"] == "too_many"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://kadesk.test", "Sec-Fetch-Site": "same-origin"}, 202),
        ({"Origin": "http://evil.test"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/json; charset=utf-8"}, 202),
    ],
)
async def test_another_site_cannot_write_or_replace_the_session(
    house: House, client: httpx.AsyncClient, headers: dict[str, str], status: int
) -> None:
    answer = await client.post("/chat/api/messages", json={"id": "m1", "text": "在吗"}, headers=headers)

    assert answer.status_code == status
    assert ("set-cookie" in answer.headers) == (status == 202)
    assert len(await house.all(InboxRow)) == (status == 202)
