"""What a receiver does about an error of Telegram's: says so once in words for the owner, and waits."""

import asyncio
import logging
from datetime import timedelta

from aiogram.exceptions import (
    TelegramBadRequest,
    TelegramConflictError,
    TelegramNotFound,
    TelegramRetryAfter,
    TelegramUnauthorizedError,
)

from bot.channels.telegram.arrivals import Note
from bot.faults import place_of

log = logging.getLogger(__name__)

LONGEST_WAIT = timedelta(minutes=1)  # between tries while Telegram does not answer


class Patience:
    """Waits longer after each error, until something goes well."""

    def __init__(self, account: str, first_wait: timedelta, note: Note) -> None:
        self._account = account
        self._first_wait = self._wait = first_wait
        self._note = note

    def renew(self) -> None:
        """It went well."""
        self._wait = self._first_wait
        self._note("looked_at", problem="")

    async def sit_out(self, error: Exception) -> None:
        """Say what is wrong and wait. Errors are told by kind only: they may quote the token."""
        if isinstance(error, TelegramRetryAfter):
            await asyncio.sleep(error.retry_after)
            return
        if isinstance(error, TelegramUnauthorizedError | TelegramNotFound):
            log.error("telegram %s: the bot token was refused; get the right one from @BotFather", self._account)
            self._note(problem="token")
        elif isinstance(error, TelegramConflictError):
            log.error("telegram %s: another program receives this bot's updates", self._account)
            self._note(problem="conflict")
        elif isinstance(error, TelegramBadRequest):
            log.error("telegram %s: Telegram refuses how we receive: %s", self._account, error.message)
            self._note(problem="refused", error=error.message[:200])
        else:
            log.warning("telegram %s: no updates now (%s)", self._account, place_of(error))
        await asyncio.sleep(self._wait.total_seconds())
        self._wait = min(self._wait * 2, LONGEST_WAIT)
