"""More than a year of a desk on a virtual clock: nobody missed, nobody moved twice, nobody moved late.

`SIMULATION=20000x400` chooses how many tickets over how many days the slow test plays in bulk (see `world`).
"""

import os
import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import update
from sqlmodel import col, select

from audit import rows
from tests.tickets.conftest import Floor
from tests.tickets.world import MINUTE, ByVerbs, InBulk, Life, meet_buyers, play, problems
from tickets import escalations
from tickets.breaches import Breaches
from tickets.tables import Clock, Cycle, Escalation, Ticket

TICKETS, DAYS = (int(part) for part in os.environ.get("SIMULATION", "20000x400").split("x"))
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


async def test_nobody_is_missed_moved_twice_or_moved_late(floor: Floor) -> None:
    world = await play(floor, 60, 24, ByVerbs)

    assert await problems(world) == Counter()
    assert len(await floor.all(Escalation)) > 30


@on_sqlite
async def test_nor_in_bulk(floor: Floor) -> None:
    world = await play(floor, 600, 40, InBulk)

    assert await problems(world) == Counter()
    assert len(await floor.all(Escalation)) > 300


@on_sqlite
@pytest.mark.slow
async def test_nor_in_more_than_a_year(floor: Floor, record_property: Callable[[str, object], None]) -> None:
    started = time.monotonic()
    world = await play(floor, TICKETS, DAYS, InBulk)
    seconds = time.monotonic() - started

    assert await problems(world) == Counter()
    assert world.latest <= 1.5 * MINUTE
    record_property(
        "figures", f"{TICKETS} tickets, {DAYS} days, {world.sweeps} sweeps, latest by {world.latest}: {seconds:.0f} s"
    )


async def test_in_bulk_leaves_what_the_verbs_leave(floor: Floor, lin: int) -> None:
    """The rows that the sweep reads."""
    await meet_buyers(floor)
    lives = [Life(floor.now, floor.now + MINUTE) for _ in range(2)]
    async with floor.database.writing() as session:
        for life, hands in zip(lives, (ByVerbs(floor, lin), InBulk(floor, lin)), strict=True):
            await hands.open(session, [life])
    opened = [await seen_by_the_sweep(floor, life) for life in lives]
    async with floor.database.writing() as session:
        for life, hands in zip(lives, (ByVerbs(floor, lin), InBulk(floor, lin)), strict=True):
            await hands.handle(session, [life])
    handled = [await seen_by_the_sweep(floor, life) for life in lives]

    assert opened[0] == opened[1]
    assert handled[0] == handled[1]
    assert opened != handled


async def seen_by_the_sweep(floor: Floor, life: Life) -> dict[str, Any]:
    seen: dict[str, Any] = {}
    for table in (Ticket, Cycle, Clock):
        async with floor.database.reading() as session:
            key = Ticket.id if table is Ticket else table.ticket_id
            row = (await session.exec(select(table).where(key == life.ticket_id))).one()
        own = {"id", "number", "ticket_id", "cycle_id", "conversation_id", "buyer_id", "version", "closes_at"}
        seen |= {f"{table.__name__}.{name}": fact for name, fact in row.model_dump(exclude=own).items()}
    return seen


# The broken twins


@on_sqlite
async def test_without_the_guard_the_simulation_fails(floor: Floor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(escalations, "unacted", lambda *_: (col(Clock.wake_at).is_not(None),))

    assert (await problems(await play(floor, 24, 6, InBulk)))["again"] > 0


@on_sqlite
async def test_with_the_tick_as_the_time_of_the_event_the_simulation_fails(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    act, execute = escalations.act, rows.execute

    async def act_at_tick(session: Any, now: datetime, *arguments: Any) -> Any:
        async def at_tick(connection: Any, statement: Any, moved: Any) -> None:
            await execute(connection, statement, moved)
            if statement is escalations._BREACH:
                breached = col(Clock.id).in_([clock["clock"] for clock in moved])
                await connection.execute(update(Clock).where(breached).values(breached_at=now))

        monkeypatch.setattr(rows, "execute", at_tick)
        return await act(session, now, *arguments)

    monkeypatch.setattr(escalations, "act", act_at_tick)

    assert (await problems(await play(floor, 200, 24, InBulk)))["wrong breach"] > 0


@on_sqlite
async def test_with_so_many_a_tick_in_no_order_the_simulation_fails(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As other desks do: so many a run, whichever the database finds first; the others wait, some of them for ever."""

    async def find_some(session: Any, now: datetime, _after: Any, limit: int) -> list[Any]:
        columns = (col(Clock.id), col(Clock.ticket_id), col(Clock.rung), col(Clock.wake_at))
        found = select(*columns).where(*escalations.unacted(), col(Clock.wake_at) < now)
        some = await (await session.connection()).execute(found.order_by(col(Clock.id).desc()).limit(limit // 20))
        return [escalations.Due._make(row) for row in some.all()]

    async def once(database: Any, clock: Any, ladder: Any, limit: int) -> escalations.Sweep:
        async with database.reading() as session:
            batch = await find_some(session, clock(), None, limit)
        async with database.writing() as session:
            return await escalations.act(session, clock(), ladder, batch)

    monkeypatch.setattr(escalations, "_drain", once)

    found = await problems(await play(floor, 200, 24, InBulk))
    assert found["late"] + found["missed"] > 0


@on_sqlite
async def test_a_sweep_that_passes_tickets_over_fails(floor: Floor, monkeypatch: pytest.MonkeyPatch) -> None:
    fall = Breaches.fall

    def lose_some(self: Breaches, ticket: Any, *facts: Any) -> bool:
        return ticket.id % 5 != 0 and fall(self, ticket, *facts)

    monkeypatch.setattr(Breaches, "fall", lose_some)

    assert (await problems(await play(floor, 200, 24, InBulk)))["missed"] > 0
