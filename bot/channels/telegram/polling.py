"""Long polling: an offset is confirmed only after its updates are committed, and one process looks at a time."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from datetime import timedelta
from functools import partial

from aiogram import Bot
from aiogram.exceptions import AiogramError, TelegramConflictError

from bot.channels.looks import Looks
from bot.channels.port import Accept
from bot.channels.telegram.arrivals import Arrivals, Note
from bot.channels.telegram.methods import DeleteWebhook, GetMe, GetUpdates, GetWebhookInfo
from bot.channels.telegram.patience import Patience

log = logging.getLogger(__name__)

ELECT_EVERY = 2.0  # seconds between tries to become the process that looks
COUNT_EVERY = 60.0  # seconds between questions how much waits at Telegram

Elected = Callable[[str], AbstractAsyncContextManager[bool]]  # whether this process is the one that does it now


class Poller:
    """Looks for the updates of one bot."""

    def __init__(
        self, bot: Bot, channel: str, account: str, arrivals: Arrivals, poll: timedelta, patience: Patience, note: Note
    ) -> None:
        self._bot = bot
        self._account = account
        self._role = f"poller {channel}:{account}"
        self._arrivals = arrivals
        self._poll = max(1, round(poll.total_seconds()))
        self._patience = patience
        self._note = note
        self._is_ready = False

    async def run(self, accept: Accept, elected: Elected) -> None:
        """Look for updates until cancelled, whenever this process is the one that does.

        Any error gives the office up: another process, whose network or database may be well, goes on.
        """
        while True:
            try:
                async with elected(self._role) as is_ours:
                    if is_ours:
                        await self._receive(accept)
                await asyncio.sleep(ELECT_EVERY)
            except Exception as error:
                self._is_ready = self._is_ready and not isinstance(error, TelegramConflictError)
                await self._patience.sit_out(error)

    async def _receive(self, accept: Accept) -> None:
        if not self._is_ready:
            await self._prepare()
            self._is_ready = True
        counting = asyncio.create_task(self._count())
        try:
            looks = Looks()
            while True:
                await looks.again(partial(self.look, accept))
                self._patience.renew()
        finally:
            counting.cancel()

    async def _prepare(self) -> None:
        """Check the token; a webhook that is still set would refuse our looks, and we would be back here."""
        me = await self._bot(GetMe())
        try:
            await self._bot(DeleteWebhook())
        except AiogramError:
            log.warning("telegram %s: the webhook could not be removed", self._account)
        name = str(me.get("username", self._account))
        self._note(name=name, mode="polling", error="")
        log.info("telegram %s: polling as @%s", self._account, name)

    async def look(self, accept: Accept, offset: int | None) -> int | None:
        """One look: store what came, and only then return the offset that confirms it."""
        method = GetUpdates(offset=offset, timeout=self._poll)
        raw = await self._bot(method, request_timeout=self._poll + 10)
        if not raw:
            return offset
        await self._arrivals.keep(accept, raw)
        numbers = [int(one["update_id"]) for one in raw if isinstance(one, dict) and _is_number(one.get("update_id"))]
        if not numbers:
            raise ValueError("updates without numbers")  # they cannot be confirmed: come back to them, slowly
        return max(numbers) + 1

    async def _count(self) -> None:
        """How much waits at Telegram. It is told for the health light only: whoever cannot say is not asked again."""
        with suppress(AiogramError):
            while True:
                info = await self._bot(GetWebhookInfo())
                self._note(pending=info.get("pending_update_count"))
                await asyncio.sleep(COUNT_EVERY)


def _is_number(value: object) -> bool:
    return str(value).isdecimal()
