"""Who watches the sweep: how long it has been silent, whether it acts, and what lies unacted or untold."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from tickets import canary, escalations, reminders
from tickets.escalations import unacted
from tickets.tables import Clock, Heartbeat

STALE = timedelta(seconds=120)  # a last good sweep further off than this is an alarm


@dataclass(frozen=True, slots=True)
class Watch:
    """What was seen at `at`."""

    at: datetime
    swept_at: datetime | None  # when a sweep last ended well; None: never
    late_by: timedelta  # how late the latest of that sweep was found
    canary_late: timedelta | None  # how long the canary lies; None: there is none yet
    undeliverable: int  # notices that there was nobody to give to
    stale: timedelta = STALE

    @property
    def is_stalled(self) -> bool:
        """No good sweep lately. One in the future is none: the machine's clock was set back, and nobody swept since."""
        return self.swept_at is None or abs(self.at - self.swept_at) > self.stale

    @property
    def is_deaf(self) -> bool:
        """Sweeps end well, but leave what is due."""
        return self.canary_late is not None and self.canary_late > canary.ALLOWED

    @property
    def is_well(self) -> bool:
        return not (self.is_stalled or self.is_deaf or self.undeliverable)


async def look(session: AsyncSession, now: datetime, stale: timedelta = STALE) -> Watch:
    """A few looks at indexes."""
    heartbeat = await session.get(Heartbeat, escalations.BEAT)
    return Watch(
        at=now,
        swept_at=heartbeat.at if heartbeat else None,
        late_by=timedelta(seconds=heartbeat.detail.get("late_by", 0) if heartbeat else 0),
        canary_late=await canary.find_lateness(session, now),
        undeliverable=await reminders.count_undeliverable(session),
        stale=stale,
    )


async def count_due(session: AsyncSession, now: datetime) -> int:
    """How many clocks are due and not acted on."""
    due = select(func.count(col(Clock.id))).where(*unacted(), col(Clock.wake_at) < now)
    return (await session.exec(due)).one()
