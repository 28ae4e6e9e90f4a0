"""Answers of servers that are not quite Telegram's, as both bots read them."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiogram.exceptions import AiogramError

from bot.channels.botapi.answers import PAUSE, straightened
from bot.channels.telegram import Telegram
from bot.channels.telegram.server import Server
from bot.fakes.telegram import TOKEN
from tests.bot.one_answer import answering

HASTE = '{"ok": false, "error_code": 429, "description": "Too Many Requests: retry after 37"}'


@pytest.mark.parametrize("payload", [b'{"ok": true, "result": 5}', b"\x89PNG", b"", b'{"a": 1}', b'{"ok'])
def test_what_is_no_refusal_is_left_as_it_is(payload: bytes) -> None:
    assert straightened(200, payload) == (200, payload)


@pytest.mark.parametrize(
    ("status", "answer", "straight", "wait"),
    [
        pytest.param(200, {"ok": False, "error_code": "403"}, 403, None, id="a status that says yes"),
        pytest.param(200, {"ok": False, "error_code": 7}, 400, None, id="a number that is no status"),
        pytest.param(429, {"ok": False, "parameters": {"retry_after": "3"}}, 429, 3, id="a wait as text"),
        pytest.param(429, {"ok": False, "parameters": [], "description": "retry after 8"}, 429, 8, id="in words"),
        pytest.param(429, {"ok": False, "parameters": {"retry_after": 0}}, 429, 1, id="no wait at all"),
        pytest.param(429, {}, 429, round(PAUSE), id="for nobody knows how long"),
    ],
)
def test_a_refusal_says_what_it_is(status: int, answer: dict[str, Any], straight: int, wait: int | None) -> None:
    found, payload = straightened(status, json.dumps(answer).encode())

    assert found == straight
    assert wait is None or json.loads(payload)["parameters"] == {"retry_after": wait}


@asynccontextmanager
async def asking(status: int, text: str) -> AsyncIterator[Server]:
    async with answering(status, text) as address:
        telegram = Telegram(TOKEN, address)
        yield Server(telegram._bot)
        await telegram.close()


@pytest.mark.parametrize(
    ("status", "text", "wait"),
    [
        pytest.param(429, HASTE, 37.0, id="in words alone"),
        pytest.param(200, HASTE, 37.0, id="with a status that says yes"),
        pytest.param(429, "<html>slow down</html>", PAUSE, id="on a page"),
        pytest.param(502, "<html>nginx</html>", None, id="another trouble"),
    ],
)
async def test_the_buyers_bot_looks_no_sooner_than_it_is_asked(status: int, text: str, wait: float | None) -> None:
    async with asking(status, text) as server:
        with pytest.raises(AiogramError) as error:
            await server.look(None, 0)

    assert server.judge(error.value).retry_after == wait


@pytest.mark.parametrize("me", [{"id": 1, "username": None}, {"id": "1"}])
async def test_a_bot_that_nobody_named_is_called_by_its_number(me: dict[str, Any]) -> None:
    async with asking(200, json.dumps({"ok": True, "result": me})) as server:
        assert await server.name() == TOKEN.partition(":")[0]
