"""Days of a desk on a virtual clock: nobody missed, nobody twice, nobody late while a scheduler runs.

`KADESK_SIMULATION=20000x400` plays that many tickets over that many days; without it a small size is played.
"""

import asyncio
import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from random import Random
from typing import Any

import pytest
from sqlmodel import col

from audit.tables import AuditRow
from tests.tickets.conftest import Floor
from tickets import escalations
from tickets.breaches import Breaches
from tickets.tables import Clock, Escalation, Level, Outcome

TICKETS, DAYS = (int(part) for part in os.environ.get("KADESK_SIMULATION", "40x20").split("x"))
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
ZONES = [timezone(timedelta(hours=hours)) for hours in range(-11, 13, 2)]  # 12 of them
PROMISE = 24 * HOUR
TICK = 50 * timedelta(seconds=1)  # of a scheduler; the promise allows 60

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@dataclass
class Life:
    """What will happen to a ticket, known beforehand: the simulation is judged by it."""

    opened_at: datetime
    handled_at: datetime | None
    ticket_id: int = 0

    @property
    def rises(self) -> list[tuple[Level, datetime]]:
        """Which levels it must reach, and when."""
        ladder = [(Level.HUMAN_QUEUE, 24), (Level.LEAD, 28), (Level.MANAGER, 48)]
        instants = [(level, self.opened_at + hours * HOUR) for level, hours in ladder]
        return [(level, at) for level, at in instants if self.handled_at is None or at < self.handled_at]


@dataclass
class World:
    """Lives, and 1 to 3 schedulers that are down for three days once."""

    floor: Floor
    agent: int
    random: Random
    lives: list[Life] = field(default_factory=list)

    @property
    def outage(self) -> tuple[datetime, datetime]:
        middle = self.floor.now + DAYS // 2 * DAY
        return middle, middle + 3 * DAY

    def events(self) -> Iterator[tuple[datetime, Callable[[], Any]]]:
        for life in self.lives:
            yield life.opened_at, lambda life=life: self._open(life)
            if life.handled_at is not None:
                yield life.handled_at, lambda life=life: self._handle(life)

    async def live(self) -> None:
        """Play every event in order; between them the schedulers tick wherever something could be due."""
        events = sorted(self.events(), key=lambda event: event[0])
        for at, happen in events:
            await self._tick_until(at)
            await happen()
        await self._tick_until(self.floor.now + (DAYS + 5) * DAY)

    async def _open(self, life: Life) -> None:
        conversation = await self.floor.meet(f"buyer-{self.random.randrange(20)}")
        # People live in zones; the desk keeps instants.
        at = life.opened_at.astimezone(self.random.choice(ZONES))
        life.ticket_id = (await self.floor.open(conversation, at=at)).id or 0

    async def _handle(self, life: Life) -> None:
        at = life.handled_at
        if life.ticket_id % 2:
            await self.floor.do(self.floor.desk.reply, life.ticket_id, self.agent, "您好", at=at)
        else:
            await self.floor.do(self.floor.desk.resolve, life.ticket_id, self.agent, Outcome.INSTRUCT, at=at)
        await self.floor.deliver(at=at)

    async def _tick_until(self, end: datetime) -> None:
        """The ticks that find something; those between are idle, and another test holds them to a look."""
        down, up = self.outage
        while True:
            async with self.floor.database.reading() as session:
                wake_at = await escalations.next_due(session)
            if wake_at is None:
                return
            at = wake_at + self.random.random() * TICK
            if down <= at < up:
                at = up + self.random.random() * TICK
            if at >= end:
                return
            await self._sweep(at)

    async def _sweep(self, at: datetime) -> None:
        """1 to 3 schedulers at once; now and then one's clock has jumped back two hours."""
        sweeps = [lambda: at] * self.random.randint(1, 3)
        if self.random.random() < 0.05:
            sweeps.append(lambda: at - 2 * HOUR)
        await asyncio.gather(*(escalations.sweep(self.floor.database, clock, self.floor.desk) for clock in sweeps))


