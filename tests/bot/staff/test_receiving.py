"""What the staff bot hears from a server that is not quite Telegram's."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bot.errors import Ambiguous, ChannelDown
from bot.staff import reading
from bot.staff.calls import UNNAMED, Place, StaffBot
from bot.staff.presses import Presses
from bot.staff.receiving import Poller

SAID = {
    "message_id": "5",
    "date": "1",
    "chat": {"id": "-100", "type": "supergroup"},
    "from": {"id": "101"},
    "text": "x",
}


def take(**message: Any) -> reading.FromStaff:
    update = reading.take("9", {"update_id": "7", "message": SAID | message})
    assert update is not None
    update.raw.encode()  # as it is stored
    return reading.read(update)


@pytest.mark.parametrize(
    "odd",
    [
        pytest.param({"date": 10**17}, id="an instant after all calendars"),
        pytest.param({"reply_to_message": "5"}, id="a reply to no message"),
        pytest.param({"reply_to_message": {"forum_topic_created": ["x"]}}, id="a topic that is none"),
        pytest.param({"from": {"id": 101, "first_name": 7}}, id="a name that is a number"),
        pytest.param({"text": json.loads('"\\ud83d"')}, id="half a character"),
        pytest.param({"message_thread_id": "9" * 5000}, id="a number without end"),
    ],
)
def test_an_odd_update_holds_up_nothing(odd: dict[str, Any]) -> None:
    assert take(**odd).user_id == 101


def test_a_group_of_no_type_is_not_taken_for_a_private_chat() -> None:
    assert not take(chat={"id": -100}).is_private
    assert take(chat={"id": "101"}).is_private


class OddServer:
    """A bot whose server knows no webhooks."""

    account = "9"

    async def name(self) -> str:
        return "staff"

    async def forget_webhook(self) -> None:
        raise ChannelDown(reason="the bot token was refused")  # as a 404 is understood

    async def look(self, offset: int | None, seconds: int) -> list[dict[str, Any]]:
        return [{"update_id": "7", "message": SAID}]


async def test_a_server_that_knows_no_webhooks_is_polled() -> None:
    bot: Any = OddServer()
    nobody: Any = None
    kept: list[str] = []

    async def accept(*updates: Any) -> int:
        kept.extend(one.update_id for one in updates)
        return len(updates)

    assert await Poller(nobody, bot, Presses(bot), accept).look(None) == 8
    assert kept == ["7"]


@asynccontextmanager
async def answering(**answers: Any) -> AsyncIterator[StaffBot]:
    """A server that gives these results, by method in small letters."""

    async def answer(request: web.Request) -> web.Response:
        return web.json_response({"ok": True, "result": answers[request.match_info["method"].lower()]})

    app = web.Application()
    app.router.add_post("/bot{token}/{method}", answer)
    async with TestServer(app) as server:
        bot = StaffBot("9:AAH-fake-token", str(server.make_url("")))
        yield bot
        await bot.close()


async def test_results_that_lack_fields_are_understood() -> None:
    async with answering(sendmessage={"message_id": "5"}, createforumtopic={"message_thread_id": "7"}) as bot:
        assert await bot.send(Place("-100", 7), "x") == 5
        assert await bot.create_topic("-100", "x") == 7


async def test_what_arrived_under_an_unknown_number_is_not_sent_again() -> None:
    async with answering(sendmessage=True, sendphoto={"odd": 1}, sendmediagroup=[]) as bot:
        sent = [await bot.send_pictures(Place("-100"), [b"x"] * number, "") for number in (1, 2)]
        sent.append(await bot.send(Place("-100"), "x"))

    assert sent == [UNNAMED] * 3


async def test_a_topic_of_an_unknown_number_may_or_may_not_be_there() -> None:
    async with answering(createforumtopic=True) as bot:
        with pytest.raises(Ambiguous):
            await bot.create_topic("-100", "x")
