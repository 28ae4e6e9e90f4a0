"""One life, any sweeps: the reports of all promises tell the same, however late, often or seldom one looked."""

import asyncio
import shutil
from collections.abc import Sequence
from datetime import datetime, time, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import update

from kadesk.database import Database
from tests.tickets.conftest import Floor, say
from tickets import escalations, reports
from tickets.desk import Desk
from tickets.hours import Calendar, Window
from tickets.rules import DeskRules
from tickets.sla import Metric, Policy, Verdict
from tickets.tables import Clock, Outcome, Phase, Role, Ticket

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NOW = datetime.fromisoformat("2026-03-02T04:00Z")
STAFFED = Calendar("staffed", week=((Window(time(1), time(15)),),) * 7)
RULES = DeskRules(
    policies=(
        Policy(Metric.FIRST_RESPONSE, timedelta(minutes=30), "staffed"),
        Policy(Metric.NEXT_RESPONSE, 2 * HOUR, "staffed"),
        Policy(Metric.RESOLUTION, 72 * HOUR, pause_cap=24 * HOUR),
    ),
    calendars={"staffed": STAFFED},
)
TARGETS = {
    Metric.HANDLING: DAY,
    Metric.FIRST_RESPONSE: timedelta(minutes=30),
    Metric.NEXT_RESPONSE: 2 * HOUR,
    Metric.RESOLUTION: 72 * HOUR,
}

# What happens, and how many minutes after what happened before.
steps = st.tuples(st.sampled_from(["reply", "speak", "take", "hurry", "threaten", "resolve"]), st.integers(1, 60 * 40))
lives = st.lists(steps, max_size=7)
sweeps = st.lists(st.integers(0, 60 * 24 * 12), max_size=12).map(sorted)
names = count()


async def happen(floor: Floor, ticket: Ticket, what: str, agent: int, at: datetime) -> None:
    """A step of a life; one that is not possible now does not happen. Whatever is said is delivered at once."""
    phase = (await floor.fresh(ticket)).phase
    if what == "speak" and phase != Phase.CLOSED:
        await floor.speak(ticket, at=at)
    elif what == "threaten" and phase != Phase.CLOSED:
        await floor.speak(ticket, "我要投诉", at=at)
    elif phase in (Phase.OPEN, Phase.WAITING):
        if what == "reply":
            await floor.do(floor.desk.reply, ticket.id, agent, "您好", at=at)
        elif what == "take" and (await floor.fresh(ticket)).assignee_id is None:
            await floor.do(floor.desk.take, ticket.id, agent, at=at)
        elif what == "hurry":
            await floor.do(floor.desk.hurry, await floor.fresh(ticket), at=at)
        elif what == "resolve":
            await floor.do(floor.desk.resolve, ticket.id, agent, Outcome.INSTRUCT, at=at)
    await floor.deliver(at=at)


async def live(path: Path, life: Sequence[tuple[str, int]], sweeps: Sequence[int]) -> dict[Metric, Any]:
    """Live through it with sweeps at these minutes; returns what each report says at the end."""
    database = Database(f"sqlite:///{path}")
    floor = Floor(database, Desk(say, RULES), NOW)
    try:
        lead = await floor.hire("chen", Role.LEAD)
        ticket, at = await floor.open(), NOW
        looks = [NOW + timedelta(minutes=minute) for minute in sweeps]
        for what, gap in life:
            at += timedelta(minutes=gap)
            while looks and looks[0] < at:
                await floor.sweep(looks.pop(0))
            await happen(floor, ticket, what, lead, at)
        for look in looks:
            await floor.sweep(max(look, at))
        return {metric: await rows_of(floor, metric) for metric in Metric}
    finally:
        await database.close()


async def rows_of(floor: Floor, metric: Metric) -> Any:
    async with floor.database.reading() as session:
        figure = await reports.attainment(session, NOW, NOW + 90 * DAY, NOW + 40 * DAY, RULES, metric)
        return figure.rows


def lived(template: Path, folder: Path, life: Sequence[tuple[str, int]], sweeps: Sequence[int]) -> dict[Metric, Any]:
    path = folder / f"{next(names)}.db"
    shutil.copy(template, path)
    try:
        return asyncio.run(live(path, life, sweeps))
    finally:
        path.unlink()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lives")


@pytest.mark.slow
def test_the_verdict_is_the_same_for_every_sweep_schedule(sqlite_template: Path, folder: Path) -> None:
    @settings(max_examples=15, deadline=None)
    @given(life=lives, sweeps=sweeps)
    def check(life: Sequence[tuple[str, int]], sweeps: Sequence[int]) -> None:
        never = lived(sqlite_template, folder, life, [])

        assert lived(sqlite_template, folder, life, sweeps) == never
        assert lived(sqlite_template, folder, life, range(0, 60 * 24 * 12, 60 * 18)) == never

    check()


@pytest.mark.slow
def test_what_is_met_took_no_longer_than_promised(sqlite_template: Path, folder: Path) -> None:
    @settings(max_examples=15, deadline=None)
    @given(life=lives)
    def check(life: Sequence[tuple[str, int]]) -> None:
        for metric, rows in lived(sqlite_template, folder, life, []).items():
            for row in rows:
                assert (row.verdict == Verdict.MET) == (row.elapsed <= TARGETS[metric])

    check()


LATE_REPLY = [("reply", 60 * 25)]  # a person's first word, an hour after the promise


def test_with_the_tick_as_the_time_of_the_event_the_verdict_depends_on_the_sweep(
    sqlite_template: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    acted = escalations._set

    async def set_to_tick(session: Any, stepped: Any, breached: Any) -> None:
        await acted(session, stepped, breached)
        late = [row["clock"] for row in breached]
        await session.exec(update(Clock).where(Clock.id.in_(late)).values(due_at=NOW + 30 * DAY))

    monkeypatch.setattr(escalations, "_set", set_to_tick)

    never = lived(sqlite_template, folder, LATE_REPLY, [])
    assert lived(sqlite_template, folder, LATE_REPLY, [60 * 24 + 1]) != never


async def test_a_wait_that_the_sweep_ends_ends_at_its_rung_however_late_one_sweeps(
    sqlite_template: Path, folder: Path
) -> None:
    """An agent calls it the buyer's turn, unanswered: when it is due it waits on us again, whenever that was seen."""

    async def resolution_due(after: timedelta) -> datetime:
        path = folder / f"{next(names)}.db"
        shutil.copy(sqlite_template, path)
        database = Database(f"sqlite:///{path}")
        floor = Floor(database, Desk(say, RULES), NOW)
        lin = await floor.hire("lin")
        ticket = await floor.open()
        await floor.do(floor.desk.set_status, ticket.id, lin, "waiting", at=NOW + 2 * HOUR)
        await floor.sweep(NOW + after)
        due_at = (await floor.one(Clock, metric=Metric.RESOLUTION)).due_at
        await database.close()
        return due_at

    found = {await resolution_due(after) for after in (DAY + timedelta.resolution, DAY + HOUR, 3 * DAY)}

    assert found == {NOW + 72 * HOUR + 22 * HOUR}
