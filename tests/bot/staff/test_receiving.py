"""How the staff bot hears: by webhook as other bots, from servers that are not quite Telegram's; and its light."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from fastapi import FastAPI

from bot.channels.botapi.hook import Hook
from bot.channels.botapi.webhook import BODY_LIMIT, SECRET_HEADER
from bot.channels.port import Accept
from bot.errors import Ambiguous, DeliveryError
from bot.fakes.telegram import Refusal
from bot.health import Light, Pulse, Trouble, look
from bot.staff import reading
from bot.staff.calls import UNNAMED, Place, StaffBot
from bot.staff.tables import StaffPost
from bot.tables import InboxRow
from tests.bot.staff.conftest import ANNA
from tests.bot.staff.office import Office

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
        pytest.param({"from": {"id": "101", "first_name": "安\x00娜"}}, id="a name that no database stores"),
        pytest.param({"text": json.loads('"\\ud83d"')}, id="half a character"),
        pytest.param({"message_thread_id": "9" * 5000}, id="a number without end"),
    ],
)
def test_an_odd_update_holds_up_nothing(odd: dict[str, Any]) -> None:
    said = take(**odd)

    assert said.user_id == 101
    assert "\x00" not in said.name


def test_a_group_of_no_type_is_not_taken_for_a_private_chat() -> None:
    assert not take(chat={"id": -100}).is_private
    assert take(chat={"id": "101"}).is_private


ROOT = {"message_id": "7", "forum_topic_created": {"name": "K-000001 小陈"}}


@pytest.mark.parametrize(
    ("message", "thread"),
    [
        pytest.param({"message_thread_id": "7"}, 7, id="as text, without a word whether it is a topic"),
        pytest.param({"reply_to_message": ROOT}, 7, id="in the topic whose beginning it answers"),
        pytest.param(
            {"reply_to_message": {"message_id": 9, "message_thread_id": 7, "is_topic_message": True}}, 7, id="an answer"
        ),
        pytest.param({"message_thread_id": 9, "is_topic_message": False, "reply_to_message": ROOT}, None, id="replies"),
        pytest.param({"reply_to_message": {"message_id": 9}}, None, id="an answer in the general topic"),
    ],
)
def test_in_which_topic_it_was_said(message: dict[str, Any], thread: int | None) -> None:
    assert take(**message).thread_id == thread


@pytest.mark.parametrize(
    ("text", "is_taken"),
    [
        ("/take@Kadesk_Staff_Bot", True),
        ("/take", True),
        ("写信到 a@other_bot", True),
        ("/note 写信到 a@other_bot", True),
        ("/ban@other_bot 999", False),
        ("/help@other_bot", False),
    ],
)
def test_a_command_for_another_bot_of_the_group_is_none_for_us(text: str, is_taken: bool) -> None:
    update = {"update_id": "7", "message": SAID | {"text": text}}

    assert (reading.take("9", update, "kadesk_staff_bot") is not None) == is_taken
    assert reading.take("9", update) is not None


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


# By webhook

SECRET = "a-secret-that-only-telegram-knows"


@dataclass
class Called:
    """An office that is called by webhook, knocked at without a network."""

    office: Office
    client: httpx.AsyncClient

    async def post(self, update: Any, secret: str = SECRET) -> int:
        headers = {SECRET_HEADER: secret}
        path = f"/telegram/{self.office.staff.channel.account}"
        return (await self.client.post(path, json=update, headers=headers)).status_code


@asynccontextmanager
async def knocking(office: Office, accept: Accept | None = None) -> AsyncIterator[Called]:
    hook = Hook(f"https://help.example.com/telegram/{office.account.id}", SECRET)
    office.staff = office.twin(accept, hook=hook)
    app = FastAPI()
    app.include_router(office.staff.router())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://kadesk.test") as client:
        yield Called(office, client)
    office.staff.close()


@pytest.fixture
async def called(office: Office) -> AsyncIterator[Called]:
    async with knocking(office) as called:
        yield called


async def test_what_an_agent_says_by_webhook_is_committed_before_it_is_acknowledged(called: Called) -> None:
    office = called.office
    ticket = await office.open()
    await office.staff.work()
    update = office.fake.send(
        office.group, {"text": "您好"}, bot=office.account, sender=ANNA, thread_id=await office.thread(ticket)
    )

    statuses = [await called.post(update, secret) for secret in ("", "another", SECRET, SECRET)]
    stored = await office.house.all(InboxRow, channel="staff")
    await office.inbox.drain()

    assert statuses == [401, 401, 200, 200]
    assert len(stored) == 1  # what comes twice is kept once
    assert [message.text for message in await office.sent_by_staff()] == ["您好"]


async def test_while_the_store_is_away_telegram_keeps_what_an_agent_says(called: Called) -> None:
    async def away(*_: Any) -> int:
        raise ConnectionError

    update = {"update_id": 7, "message": SAID}
    async with knocking(called.office, away) as unlucky:
        refused = await unlucky.post(update)

    assert (refused, await called.post(update)) == (503, 200)
    assert await called.post({"x": "y" * BODY_LIMIT}) == 413


async def test_the_webhook_is_set_with_the_secret_and_for_what_staff_do(called: Called) -> None:
    office = called.office
    worker = asyncio.create_task(office.staff.receive())
    async with asyncio.timeout(5):
        while office.account.updates.pusher is None:  # noqa: ASYNC110  # it happens at the far end of a socket
            await asyncio.sleep(0.01)
    worker.cancel()
    await asyncio.gather(worker, return_exceptions=True)

    pusher = office.account.updates.pusher
    assert (pusher.url, pusher.secret) == (f"https://help.example.com/telegram/{office.account.id}", SECRET)
    assert set(office.account.updates.allowed) == {"message", "edited_message", "callback_query"}


async def test_every_process_that_is_called_knows_which_commands_are_for_another_bot(office: Office) -> None:
    """Only one of them sees to the webhook; all of them take what is posted."""

    @asynccontextmanager
    async def by_another(_: str) -> AsyncIterator[bool]:
        yield False

    office.house.database.elected, elected = by_another, office.house.database.elected  # type: ignore[method-assign]
    async with knocking(office) as called:
        worker = asyncio.create_task(office.staff.receive())
        async with asyncio.timeout(5):
            while not any(path.endswith("/getMe") for path in office.fake.paths):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            while not office.staff._bot.username:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        for number, text in enumerate(("/ban@other_bot 999", "/queue@kadesk_staff_bot")):
            assert await called.post({"update_id": number, "message": SAID | {"text": text}}) == 200
        worker.cancel()
        await asyncio.gather(worker, return_exceptions=True)
    office.house.database.elected = elected  # type: ignore[method-assign]

    assert [row.update_id for row in await office.house.all(InboxRow, channel="staff")] == ["1"]


# Its light


@pytest.mark.parametrize(
    ("refusal", "problem"),
    [
        pytest.param(Refusal(401, "Unauthorized"), "token", id="a refused token"),
        pytest.param(Refusal(409, "Conflict: terminated by other getUpdates request"), "conflict", id="another"),
        pytest.param(Refusal(400, "Bad Request: bad webhook"), "refused", id="a refused way"),
        pytest.param(Refusal(502, "Bad Gateway"), "", id="weather"),
    ],
)
async def test_what_stops_its_hearing_is_known(office: Office, refusal: Refusal, problem: str) -> None:
    bot = office.staff._bot
    office.fake.next_fault("getUpdates", refusal)

    with pytest.raises(DeliveryError) as error:
        await bot.look(None, 0)

    assert bot.judge(error.value).problem == problem


async def test_a_server_that_has_no_answer_about_webhooks_is_taken_at_its_word(office: Office) -> None:
    bot = office.staff._bot
    for refusal in (Refusal(404, "Not Found: method not found"), Refusal(400, "Bad Request: no")):
        office.fake.next_fault("getWebhookInfo", refusal)
        assert await bot.webhook() is None
    office.fake.next_fault("getWebhookInfo", Refusal(401, "Unauthorized"))
    with pytest.raises(DeliveryError):
        await bot.webhook()


async def test_its_light_is_red_while_the_group_cannot_be_written_to(office: Office) -> None:
    house, pulse = office.house, Pulse(office.house.database, office.house.clock, "staff", str(office.account.id))
    office.staff = office.twin(note=pulse.note)

    async def light() -> Light:
        pulse.note("looked_at")
        await pulse.write()
        async with house.database.reading() as session:
            return (await look(session, house.clock(), [("staff", str(office.account.id))]))[0]

    await office.open()
    office.expel()
    await office.settle()
    red = await light()
    office.readmit()
    await office.later(seconds=40)
    green = await light()

    assert (red.troubles, red.error) == ((Trouble.GROUP,), "Forbidden: bot is not a member of the supergroup chat")
    assert (green.troubles, green.outbox) == ((), 0)
    assert green.sent_at is not None
    office.staff.close()


async def test_what_waits_to_be_said_to_staff_is_counted(office: Office) -> None:
    house, now = office.house, office.house.clock()
    account = str(office.account.id)
    await house.add(StaffPost(bot=account, chat_id="101", text="x", not_before=now, created_at=now))

    async with house.database.reading() as session:
        (light,) = await look(session, now + timedelta(minutes=3), [("staff", account)])

    assert light.outbox == 1
    assert Trouble.OUTBOX in light.troubles
