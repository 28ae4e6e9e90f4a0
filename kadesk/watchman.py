"""Looks from outside of the scheduler whether the sweep is alive, and says so in the log when it is not.

It counts its own seconds: a clock of the machine that is set moves no alarm.
"""

import asyncio
import logging
from datetime import datetime, timedelta

from sqlalchemy.exc import SQLAlchemyError

from kadesk.wiring import Kadesk, clock
from tickets import watch
from tickets.watch import Watch

log = logging.getLogger(__name__)

LOOK_EVERY = timedelta(seconds=30)


class Watchman:
    """Remembers when the heartbeat last moved, in seconds of a clock that nobody can set."""

    def __init__(self, stale: timedelta = watch.STALE) -> None:
        self.stale = stale
        self._swept_at: datetime | None = None
        self._moved_at: float | None = None

    def judge(self, seen: Watch, at: float) -> str | None:
        """What is wrong, `at` seconds of a clock that only goes on; None when nothing is."""
        if self._moved_at is None or seen.swept_at != self._swept_at:
            self._swept_at, self._moved_at = seen.swept_at, at
        silent = timedelta(seconds=int(at - self._moved_at))
        if silent > self.stale:
            return f"the sweep has stalled: no good one for {silent}"
        if seen.is_deaf:
            return f"the sweep leaves what is due: the canary lies for {seen.canary_late}"
        if seen.undeliverable:
            return f"{seen.undeliverable} notices reach nobody: no staff account is active"
        return None


async def keep_watch(kadesk: Kadesk) -> None:
    """Look every half minute for as long as the server runs."""
    watchman, loop = Watchman(), asyncio.get_running_loop()
    while True:
        try:
            async with kadesk.database.reading() as session:
                problem = watchman.judge(await watch.look(session, clock()), loop.time())
        except (SQLAlchemyError, OSError) as error:
            problem = f"the database does not answer: {error}"
        if problem:
            log.error("alarm: %s", problem)
        await asyncio.sleep(LOOK_EVERY.total_seconds())
