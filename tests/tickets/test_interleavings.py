"""An agent's reply meets a sweep at every point of it: what was handled before the sweep took it is never escalated.

Six points of each page: before the look, between look and transaction, before the tickets are locked, between lock and
claim, between claim and write, after the commit. Where the database makes a reply wait there, it waits.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from random import Random
from typing import Any

import pytest
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from tests.tickets.conftest import Floor
from tests.tickets.world import DAY, PROMISE, SECOND, ByVerbs, InBulk, Life, meet_buyers
from tickets import clocks, escalations, standing
from tickets.sla import Policy
from tickets.tables import Clock, Escalation, Metric, Ticket

PAGE = 50  # clocks to a page of the sweep
PAGES = 5
POINTS = 6
WAITS = 0.02  # seconds after which a reply that is not through waits for the sweep


@dataclass
class Meeting:
    """One sweep over five pages, and a reply to each of its tickets at some point of some page."""

    floor: Floor
    hands: ByVerbs
    lives: list[Life]
    moments: dict[tuple[int, int], list[Life]]
    order: Any = field(default_factory=count)
    page: int = -2  # the first look only asks whether anything is due
    waiting: list[asyncio.Task[None]] = field(default_factory=list)
    began: dict[int, int] = field(default_factory=dict)  # ticket → when its reply began, …
    replied: dict[int, int] = field(default_factory=dict)  # … when that was committed, …
    locked: dict[int, int] = field(default_factory=dict)  # … and when the sweep asked for the ticket
    written: dict[int, int] = field(default_factory=dict)  # … and had committed what it did to it

    async def reach(self, point: int) -> None:
        """The sweep is at `point`: those who reply here do, as far as the database lets them."""
        if lives := self.moments.pop((self.page, point), None):
            reply = asyncio.create_task(self._reply(lives))
            self.waiting.append(reply)
            # On SQLite the sweep is the one writer then; on PostgreSQL it may hold some of these tickets.
            await asyncio.wait({reply}, timeout=0 if 2 <= point <= 4 and self.floor.database.is_sqlite else WAITS)

    async def _reply(self, lives: list[Life]) -> None:
        self.began |= {life.ticket_id: next(self.order) for life in lives}
        async with self.floor.database.writing() as session:
            await self.hands.handle(session, lives)
        self.replied |= {life.ticket_id: next(self.order) for life in lives}

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        self.page += 1
        await self.reach(0)
        async with self.floor.database.reading() as session:
            yield session

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncSession]:
        await self.reach(1)
        before = set(self.locked)
        async with self.floor.database.writing() as session:
            yield session
        self.written |= {ticket: next(self.order) for ticket in self.locked if ticket not in before}
        await self.reach(5)

    async def hold(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Sweep once, with its steps laid bare."""
        lock, claim = standing.lock, escalations._claim

        async def lay_bare_lock(session: AsyncSession, tickets: Any) -> Any:
            await self.reach(2)
            self.locked |= {ticket: next(self.order) for ticket in tickets}
            held = await lock(session, tickets)
            await self.reach(3)
            return held

        async def lay_bare_claim(*arguments: Any) -> Any:
            ours = await claim(*arguments)
            await self.reach(4)
            return ours

        with monkeypatch.context() as patched:
            patched.setattr(standing, "lock", lay_bare_lock)
            patched.setattr(escalations, "_claim", lay_bare_claim)
            at = self.lives[0].opened_at + PROMISE + SECOND
            await escalations.sweep(self, lambda: at, self.floor.desk, PAGE)
        await asyncio.gather(*self.waiting)
        late = [life for lives in self.moments.values() for life in lives]
        if late:
            await self._reply(late)

    async def judge(self) -> Counter[str]:
        """How many were escalated though they were handled, and what else went wrong."""
        found = Counter[str]()
        ours = [life.ticket_id for life in self.lives]
        running = (col(Clock.ticket_id).in_(ours), col(Clock.metric) == Metric.HANDLING, col(Clock.met_at).is_(None))
        async with self.floor.database.reading() as session:
            risen = await session.exec(select(Escalation.ticket_id).where(col(Escalation.ticket_id).in_(ours)))
            phases = await session.exec(select(Ticket.phase).where(col(Ticket.id).in_(ours)))
            unmet = await session.exec(select(Clock.id).where(*running))
        rises = Counter(risen.all())
        found["twice"] = sum(times > 1 for times in rises.values())
        for ticket in ours:
            found["stale"] += ticket in rises and self.replied[ticket] < self.locked[ticket]
            was_late = ticket in self.written and self.began[ticket] > self.written[ticket]
            found["missed"] += was_late and ticket not in rises
        found["reply lost"] = sum(phase not in ("waiting", "resolved") for phase in phases.all())
        found["clock not met"] = len(unmet.all())
        found["escalated"] = len(rises)
        return +found


async def meet(floor: Floor, hands: ByVerbs, number: int, size: int, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """The outcome of one sweep over `size` due tickets that are all replied to meanwhile."""
    random = Random(number)
    opened_at = floor.now + number * 3 * DAY
    # In the instant that the sweep reads from its clock: late already, but handled.
    lives = [Life(opened_at, opened_at + PROMISE + SECOND) for _ in range(size)]
    async with floor.database.writing() as session:
        await hands.open(session, lives)
    moments: dict[tuple[int, int], list[Life]] = {}
    for life in lives:
        moments.setdefault((random.randrange(PAGES), random.randrange(POINTS)), []).append(life)
    meeting = Meeting(floor, hands, lives, moments)
    await meeting.hold(monkeypatch)
    return await meeting.judge()


@pytest.fixture
async def agent(floor: Floor) -> int:
    await meet_buyers(floor)
    await floor.do(clocks.ensure_policy, Policy(Metric.HANDLING, PROMISE), at=floor.now - timedelta(days=1))
    return await floor.hire("lin")


async def test_no_reply_through_the_verbs_is_followed_by_a_stale_escalation(
    floor: Floor, agent: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = await meet(floor, ByVerbs(floor, agent), 1, 60, monkeypatch)

    assert found.keys() == {"escalated"}


@pytest.mark.slow
async def test_ten_thousand_replies_meet_no_stale_escalation(
    floor: Floor, agent: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Counter[str]()
    for number in range(40):
        found += await meet(floor, InBulk(floor, agent), number, PAGE * PAGES, monkeypatch)

    assert found.keys() == {"escalated"}
    assert 1_000 < found["escalated"] < 9_000


async def test_without_the_guard_replies_meet_stale_escalations(
    floor: Floor, agent: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(escalations, "unacted", lambda *_: ())

    found = await meet(floor, InBulk(floor, agent), 1, PAGE * PAGES, monkeypatch)

    assert found["stale"] > 0
