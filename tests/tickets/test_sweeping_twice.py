"""Sweeping twice changes nothing, whatever happened before: the second sweep of an instant leaves every row alone."""

import asyncio
import shutil
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlmodel import select

from audit.tables import AuditRow
from kadesk.database import Database
from tests.tickets.conftest import Floor, say
from tests.tickets.world import HOUR, MINUTE, PROMISE, InBulk, Life, meet_buyers
from tickets import clocks, escalations
from tickets.desk import Desk
from tickets.sla import Policy
from tickets.tables import Clock, Escalation, Message, Metric, Notice, Outgoing, Ticket

NOW = datetime.fromisoformat("2026-03-02T04:00Z")
WRITTEN = (Ticket, Clock, Escalation, Notice, Message, Outgoing, AuditRow)
minutes = st.integers(0, 80 * 60).map(lambda number: number * MINUTE)
# When a ticket is opened, and how long after that it is handled: early, at an instant of the ladder, or never.
instants = st.sampled_from([PROMISE - 4 * HOUR, PROMISE, PROMISE + 4 * HOUR, 48 * HOUR, 72 * HOUR])
lives = st.lists(st.tuples(minutes, st.one_of(st.none(), minutes, instants)), min_size=1, max_size=12)
sweeps = st.lists(st.tuples(minutes, st.integers(1, 3)), max_size=8).map(sorted)
names = count()


async def rows_of(floor: Floor) -> dict[str, list[dict[str, Any]]]:
    async with floor.database.reading() as session:
        return {
            table.__name__: [row.model_dump() for row in (await session.exec(select(table).order_by(table.id))).all()]
            for table in WRITTEN
        }


async def sweep(floor: Floor, at: datetime, schedulers: int) -> None:
    page = 3  # so that a few tickets fill several
    each = (escalations.sweep(floor.database, lambda: at, floor.desk, page) for _ in range(schedulers))
    await asyncio.gather(*each)


async def second_sweeps_change_nothing(floor: Floor, played: Any, swept: Any) -> None:
    agent = await floor.hire("lin")
    await meet_buyers(floor)
    await floor.do(clocks.ensure_policy, Policy(Metric.HANDLING, PROMISE))
    hands = InBulk(floor, agent)
    known = [Life(NOW + opened, None if after is None else NOW + opened + after) for opened, after in played]
    last = max(life.opened_at for life in known) - NOW
    for at, schedulers in [(NOW + after, schedulers) for after, schedulers in swept] + [(NOW + last + 200 * HOUR, 1)]:
        async with floor.database.writing() as session:
            if opened := [life for life in known if not life.ticket_id and life.opened_at <= at]:
                await hands.open(session, opened)
            if handled := [life for life in known if life.ticket_id and life.handled_at and life.handled_at <= at]:
                await hands.handle(session, handled)
        await sweep(floor, at, schedulers)
        once = await rows_of(floor)
        await sweep(floor, at, schedulers)
        assert await rows_of(floor) == once


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(played=lives, swept=sweeps)
def test_sweeping_twice_changes_nothing(
    sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory, played: Any, swept: Any
) -> None:
    path = tmp_path_factory.getbasetemp() / f"twice-{next(names)}.db"
    shutil.copy(sqlite_template, path)

    async def run() -> None:
        database = Database(f"sqlite:///{path}")
        try:
            await second_sweeps_change_nothing(Floor(database, Desk(say), NOW), played, swept)
        finally:
            await database.close()

    asyncio.run(run())
    path.unlink()
