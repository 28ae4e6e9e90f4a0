"""When things happen. Lists the jobs and their times; every job does its work elsewhere.

APScheduler is the alarm clock only: deadlines stand in the database, so a missed or doubled alarm changes nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from apscheduler.schedulers.asyncio import AsyncIOScheduler

SLACK = timedelta(seconds=1)  # after which an alarm is missed
# A job returns the instant at which it wants to run earlier than its turn, or None.
Work = Callable[[], Awaitable[datetime | None]]


@dataclass(frozen=True, slots=True)
class Job:
    """A piece of work and how often it runs at least."""

    name: str
    every: timedelta
    work: Work


def schedule(jobs: list[Job]) -> AsyncIOScheduler:
    """An alarm clock for the jobs, not started yet: each rings at once, then after `every` or when it asked to."""
    defaults = {"coalesce": True, "max_instances": 1, "misfire_grace_time": None}  # late is better than never
    scheduler = AsyncIOScheduler(timezone="UTC", job_defaults=defaults)
    for job in jobs:
        _Alarm(scheduler, job).set(timedelta())
    return scheduler


@dataclass
class _Alarm:
    """Set by the clock on the wall, and by seconds that nobody can set: whichever comes first rings.

    A wall clock that was set back two hours would otherwise put every job off for two hours.
    """

    scheduler: AsyncIOScheduler
    job: Job
    fallback: asyncio.TimerHandle | None = None

    def set(self, wait: timedelta) -> None:
        """Ring after `wait`; at once when it is nothing."""
        when = {"trigger": "date", "run_date": self._now() + wait} if wait else {}
        self.scheduler.add_job(self._ring, id=self.job.name, replace_existing=True, **when)
        if wait:
            later = (wait + SLACK).total_seconds()
            self.fallback = asyncio.get_running_loop().call_later(later, self.set, timedelta())

    async def _ring(self) -> None:
        if self.fallback is not None:
            self.fallback.cancel()
        wanted: datetime | None = None
        try:
            wanted = await self.job.work()
        finally:
            early = wanted - self._now() if wanted else self.job.every
            self.set(max(min(early, self.job.every), timedelta.resolution))

    def _now(self) -> datetime:
        return datetime.now(self.scheduler.timezone)  # noqa: TID251  # an alarm clock reads the clock
