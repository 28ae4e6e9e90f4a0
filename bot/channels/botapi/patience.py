"""What a receiver does about an error of its server's: says so once in words for the owner, and waits."""

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import timedelta

from bot.channels.botapi.line import Refusal
from bot.channels.botapi.looks import LASTED
from bot.channels.noting import Note
from bot.faults import place_of

log = logging.getLogger(__name__)

LONGEST_WAIT = timedelta(minutes=1)  # between tries while the server does not answer
_WORDS = {
    "token": "the bot token was refused; get the right one from @BotFather",
    "conflict": "another program receives this bot's updates",
}


class Patience:
    """Waits longer after each error, until something goes well."""

    def __init__(
        self, channel: str, account: str, first_wait: timedelta, note: Note, judge: Callable[[Exception], Refusal]
    ) -> None:
        self._channel, self._account = channel, account
        self._first_wait = self._wait = first_wait
        self._note = note
        self._judge = judge
        self._tried_at = time.monotonic()  # the beginning of the try that is under way

    def renew(self) -> None:
        """It went well."""
        self._wait = self._first_wait
        self._note("looked_at", problem="")

    async def sit_out(self, error: Exception) -> None:
        """Say what is wrong and wait. Errors are told by kind only: they may quote the token."""
        await asyncio.sleep(self.wait_after(error))
        self._tried_at = time.monotonic()

    def wait_after(self, error: Exception) -> float:
        """Seconds."""
        if time.monotonic() - self._tried_at >= LASTED:  # a look that was held open for longer than we wait
            self._wait = self._first_wait
        refusal = self._judge(error)
        if refusal.retry_after is not None:
            return max(refusal.retry_after, self._first_wait.total_seconds())
        self._tell(refusal, error)
        wait, self._wait = self._wait, min(self._wait * 2, LONGEST_WAIT)
        return wait.total_seconds()

    def _tell(self, refusal: Refusal, error: Exception) -> None:
        if refusal.problem in _WORDS:
            log.error("%s %s: %s", self._channel, self._account, _WORDS[refusal.problem])
            self._note(problem=refusal.problem)
        elif refusal.problem:
            reason = refusal.reason[:200]
            log.error("%s %s: Telegram refuses how we receive: %s", self._channel, self._account, reason)
            self._note(problem=refusal.problem, error=reason)
        else:
            log.warning("%s %s: no updates now (%s)", self._channel, self._account, refusal.reason or place_of(error))
