"""A desk on a virtual clock: lives that are known beforehand, the hands that play them, and the schedulers beside.

Real: the database, its transactions and guards, and every line of the sweep, with up to three of them at once.
Virtual: the time, and the people. `ByVerbs` lets them go through the desk's verbs as buyers and agents do; `InBulk`
writes what those verbs leave behind, many lives in one statement, because 20,000 tickets through the verbs take the
most of an hour and show nothing more about the sweep. A test holds the two to the same rows.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from random import Random
from typing import Any

from sqlalchemy import bindparam, event, func, literal_column, select, update
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from audit import rows
from audit.tables import AuditRow
from tests.tickets.conftest import Floor
from tickets import clocks, escalations, outbox
from tickets.escalations import Sweep
from tickets.routing import GENERAL
from tickets.sla import Policy
from tickets.tables import Clock, Conversation, Cycle, Escalation, Level, Metric, Outcome, Phase, Ticket

SECOND, MINUTE, HOUR, DAY = (timedelta(**{unit: 1}) for unit in ("seconds", "minutes", "hours", "days"))
ZONES = [timezone(timedelta(hours=hours)) for hours in range(-11, 13, 2)]  # 12 of them
PROMISE = 24 * HOUR
TICK = 50 * SECOND  # of a scheduler; the promise allows 60
BUYERS = 20
PAGE = 40  # of a sweep: small, so that a burst takes several
IN_A_BURST = 100  # a batch of bad codes brings many buyers in a minute
# Handled early, close to the deadline on either side, at it, late, very late.
HANDLED_AFTER = [2 * HOUR, PROMISE - MINUTE, PROMISE, PROMISE + MINUTE, 30 * HOUR, 60 * HOUR]


@dataclass(eq=False)
class Life:
    """What will happen to a ticket, known beforehand: the world is judged by it."""

    opened_at: datetime
    handled_at: datetime | None
    ticket_id: int = 0

    @property
    def rises(self) -> list[tuple[Level, datetime]]:
        """Which levels it must reach, and when."""
        ladder = [(Level.HUMAN_QUEUE, 24), (Level.LEAD, 28), (Level.MANAGER, 48)]
        instants = [(level, self.opened_at + hours * HOUR) for level, hours in ladder]
        return [(level, at) for level, at in instants if self.handled_at is None or at < self.handled_at]


@dataclass(frozen=True)
class Gap:
    """A stretch without schedulers; in a leap of the desk's clock nobody else acts either."""

    start: datetime
    end: datetime
    is_leap: bool = False

    def holds(self, at: datetime) -> bool:
        return self.start <= at < self.end


@dataclass
class ByVerbs:
    """Buyers and agents as they are."""

    floor: Floor
    agent: int

    async def open(self, session: AsyncSession, lives: list[Life]) -> None:
        for number, life in enumerate(lives):
            conversation = await session.get_one(Conversation, number % BUYERS + 1)
            # People live in zones; the desk keeps instants.
            at = life.opened_at.astimezone(ZONES[number % len(ZONES)])
            opened = await self.floor.desk.open(session, at, conversation, "question", "卡密无效")
            life.ticket_id = opened.id or 0

    async def handle(self, session: AsyncSession, lives: list[Life]) -> None:
        for life in lives:
            at = life.handled_at
            assert at is not None
            if life.ticket_id % 2:
                await self.floor.desk.reply(session, at, life.ticket_id, self.agent, "您好")
            else:
                await self.floor.desk.resolve(session, at, life.ticket_id, self.agent, Outcome.INSTRUCT)
            while waiting := await outbox.waiting(session, at, "web", "main"):
                for outgoing in waiting:
                    await outbox.mark_sent(session, at, outgoing.id, "")  # unless somebody else has just sent it


@dataclass
class InBulk(ByVerbs):
    """What the verbs leave behind of the tickets, their cycles and clocks."""

    async def open(self, session: AsyncSession, lives: list[Life]) -> None:
        connection = await session.connection()
        first = (await connection.execute(select(func.coalesce(func.max(Ticket.id), 0)))).scalar_one() + 1
        for number, life in enumerate(lives, first):
            life.ticket_id = number
        await rows.add(connection, Ticket, [_ticket(life) for life in lives])
        await rows.add(connection, Cycle, [_cycle(life) for life in lives])
        await rows.add(connection, Clock, [_clock(life) for life in lives])

    async def handle(self, session: AsyncSession, lives: list[Life]) -> None:
        connection = await session.connection()
        # The ticket first, then its clocks: as everybody takes their locks.
        await rows.execute(connection, ANSWER, [{"ticket": life.ticket_id} for life in lives])
        handled = [{"ticket": life.ticket_id, "handled_at": life.handled_at} for life in lives]
        await rows.execute(connection, MEET, handled)


