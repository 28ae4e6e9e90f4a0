"""What a receiver does about an error of Telegram's: says so once in words for the owner, and waits."""

import asyncio
import logging
import time
from datetime import timedelta

from aiogram.exceptions import (
    TelegramBadRequest,
    TelegramConflictError,
    TelegramNotFound,
    TelegramRetryAfter,
    TelegramUnauthorizedError,
)

from bot.channels.looks import LASTED
from bot.channels.telegram.arrivals import Note
from bot.channels.telegram.errors import reason_of
from bot.faults import place_of

log = logging.getLogger(__name__)

LONGEST_WAIT = timedelta(minutes=1)  # between tries while Telegram does not answer


class Patience:
    """Waits longer after each error, until something goes well."""

    def __init__(self, account: str, first_wait: timedelta, note: Note) -> None:
        self._account = account
        self._first_wait = self._wait = first_wait
        self._note = note
        self._tried_at = time.monotonic()  # the beginning of the try that is under way

    def renew(self) -> None:
        """It went well."""
        self._wait = self._first_wait
        self._note("looked_at", problem="")

    async def sit_out(self, error: Exception) -> None:
        """Say what is wrong and wait. Errors are told by kind only: they may quote the token."""
        await asyncio.sleep(self._wait_after(error))
        self._tried_at = time.monotonic()

    def _wait_after(self, error: Exception) -> float:
        if time.monotonic() - self._tried_at >= LASTED:  # a look that was held open for longer than we wait
            self._wait = self._first_wait
        if isinstance(error, TelegramRetryAfter):
            return max(error.retry_after, self._first_wait.total_seconds())
        self._tell(error)
        wait, self._wait = self._wait, min(self._wait * 2, LONGEST_WAIT)
        return wait.total_seconds()

    def _tell(self, error: Exception) -> None:
        if isinstance(error, TelegramUnauthorizedError | TelegramNotFound):
            log.error("telegram %s: the bot token was refused; get the right one from @BotFather", self._account)
            self._note(problem="token")
        elif isinstance(error, TelegramConflictError):
            log.error("telegram %s: another program receives this bot's updates", self._account)
            self._note(problem="conflict")
        elif isinstance(error, TelegramBadRequest):
            reason = reason_of(error)
            log.error("telegram %s: Telegram refuses how we receive: %s", self._account, reason)
            self._note(problem="refused", error=reason[:200])
        else:
            log.warning("telegram %s: no updates now (%s)", self._account, place_of(error))
