"""A small Bot API server for tests, benchmarks and demos, strict where Telegram is; it needs no token and no network.

Several bots share its people and groups. What people do is in `people`, what a bot may do in `sending`, `topics` and
`settling`, in Telegram's own words. Faults are ordered with `next_fault`, or come by chance with `weather`.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import ClientSession, web

from bot.fakes.bots import Account
from bot.fakes.calls import Fields, fields_of
from bot.fakes.chats import Sent
from bot.fakes.faults import Fault, Faults, Weather
from bot.fakes.limits import Limits
from bot.fakes.people import People
from bot.fakes.refusal import Refusal
from bot.fakes.sending import Sending
from bot.fakes.settling import Settling
from bot.fakes.updates import Pusher
from bot.fakes.world import World

__all__ = ["TOKEN", "FakeTelegram", "Limits", "Refusal", "Sent", "Weather", "serving"]

TOKEN = "123456789:AAH-fake-token-of-a-bot-that-never-was-0"
BEGINNING = 1772424000  # 2 March 2026, 04:00 UTC
BODY_LIMIT = 60 * 1024 * 1024  # bytes


def running_clock() -> Callable[[], float]:
    """Seconds since 1970, from the beginning on; it goes at the usual pace."""
    begun = time.monotonic()
    return lambda: BEGINNING + time.monotonic() - begun


class FakeTelegram(People, Sending, Settling):
    """The first bot has `token`; `add_bot` makes more. Without `limits` a bot may write as fast as it likes."""

    def __init__(
        self,
        token: str = TOKEN,
        *,
        clock: Callable[[], float] | None = None,
        limits: Limits | None = None,
        weather: Weather | None = None,
        first: int = 500,  # the number of the first update, and of the first message with a person
    ) -> None:
        World.__init__(self, clock or running_clock(), first)
        self.faults = Faults(weather)
        self.base = ""  # the address, while it serves
        self.paths: list[str] = []  # of every call
        self.bot = self.add_bot(token, limits=limits)
        self._methods = {name[4:].lower(): name for name in dir(self) if name.startswith("_on_")}

    def add_bot(self, token: str, **facts: Any) -> Account:
        """Another bot: name, username, is_private, has_topics, limits."""
        account = self.accounts[token] = Account(token, self.clock, self.first, **facts)
        return account

    # The first bot, for those who have no other

    @property
    def token(self) -> str:
        return self.bot.token

    @property
    def offsets(self) -> list[int | None]:
        return self.bot.updates.offsets

    @property
    def pressed(self) -> list[str]:
        return self.bot.pressed

    @property
    def webhook(self) -> str:
        return self.bot.updates.pusher.url if self.bot.updates.pusher else ""

    @webhook.setter
    def webhook(self, url: str) -> None:
        """One that was left over: nothing is pushed to it."""
        assert self.client is not None
        self.bot.updates.pusher = Pusher(self.bot.updates, self.client, url) if url else None

    # What goes wrong

    def next_fault(self, method: str, fault: Fault) -> None:
        """For the next call of this method; several are taken one after the other. See `faults.Fault`.

        "lost" for "webhook" loses the answer to a push, which is then repeated.
        """
        self.faults.add(method, fault)

    # The server

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.paths.append(request.path)
        method = request.match_info["method"]
        fault: Fault | None = None
        try:
            bot = self.accounts.get(request.match_info["token"])
            if bot is None:
                raise Refusal(401, "Unauthorized")
            fields = await fields_of(request)
            fault = self.faults.pop(method)  # as the bot writes it
            if isinstance(fault, Refusal):
                raise fault
            if fault == "cut":
                return _hang_up(request)
            result = await self.call(bot, method, fields)
        except Refusal as refusal:
            return web.json_response(refusal.body, status=refusal.body["error_code"])
        if isinstance(fault, int | float):
            await asyncio.sleep(fault)
        if fault == "lost":
            return _hang_up(request)
        if fault == "garbage":
            return web.Response(text="<html>502</html>", content_type="text/html")
        return web.json_response({"ok": True, "result": result, "new_field": {"of": "a later API"}})

    async def call(self, bot: Account, method: str, fields: Fields) -> Any:
        """Do what the method does. Raises Refusal."""
        name = self._methods.get(method.lower())
        if name is None:
            raise Refusal(404, "Not Found: method not found")
        return await getattr(self, name)(bot, fields)

    async def download(self, request: web.Request) -> web.Response:
        bot = self.accounts.get(request.match_info["token"])
        file = self.files.find_by_path(bot.id, request.match_info["path"]) if bot else None
        if file is None:
            return web.json_response(Refusal(404, "Not Found").body, status=404)
        return web.Response(body=file.content, content_type="application/octet-stream")


def _hang_up(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.close()
    return web.Response()


@asynccontextmanager
async def serving(fake: FakeTelegram, port: int = 0) -> AsyncIterator[FakeTelegram]:
    """Listen, on a free port by default; `fake.base` is the address."""
    app = web.Application(client_max_size=BODY_LIMIT)
    app.router.add_route("*", "/bot{token}/{method}", fake.answer)
    app.router.add_get("/file/bot{token}/{path:.+}", fake.download)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    fake.base = f"http://127.0.0.1:{runner.addresses[0][1]}"
    async with ClientSession() as fake.client:
        try:
            yield fake
        finally:
            for account in fake.accounts.values():
                account.updates.end_poll("the server stops")
                account.updates.set_pusher(None)
            await runner.cleanup()