MEET = (
    update(Clock)
    .where(col(Clock.ticket_id) == bindparam("ticket"), col(Clock.met_at).is_(None))
    .values(met_at=bindparam("handled_at"))
)
END_OF_TIME = datetime.max.replace(tzinfo=UTC)
ANSWER = (
    update(Ticket)
    .where(col(Ticket.id) == bindparam("ticket"))
    .values(
        status="waiting",
        phase="waiting",
        assignee_id=1,
        waiting_since=None,
        rank_at=None,
        version=Ticket.version + literal_column("1"),
    )
)


def _ticket(life: Life) -> dict[str, object]:
    place = life.ticket_id % BUYERS + 1
    opened = {"created_at": life.opened_at, "waiting_since": life.opened_at, "rank_at": life.opened_at}
    words = {"category": "question", "subject": "卡密无效", "status": Phase.OPEN, "phase": Phase.OPEN}
    counted = {"level": 0, "hurries": 0, "version": 1, "queue": GENERAL, "fields": {}}
    who = {"id": life.ticket_id, "number": f"K-{life.ticket_id:06d}", "conversation_id": place, "buyer_id": place}
    return who | words | counted | opened


def _cycle(life: Life) -> dict[str, object]:
    return {"id": life.ticket_id, "ticket_id": life.ticket_id, "ordinal": 1, "opened_at": life.opened_at}


def _clock(life: Life) -> dict[str, object]:
    of = {"id": life.ticket_id, "ticket_id": life.ticket_id, "cycle_id": life.ticket_id, "policy_id": 1}
    due_at = life.opened_at + PROMISE
    runs = {"started_at": life.opened_at, "due_at": due_at, "rung": 0, "wake_at": due_at - 4 * HOUR}
    return of | {"metric": Metric.HANDLING, "ordinal": 1} | runs


@dataclass
class World:
    """Lives, and 1 to 3 schedulers that are down for three days once and whose clock leaps by three days later."""

    floor: Floor
    hands: ByVerbs
    random: Random
    days: int
    lives: list[Life] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    latest: timedelta = timedelta()
    sweeps: int = 0

    async def live(self) -> None:
        """Play everything in order; time goes from one tick that can find something to the next.

        The ticks between are idle: other tests hold those to a look.
        """
        events = sorted(self._events(), key=lambda event: event[0], reverse=True)
        now, offset = self.floor.now, self.random.random() * TICK
        while True:
            tick = await self._next_tick(now, offset)
            coming = [events.pop()] if events and (tick is None or events[-1][0] < tick) else []
            while coming and events and events[-1][0] < min(tick or END_OF_TIME, coming[0][0] + 2 * MINUTE):
                coming.append(events.pop())
            if coming:
                await self._happen([what for _, what in coming])
            elif tick is None or tick > self.end:
                return
            else:
                await self._sweep(tick)
                now, offset = tick, self.random.random() * TICK

    @property
    def end(self) -> datetime:
        return self.floor.now + (self.days + 8) * DAY

    def _events(self) -> Iterable[tuple[datetime, tuple[str, Life]]]:
        for life in self.lives:
            yield life.opened_at, ("open", life)
            if life.handled_at is not None:
                yield life.handled_at, ("handle", life)

    async def _happen(self, events: list[tuple[str, Life]]) -> None:
        """What buyers and agents did between two ticks, in one transaction."""
        if events:
            async with self.floor.database.writing() as session:
                for verb in ("open", "handle"):
                    if lives := [life for what, life in events if what == verb]:
                        await getattr(self.hands, verb)(session, lives)

    async def _next_tick(self, now: datetime, offset: timedelta) -> datetime | None:
        """The first tick of a scheduler that will find something, `offset` after it is there to be found."""
        async with self.floor.database.reading() as session:
            wake_at = await escalations.next_due(session)
        if wake_at is None:
            return None
        at = max(wake_at, now) + offset
        return next((gap.end + offset for gap in self.gaps if gap.holds(at)), at)

    async def _sweep(self, at: datetime) -> None:
        """1 to 3 schedulers at once; now and then one's clock has jumped back two hours."""
        clocks = [at] * self.random.randint(1, 3)
        if self.random.random() < 0.05:
            clocks.append(at - 2 * HOUR)
        sweep = partial(escalations.sweep, self.floor.database, ladder=self.floor.desk, limit=PAGE)
        swept: list[Sweep] = await asyncio.gather(*(sweep(_reads(clock)) for clock in clocks))
        self.sweeps += len(swept)


