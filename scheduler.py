"""When things happen. Lists the jobs and their times; every job does its work elsewhere.

APScheduler is the alarm clock only: deadlines stand in the database, so a missed or doubled alarm changes nothing.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from apscheduler.schedulers.asyncio import AsyncIOScheduler

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
        _set_alarm(scheduler, job, None)
    return scheduler


def _set_alarm(scheduler: AsyncIOScheduler, job: Job, at: datetime | None) -> None:
    when = {} if at is None else {"trigger": "date", "run_date": at}
    scheduler.add_job(_ring, args=[scheduler, job], id=job.name, replace_existing=True, **when)


async def _ring(scheduler: AsyncIOScheduler, job: Job) -> None:
    wanted: datetime | None = None
    try:
        wanted = await job.work()
    finally:
        turn = datetime.now(scheduler.timezone) + job.every  # noqa: TID251  # an alarm clock reads the clock
        _set_alarm(scheduler, job, min(turn, wanted) if wanted else turn)