async def play(floor: Floor) -> World:
    world = World(floor, await floor.hire("lin"), Random(20260302))
    await floor.hire("wang", "manager")
    for _ in range(TICKETS):
        opened_at = floor.now + world.random.random() * DAYS * DAY
        # Handled early, close to the deadline on either side, late, or never.
        after = world.random.choice([2 * HOUR, PROMISE - MINUTE, PROMISE, PROMISE + MINUTE, 30 * HOUR, 60 * HOUR, None])
        world.lives.append(Life(opened_at, None if after is None else opened_at + after))
    await world.live()
    return world


async def problems(world: World) -> Counter[str]:
    """Missed, twice, too late, and facts that are not those of the lives."""
    rises = await world.floor.all(Escalation)
    found = Counter[str]()
    seen = Counter((row.ticket_id, row.level) for row in rises)
    found["twice"] = sum(count - 1 for count in seen.values())
    # Every ticket begins in the bot's lane: a rung acted on again would call it late where it stands.
    found["again"] = len(await world.floor.all(AuditRow, action="ticket.late"))
    risen = {(row.ticket_id, row.level): row.escalated_at for row in rises}
    wanted = {(life.ticket_id, int(level)) for life in world.lives for level, _ in life.rises}
    found["unfounded"] = len(risen.keys() - wanted)
    for life in world.lives:
        for level, at in life.rises:
            found[lateness(world, life, at, risen.get((life.ticket_id, int(level))))] += 1
    lives = {life.ticket_id: life for life in world.lives}
    for clock in await world.floor.all(Clock):
        life = lives[clock.ticket_id]
        found["wrong due"] += clock.due_at != life.opened_at + PROMISE
        found["wrong met"] += clock.met_at != life.handled_at
        found["wrong breach"] += clock.breached_at not in (None, clock.due_at)
    del found["in time"]
    return +found


def lateness(world: World, life: Life, at: datetime, risen_at: datetime | None) -> str:
    """What to say of a rung of `at` that was climbed at `risen_at`."""
    down, up = world.outage
    is_outage = down - MINUTE <= at < up
    start, allowed = (up, 1.5 * MINUTE) if is_outage else (at, MINUTE)
    if risen_at is not None:
        return "late" if risen_at - start > allowed else "in time"
    # Handled before a scheduler could see it: there was nothing left to move.
    return "in time" if life.handled_at is not None and life.handled_at <= start + allowed else "missed"


async def test_nobody_is_missed_moved_twice_or_moved_late(floor: Floor) -> None:
    world = await play(floor)

    assert await problems(world) == Counter()
    assert len(await floor.all(Escalation)) > TICKETS


async def test_without_the_guard_the_simulation_fails(floor: Floor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(escalations, "unacted", lambda *_: (col(Clock.wake_at).is_not(None),))

    assert (await problems(await play(floor)))["again"] > 0


async def test_with_the_tick_as_the_time_of_the_event_the_simulation_fails(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    act = escalations.act

    async def act_at_tick(session: Any, now: datetime, *arguments: Any) -> Any:
        monkeypatch.setattr(escalations, "_BREACH", escalations._STEP.values(breached_at=now))
        return await act(session, now, *arguments)

    monkeypatch.setattr(escalations, "act", act_at_tick)

    assert (await problems(await play(floor)))["wrong breach"] > 0


async def test_a_sweep_that_passes_tickets_over_fails(floor: Floor, monkeypatch: pytest.MonkeyPatch) -> None:
    fall = Breaches.fall

    def lose_some(self: Breaches, ticket: Any, *facts: Any) -> bool:
        return ticket.id % 5 != 0 and fall(self, ticket, *facts)

    monkeypatch.setattr(Breaches, "fall", lose_some)

    assert (await problems(await play(floor)))["missed"] > 0