def _reads(at: datetime) -> Callable[[], datetime]:
    return lambda: at


async def play(floor: Floor, tickets: int, days: int, hands: type[ByVerbs]) -> World:
    """A world that has ended: `tickets` lives that begin on `days` days."""
    agent = await floor.hire("wang", "manager")  # who may end what has risen, too
    await floor.hire("chen", "lead")
    await floor.hire("lin")
    await meet_buyers(floor)
    await _spare_the_disk(floor)
    world = World(floor, hands(floor, agent), Random(20260302), days)
    outage = floor.now + days // 3 * DAY
    leap = floor.now + days * 2 // 3 * DAY
    world.gaps = [Gap(outage, outage + 3 * DAY), Gap(leap, leap + 3 * DAY, is_leap=True)]
    world.lives = list(_lives(world, tickets))
    await floor.do(clocks.ensure_policy, Policy(Metric.HANDLING, PROMISE))
    await world.live()
    return world


async def meet_buyers(floor: Floor) -> None:
    for number in range(BUYERS):
        await floor.meet(f"buyer-{number}")


async def _spare_the_disk(floor: Floor) -> None:
    """What survives a power cut is for other tests."""
    if floor.database.is_sqlite:

        @event.listens_for(floor.database.engine.sync_engine, "checkout")
        def on_checkout(connection: Any, *_: Any) -> None:
            cursor = connection.cursor()
            cursor.execute("PRAGMA synchronous=OFF")
            cursor.close()


def _lives(world: World, tickets: int) -> Iterable[Life]:
    leap = next(gap for gap in world.gaps if gap.is_leap)
    opened_at, burst = world.floor.now, min(IN_A_BURST, tickets // 12)
    for number in range(tickets):
        if number % burst == 0:
            opened_at = world.floor.now + world.random.random() * world.days * DAY
        at = _not_in(leap, opened_at + world.random.random() * TICK, world.random)
        handled_at = _not_in(leap, at + world.random.choice(HANDLED_AFTER), world.random)
        yield Life(at, None if handled_at > world.end - 5 * DAY else handled_at)


def _not_in(leap: Gap, at: datetime, random: Random) -> datetime:
    """For whom the clock leaps, what was meant for those days comes after them."""
    return leap.end + MINUTE + random.random() * HOUR if leap.holds(at) else at


async def problems(world: World) -> Counter[str]:
    """Missed, twice, too late, and facts that are not those of the lives."""
    found = Counter[str]()
    lives = {life.ticket_id: life for life in world.lives}
    rises = [row for row in await world.floor.all(Escalation) if row.ticket_id in lives]
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
    for clock in await world.floor.all(Clock):
        if life_of_clock := lives.get(clock.ticket_id):
            found["wrong due"] += clock.due_at != life_of_clock.opened_at + PROMISE
            found["wrong met"] += clock.met_at != life_of_clock.handled_at
            found["wrong breach"] += clock.breached_at not in (None, clock.due_at)
    del found["in time"]
    return +found


def lateness(world: World, life: Life, at: datetime, risen_at: datetime | None) -> str:
    """What to say of a rung of `at` that was climbed at `risen_at`."""
    start, allowed = at, MINUTE
    for gap in world.gaps:
        if gap.start - MINUTE <= at < gap.end:
            start, allowed = gap.end, 1.5 * MINUTE
    if risen_at is not None:
        world.latest = max(world.latest, risen_at - start)
        return "late" if risen_at - start > allowed else "in time"
    # Handled before a scheduler could see it: there was nothing left to move.
    return "in time" if life.handled_at is not None and life.handled_at <= start + allowed else "missed"
