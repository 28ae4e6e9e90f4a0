"""Long polling: an offset is confirmed only after its updates are committed."""

import asyncio
import logging
from datetime import timedelta
from typing import Any

from aiogram import Bot
from aiogram.exceptions import (
    AiogramError,
    TelegramBadRequest,
    TelegramConflictError,
    TelegramNotFound,
    TelegramRetryAfter,
    TelegramUnauthorizedError,
)

from bot.channels.port import Accept
from bot.channels.telegram.methods import AnswerCallbackQuery, DeleteWebhook, GetMe, GetUpdates
from bot.channels.telegram.reading import take
from bot.channels.telegram.sending import SEND_TIMEOUT
from bot.faults import place_of

log = logging.getLogger(__name__)

LONGEST_WAIT = timedelta(minutes=1)  # between looks while Telegram does not answer


class Poller:
    """Looks for the updates of one bot."""

    def __init__(self, bot: Bot, channel: str, account: str, poll: timedelta, first_wait: timedelta) -> None:
        self._bot = bot
        self._channel, self._account = channel, account
        self._poll = max(1, round(poll.total_seconds()))
        self._first_wait = first_wait
        self._side: set[asyncio.Task[None]] = set()

    async def run(self, accept: Accept) -> None:
        """Look for updates until cancelled."""
        wait, is_ready, offset = self._first_wait, False, None
        try:
            while True:
                try:
                    if not is_ready:
                        await self._prepare()
                        is_ready = True
                    offset = await self.look(accept, offset)
                    wait = self._first_wait
                except Exception as error:
                    is_ready = is_ready and not isinstance(error, TelegramConflictError)
                    wait = await self._sit_out(error, wait)
        finally:
            await self._bot.session.close()

    async def _prepare(self) -> None:
        """Check the token; a webhook that is still set would refuse our looks."""
        me = await self._bot(GetMe())
        try:
            await self._bot(DeleteWebhook())
        except (TelegramBadRequest, TelegramNotFound):
            log.warning("telegram: the webhook could not be removed")
        log.info("telegram: receiving as @%s", me.get("username", self._account))

    async def look(self, accept: Accept, offset: int | None) -> int | None:
        """One look: store what came, and only then return the offset that confirms it."""
        method = GetUpdates(offset=offset, timeout=self._poll)
        raw = await self._bot(method, request_timeout=self._poll + 10)
        await accept(*(update for one in raw if (update := take(self._channel, self._account, one)) is not None))
        for query in filter(None, (one.get("callback_query") for one in raw)):
            self._in_background(self._answer_press(str(query.get("id", ""))))
        numbers = [int(one["update_id"]) for one in raw if str(one.get("update_id", "")).isdecimal()]
        return max(numbers) + 1 if numbers else offset

    async def _sit_out(self, error: Exception, wait: timedelta) -> timedelta:
        """Say what is wrong and wait; returns the next wait. Errors are told by kind only: they may quote the token."""
        if isinstance(error, TelegramRetryAfter):
            await asyncio.sleep(error.retry_after)
            return wait
        if isinstance(error, TelegramUnauthorizedError | TelegramNotFound):
            log.error("telegram: the bot token was refused; check KADESK_TELEGRAM__TOKEN")
        elif isinstance(error, TelegramConflictError):
            log.error("telegram: another program receives this bot's updates")
        else:
            log.warning("telegram: no updates now (%s)", place_of(error))
        await asyncio.sleep(wait.total_seconds())
        return min(wait * 2, LONGEST_WAIT)

    async def _answer_press(self, query_id: str) -> None:
        """Stop the button's spinner. It is stored already; that the query is too old to be answered harms nothing."""
        try:
            await self._bot(AnswerCallbackQuery(callback_query_id=query_id), request_timeout=SEND_TIMEOUT)
        except AiogramError as error:
            log.info("telegram: a press was not answered (%s)", type(error).__name__)

    def _in_background(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._side.add(task)
        task.add_done_callback(self._side.discard)
