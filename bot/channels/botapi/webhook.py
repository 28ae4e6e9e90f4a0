"""The door that Telegram calls: the secret first, then a capped body, then the commit, and only then 200.

Whatever is not 2xx comes again, in order, and holds its chat up for as long: so 200 is said to all that will never be
better, and 503 only when the store fails. No framework's own handler is used: they answer before the work is durable.
"""

import asyncio
import hmac
import json
import logging
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request, Response
from starlette.requests import ClientDisconnect

from bot.channels.body import read_body
from bot.channels.botapi.hook import Hook
from bot.channels.botapi.line import Elected, Line
from bot.channels.port import Accept
from bot.errors import UpdateTooLarge
from bot.faults import place_of, said

log = logging.getLogger(__name__)

SECRET_HEADER = "x-telegram-bot-api-secret-token"
BODY_LIMIT = 1024 * 1024  # bytes; an update has some thousands
BODY_TIMEOUT = 10  # seconds that a body may take to arrive
AT_ONCE = 40  # calls that Telegram may make at a time
CHECK_EVERY = 60  # seconds between looks whether the webhook is still ours, and what went wrong with it


class Webhook:
    """Receives the updates of one bot."""

    def __init__(self, line: Line, hook: Hook) -> None:
        self._line = line
        self._server = line.server
        self._hook = hook
        self._name = ""  # until it was asked for, in every process: which commands are ours follows from it
        self._is_set = False  # by this process: its secret may be a new one

    def router(self, accept: Accept) -> APIRouter:
        router = APIRouter(include_in_schema=False)

        @router.post(f"/telegram/{self._line.account}")
        async def take(request: Request) -> Response:
            return Response(status_code=await self._take(request, accept))

        return router

    async def _take(self, request: Request, accept: Accept) -> int:
        """The status to answer with."""
        given = request.headers.get(SECRET_HEADER, "")
        if not hmac.compare_digest(given.encode(), self._hook.secret.encode()):
            return 401
        try:
            async with asyncio.timeout(BODY_TIMEOUT):
                body = await read_body(request, BODY_LIMIT)
        except (TimeoutError, ClientDisconnect):
            return 408
        except UpdateTooLarge:
            return 413
        try:
            raw = json.loads(body)
        except (ValueError, RecursionError):
            log.warning("%s: a body that is no JSON was dropped", self._line.place)
            return 200
        return await self._keep(raw, accept)

    async def _keep(self, raw: Any, accept: Accept) -> int:
        try:
            await self._line.arrivals.keep(accept, [raw])
        except Exception as error:  # the store is away: it is Telegram's to keep meanwhile
            log.error("%s: an update was not stored: %s", self._line.place, place_of(error))
            return 503
        return 200

    async def run(self, elected: Elected) -> None:
        """See to it, until cancelled, that Telegram calls us, and learn what goes wrong when it does."""
        while True:
            try:
                self._name = self._name or await self._server.name()
                async with elected(f"webhook {self._line.channel}:{self._line.account}") as is_ours:
                    if is_ours:
                        await self._look_after()
                await asyncio.sleep(CHECK_EVERY)
            except Exception as error:
                await self._line.patience.sit_out(error)

    async def _look_after(self) -> None:
        if not self._is_set:
            await self._set()
            self._line.note(name=self._name, mode="webhook")
            log.info("%s: Telegram calls %s", self._line.place, self._hook.url)
        info = await self._server.webhook()  # a server that does not say is taken at its word that it is set
        if info is not None and not _is_as_set(info, self._hook.url, self._server.kinds):
            log.warning("%s: the webhook was changed by somebody; it is set anew", self._line.place)
            await self._set()
        self._line.patience.renew()
        self._line.note(**_faults(info or {}))

    async def _set(self) -> None:
        """What waits at Telegram is kept: nothing pending is dropped."""
        await self._server.set_webhook(self._hook.url, self._hook.secret, AT_ONCE)
        self._is_set = True


def _is_as_set(info: dict[str, Any], url: str, wanted: tuple[str, ...]) -> bool:
    kinds = info.get("allowed_updates")
    return info.get("url", "") == url and (not isinstance(kinds, list) or set(map(str, kinds)) == set(wanted))


def _faults(info: dict[str, Any]) -> dict[str, object]:
    """What Telegram tells of its calls."""
    at = str(info.get("last_error_date") or "")
    error_at = datetime.fromtimestamp(int(at), UTC).isoformat() if at.isdecimal() else ""
    text = said(info["last_error_message"])[:200] if info.get("last_error_message") else ""
    return {"pending": info.get("pending_update_count"), "error": text, "error_at": error_at}
