"""The door that Telegram calls: the secret first, then a capped body, then the commit, and only then 200.

Whatever is not 2xx comes again, in order, and holds its chat up for as long: so 200 is said to all that will never be
better, and 503 only when the store fails. No framework's own handler is used: they answer before the work is durable.
"""

import asyncio
import hmac
import json
import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aiogram import Bot
from aiogram.exceptions import ClientDecodeError, TelegramBadRequest, TelegramNotFound
from fastapi import APIRouter, Request, Response
from starlette.requests import ClientDisconnect

from bot.channels.port import Accept
from bot.channels.telegram.arrivals import Arrivals, Note
from bot.channels.telegram.methods import KINDS, GetMe, GetWebhookInfo, SetWebhook
from bot.channels.telegram.patience import Patience
from bot.channels.telegram.polling import Elected
from bot.faults import place_of, said

log = logging.getLogger(__name__)

SECRET_HEADER = "x-telegram-bot-api-secret-token"
BODY_LIMIT = 1024 * 1024  # bytes; an update has some thousands
BODY_TIMEOUT = 10  # seconds that a body may take to arrive
AT_ONCE = 40  # calls that Telegram may make at a time
CHECK_EVERY = 60  # seconds between looks whether the webhook is still ours, and what went wrong with it


@dataclass(frozen=True, slots=True)
class Hook:
    """Where Telegram calls one bot, and how we know that it is Telegram."""

    url: str  # its path ends in /telegram/<account>
    secret: str  # 1 to 256 of A-Z, a-z, 0-9, _ and -


class Webhook:
    """Receives the updates of one bot."""

    def __init__(
        self, bot: Bot, channel: str, account: str, arrivals: Arrivals, hook: Hook, patience: Patience, note: Note
    ) -> None:
        self._bot = bot
        self._account = account
        self._role = f"webhook {channel}:{account}"
        self._arrivals = arrivals
        self._hook = hook
        self._patience = patience
        self._note = note
        self._is_set = False  # by this process: its secret may be a new one

    def router(self, accept: Accept) -> APIRouter:
        router = APIRouter(include_in_schema=False)

        @router.post(f"/telegram/{self._account}")
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
                body = await _read_body(request)
        except (TimeoutError, ClientDisconnect):
            return 408
        if body is None:
            return 413
        try:
            raw = json.loads(body)
        except (ValueError, RecursionError):
            log.warning("telegram %s: a body that is no JSON was dropped", self._account)
            return 200
        return await self._keep(raw, accept)

    async def _keep(self, raw: Any, accept: Accept) -> int:
        try:
            await self._arrivals.keep(accept, [raw])
        except Exception as error:  # the store is away: it is Telegram's to keep meanwhile
            log.error("telegram %s: an update was not stored: %s", self._account, place_of(error))
            return 503
        return 200

    async def run(self, elected: Elected) -> None:
        """See to it, until cancelled, that Telegram calls us, and learn what goes wrong when it does."""
        while True:
            try:
                async with elected(self._role) as is_ours:
                    if is_ours:
                        await self._look_after()
                await asyncio.sleep(CHECK_EVERY)
            except Exception as error:
                await self._patience.sit_out(error)

    async def _look_after(self) -> None:
        if not self._is_set:
            me = await self._bot(GetMe())
            await self._set()
            self._note(name=str(me.get("username", self._account)), mode="webhook")
            log.info("telegram %s: Telegram calls %s", self._account, self._hook.url)
        info = await self._ask()
        if info is not None and not _is_as_set(info, self._hook.url):
            log.warning("telegram %s: the webhook was changed by somebody; it is set anew", self._account)
            await self._set()
        self._patience.renew()
        self._note(**_faults(info or {}))

    async def _ask(self) -> dict[str, Any] | None:
        """None from a server that has no answer to that: it is taken at its word that the webhook is set."""
        try:
            return await self._bot(GetWebhookInfo())
        except (TelegramBadRequest, TelegramNotFound, ClientDecodeError):
            return None

    async def _set(self) -> None:
        """What waits at Telegram is kept: nothing pending is dropped."""
        await self._bot(SetWebhook(url=self._hook.url, secret_token=self._hook.secret, max_connections=AT_ONCE))
        self._is_set = True


async def _read_body(request: Request) -> bytes | None:
    """None: it is too long."""
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > BODY_LIMIT:
        return None
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_LIMIT:
            return None
    return bytes(body)


def _is_as_set(info: dict[str, Any], url: str) -> bool:
    kinds = info.get("allowed_updates")
    return info.get("url", "") == url and (not isinstance(kinds, list) or set(map(str, kinds)) == set(KINDS))


def _faults(info: dict[str, Any]) -> dict[str, object]:
    """What Telegram tells of its calls."""
    at = str(info.get("last_error_date") or "")
    error_at = datetime.fromtimestamp(int(at), UTC).isoformat() if at.isdecimal() else ""
    text = said(info["last_error_message"])[:200] if info.get("last_error_message") else ""
    return {"pending": info.get("pending_update_count"), "error": text, "error_at": error_at}
