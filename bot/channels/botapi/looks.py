"""One look for updates after another, as a server of the Bot API is asked for them."""

import asyncio
import time
from collections.abc import Awaitable, Callable

QUIET = 600.0  # seconds without news, after which no offset is told: after a quiet week numbers start anew, lower
LEAST = 0.2  # seconds from a look that brought nothing to the next, for not every server holds a look open
LASTED = 20.0  # seconds after which a try that failed was in no hurry: the next need not wait longer for it

Look = Callable[[int | None], Awaitable[int | None]]  # from this offset on; the offset that confirms what came


class Looks:
    """Keeps the offset, for there are servers that begin at their very first update when they are told none."""

    def __init__(self) -> None:
        self._offset: int | None = None  # what another process stored and did not confirm comes again, and is dropped
        self._news_at = time.monotonic()

    async def again(self, look: Look) -> None:
        """Look, and return when it is time for the next."""
        begun = time.monotonic()
        offset = await look(self._offset)
        now = time.monotonic()
        if offset != self._offset:
            self._offset, self._news_at = offset, now
            return
        if now - self._news_at >= QUIET:
            self._offset, self._news_at = None, now
        await asyncio.sleep(max(0.0, LEAST - (now - begun)))
