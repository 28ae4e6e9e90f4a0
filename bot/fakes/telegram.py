"""A small Bot API server, strict where Telegram is: one reader at a time, offsets that confirm, limits, blocked buyers.

It takes form-encoded, multipart and JSON bodies. Faults are queued per method with `next_fault`.
"""

import asyncio
import json
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

TOKEN = "123456789:AAH-fake-token-of-a-bot-that-never-was-0"


class Refusal(Exception):
    """An answer with ok = false."""

    def __init__(self, code: int, description: str, **parameters: int) -> None:
        super().__init__(description)
        self.body: dict[str, Any] = {"ok": False, "error_code": code, "description": description}
        if parameters:
            self.body["parameters"] = parameters


@dataclass
class Sent:
    """A message that the bot has sent."""

    chat_id: int
    message_id: int
    text: str
    buttons: list[dict[str, str]]
    fields: Mapping[str, Any]


@dataclass
class FakeTelegram:
    token: str = TOKEN
    sent: list[Sent] = field(default_factory=list)
    pressed: list[str] = field(default_factory=list)  # callback queries that were answered
    offsets: list[int | None] = field(default_factory=list)  # of every getUpdates
    blocked: set[int] = field(default_factory=set)
    webhook: str = ""
    paths: list[str] = field(default_factory=list)
    base: str = ""

    def __post_init__(self) -> None:
        self._updates: list[dict[str, Any]] = []
        self._next_update = 500
        self._next_message = 1
        self._faults: dict[str, deque[Refusal | str]] = defaultdict(deque)
        self._chats: set[int] = set()
        self._news = asyncio.Event()
        self._is_read = False

    # What people do

    def say(self, chat_id: int, text: str, **more: Any) -> dict[str, Any]:
        return self.send(chat_id, {"text": text} | more)

    def send(self, chat_id: int, content: dict[str, Any], **more: Any) -> dict[str, Any]:
        """A private message with any content."""
        self._chats.add(chat_id)
        return self.push({"message": self._message(chat_id) | content} | more)

    def press(self, chat_id: int, data: str) -> dict[str, Any]:
        query = {
            "id": str(10**15 + self._next_update),
            "from": _person(chat_id),
            "chat_instance": "77",
            "data": data,
            "message": self._message(chat_id) | {"text": "…"},
        }
        return self.push({"callback_query": query})

    def push(self, update: dict[str, Any]) -> dict[str, Any]:
        update = {"update_id": self._next_update} | update
        self._next_update += 1
        self._updates.append(update)
        self._news.set()
        return update

    def _message(self, chat_id: int) -> dict[str, Any]:
        self._next_message += 1
        chat = {"id": chat_id, "type": "private", "first_name": "小陈"}
        return {"message_id": self._next_message, "date": 1772424000, "chat": chat, "from": _person(chat_id)}

    # What goes wrong

    def next_fault(self, method: str, fault: Refusal | str) -> None:
        """ "lost": done, but the answer never arrives. "garbage": done, and answered with something that is no JSON."""
        self._faults[method].append(fault)

    # The server

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.paths.append(request.path)
        method = request.match_info["method"]
        try:
            if request.match_info["token"] != self.token:
                raise Refusal(401, "Unauthorized")
            call = getattr(self, f"_on_{method}", None)
            if call is None:
                raise Refusal(404, "Not Found: method not found")
            fault = self._faults[method].popleft() if self._faults[method] else None
            if isinstance(fault, Refusal):
                raise fault
            result = await call(await _fields(request))
        except Refusal as refusal:
            return web.json_response(refusal.body, status=refusal.body["error_code"])
        if fault == "lost":
            assert request.transport is not None
            request.transport.close()
        if fault == "garbage":
            return web.Response(text="<html>502</html>", content_type="text/html")
        return web.json_response({"ok": True, "result": result, "new_field": {"of": "a later API"}})

    async def _on_getMe(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        return {"id": 123456789, "is_bot": True, "first_name": "Kadesk", "username": "kadesk_bot"}

    async def _on_deleteWebhook(self, fields: Mapping[str, Any]) -> bool:
        self.webhook = ""
        return True

    async def _on_getUpdates(self, fields: Mapping[str, Any]) -> list[dict[str, Any]]:
        if self.webhook:
            raise Refusal(409, "Conflict: can't use getUpdates method while webhook is active")
        if self._is_read:
            raise Refusal(409, "Conflict: terminated by other getUpdates request")
        offset = int(fields["offset"]) if fields.get("offset") else None
        self.offsets.append(offset)
        if offset is not None:
            self._updates = [update for update in self._updates if int(update["update_id"]) >= offset]
        self._is_read = True
        try:
            async with asyncio.timeout(min(float(fields.get("timeout") or 0), 0.2)):
                while not self._updates:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            pass
        finally:
            self._is_read = False
        allowed = fields.get("allowed_updates")
        kinds = json.loads(allowed) if isinstance(allowed, str) else allowed
        wanted = [one for one in self._updates if not kinds or set(one) & {*kinds, "odd"} or len(one) == 1]
        return wanted[: int(fields.get("limit") or 100)]

    async def _on_sendMessage(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        chat_id = int(fields["chat_id"])
        if chat_id not in self._chats:
            raise Refusal(400, "Bad Request: chat not found")
        if chat_id in self.blocked:
            raise Refusal(403, "Forbidden: bot was blocked by the user")
        text = fields.get("text", "")
        if not text.strip():
            raise Refusal(400, "Bad Request: message text is empty")
        if len(text.encode("utf-16-le")) // 2 > 4096:
            raise Refusal(400, "Bad Request: message is too long")
        buttons = _buttons(fields.get("reply_markup"))
        message = self._message(chat_id) | {"text": text}
        self.sent.append(Sent(chat_id, message["message_id"], text, buttons, fields))
        return message

    async def _on_answerCallbackQuery(self, fields: Mapping[str, Any]) -> bool:
        self.pressed.append(fields["callback_query_id"])
        return True


def _person(chat_id: int) -> dict[str, Any]:
    return {"id": chat_id, "is_bot": False, "first_name": "小", "last_name": "陈", "language_code": "zh-hans"}


def _buttons(markup: Any) -> list[dict[str, str]]:
    if isinstance(markup, str):
        markup = json.loads(markup)
    buttons = [button for row in (markup or {}).get("inline_keyboard", ()) for button in row]
    for button in buttons:
        if not 1 <= len(button["callback_data"].encode()) <= 64:
            raise Refusal(400, "Bad Request: BUTTON_DATA_INVALID")
    return buttons


async def _fields(request: web.Request) -> Mapping[str, Any]:
    if request.content_type == "application/json":
        return dict(await request.json())
    return dict(await request.post())


@asynccontextmanager
async def serving(fake: FakeTelegram) -> AsyncIterator[FakeTelegram]:
    """Listen on a free port; `fake.base` is the address."""
    app = web.Application()
    app.router.add_route("*", "/bot{token}/{method}", fake.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    fake.base = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield fake
    finally:
        await runner.cleanup()
