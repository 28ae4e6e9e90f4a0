"""Calls of an account to its platform: counted by interface and day, and not made while the platform takes none.

Counts are kept in memory and written now and then, for all processes together: one that is killed forgets those of a
quarter of a minute. What the platform refuses is written at once.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Protocol

from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert  # SQLite's words for ON CONFLICT are the same
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from bot.errors import DeliveryError, QuotaSpent, RateLimited
from bot.faults import place_of
from bot.tables import CallCount
from bot.transactions import Transactions

log = logging.getLogger(__name__)

BEIJING = timezone(timedelta(hours=8))  # where the platform's day ends
WRITE_EVERY = 15.0  # seconds
REFUSED = " 45009"  # after the name of an interface: how often the platform took no more of its calls


class Tell(Protocol):
    """Says something to who looks after the install, in the caller's transaction."""

    async def __call__(self, session: AsyncSession, now: datetime, key: str, /, **facts: object) -> None: ...


async def tell_nobody(_session: AsyncSession, _now: datetime, _key: str, /, **_facts: object) -> None:
    """Where nobody looks after it."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What the owner knows of the platform's limits."""

    limits: Mapping[str, int] = field(default_factory=dict)  # interface → calls a day
    warn_at: float = 0.8  # share of a limit
    pause: timedelta | None = None  # that the platform takes nothing after it said so; None: until its day ends


@dataclass(frozen=True, slots=True)
class Called:
    """One interface today."""

    call: str
    count: int
    refused: int  # how often the platform took no more


class Quota:
    """The calls of one account; any number of processes count together."""

    def __init__(
        self,
        database: Transactions,
        clock: Callable[[], datetime],
        channel: str,
        account: str,
        terms: Terms,
        tell: Tell = tell_nobody,
    ) -> None:
        self._database = database
        self._clock = clock
        self._place = channel, account
        self._terms = terms
        self._tell = tell
        self._day = ""  # that `_spent` was read for
        self._spent: dict[str, datetime] = {}  # interface → until when it is not called
        self._fresh: Counter[tuple[str, str]] = Counter()  # (day, interface), not yet written

    async def count(self, call: str) -> None:
        """This is about to be called. Raises `DeliveryError` while the platform takes no more of it."""
        now = self._clock()
        if self._day != day_of(now):
            await self._read(now)
        until = self._spent.get(call)
        if until is not None and now < until:
            raise self._refusal(until - now)
        self._fresh[day_of(now), call] += 1

    async def refuse(self, call: str) -> DeliveryError:
        """The platform takes no more of this; what follows for what was to be sent."""
        now = self._clock()
        wait = self._wait(now)
        self._spent[call] = now + wait
        self._fresh[day_of(now), call + REFUSED] += 1
        await self._try_to_write()
        return self._refusal(wait)

    async def run(self) -> None:
        """Write until cancelled, and what is left then."""
        try:
            while True:
                await asyncio.sleep(WRITE_EVERY)
                await self._try_to_write()
        finally:
            await self._try_to_write()

    async def _try_to_write(self) -> None:
        try:
            await self.write()
        except Exception as error:  # the database is away: it is written with what comes
            log.warning("calls were not counted: %s", place_of(error))

    async def write(self) -> None:
        """Add what was counted here to what all processes counted, and read what the others know."""
        fresh, self._fresh, now = self._fresh, Counter(), self._clock()
        try:
            if fresh:
                async with self._database.writing() as session:
                    for (day, call), count in sorted(fresh.items()):
                        await self._add(session, now, day, call, count)
            if fresh or self._spent:
                await self._read(now)
        except Exception:
            self._fresh.update(fresh)
            raise

    async def _add(self, session: AsyncSession, now: datetime, day: str, call: str, count: int) -> None:
        channel, account = self._place
        row = insert(CallCount).values(channel=channel, account=account, day=day, call=call, count=count)
        after: int = (
            await session.exec(
                row.on_conflict_do_update(
                    index_elements=["channel", "account", "day", "call"], set_={"count": CallCount.count + count}
                ).returning(col(CallCount.count))
            )
        ).scalar_one()
        # Of all processes one comes over the line.
        name, limit = call.removesuffix(REFUSED), self._terms.limits.get(call, 0)
        facts = {"channel": channel, "account": account, "call": name}
        if name != call and after == count:
            until = f"{(now + self._wait(now)).astimezone(BEIJING):%m-%d %H:%M}"
            await self._tell(session, now, "notice.calls_spent", **facts, until=until)
        elif limit and after - count < limit * self._terms.warn_at <= after:
            await self._tell(session, now, "notice.calls_many", **facts, count=after, limit=limit)

    async def _read(self, now: datetime) -> None:
        """What the platform takes no more of today, as any process found."""
        self._day = day_of(now)
        if self._terms.pause is None:
            async with self._database.reading() as session:
                found = await calls_of(session, now, *self._place)
            known = {one.call: _end_of_day(now) for one in found if one.refused}
            unwritten = {call.removesuffix(REFUSED) for day, call in self._fresh if call.endswith(REFUSED)}
            self._spent = known | {call: until for call, until in self._spent.items() if call in unwritten}

    def _wait(self, now: datetime) -> timedelta:
        return self._terms.pause or _end_of_day(now) - now

    def _refusal(self, wait: timedelta) -> DeliveryError:
        return QuotaSpent(wait) if self._terms.pause is None else RateLimited(wait.total_seconds())


async def calls_of(session: AsyncSession, now: datetime, channel: str, account: str) -> list[Called]:
    """What was called today, by the platform's day."""
    here = (CallCount.channel == channel, CallCount.account == account, CallCount.day == day_of(now))
    rows = (await session.exec(select(CallCount.call, CallCount.count).where(*here))).all()
    counts = dict(rows)
    names = sorted({call.removesuffix(REFUSED) for call in counts})
    return [Called(name, counts.get(name, 0), counts.get(name + REFUSED, 0)) for name in names]


async def start_anew(session: AsyncSession, now: datetime, channel: str, account: str) -> None:
    """The platform counts from 0 again."""
    here = (col(CallCount.channel) == channel, col(CallCount.account) == account, col(CallCount.day) == day_of(now))
    await session.exec(delete(CallCount).where(*here))


async def forget(session: AsyncSession, before: datetime) -> None:
    """Delete what was counted on days before this one."""
    await session.exec(delete(CallCount).where(col(CallCount.day) < day_of(before)))


def day_of(now: datetime) -> str:
    return f"{now.astimezone(BEIJING):%Y-%m-%d}"


def _end_of_day(now: datetime) -> datetime:
    here = now.astimezone(BEIJING)
    return here.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
