import ast
import asyncio
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path

import pytest
from apscheduler.schedulers import base
from apscheduler.triggers import date

import scheduler
from scheduler import Job, schedule

ROOT = Path(scheduler.__file__).parent
BELOW = {"tickets", "shop", "faq", "audit"}


def imported_rooms(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    rooms = {path.name for path in ROOT.iterdir() if (path / "__init__.py").exists()}
    return {name.split(".")[0] for name in names} & rooms


def test_the_scheduler_knows_only_rooms_below() -> None:
    assert imported_rooms(ROOT / "scheduler.py") <= BELOW


def test_only_the_composition_knows_the_scheduler() -> None:
    knowing = [
        path.relative_to(ROOT).parts[0]
        for room in ("kadesk", "console", "bot", *BELOW)
        for path in (ROOT / room).rglob("*.py")
        if "import scheduler" in (text := path.read_text(encoding="utf-8")) or "from scheduler" in text
    ]

    assert set(knowing) <= {"kadesk"}


async def rings(job: Job, count: int, patience: float = 10) -> list[datetime]:
    times: list[datetime] = []
    enough = asyncio.Event()

    async def work() -> datetime | None:
        times.append(datetime.now(UTC))
        if len(times) == count:
            enough.set()
        return await job.work()

    clock = schedule([Job(job.name, job.every, work)])
    clock.start()
    try:
        await asyncio.wait_for(enough.wait(), patience)
    finally:
        clock.shutdown(wait=False)
    return times


async def test_a_job_rings_at_once_and_then_in_its_turn() -> None:
    async def work() -> None:
        return None

    times = await rings(Job("sweep", timedelta(milliseconds=200), work), 3)

    assert times[2] - times[0] >= timedelta(milliseconds=390)


async def test_a_job_is_woken_early_when_it_asked() -> None:
    async def work() -> datetime:
        return datetime.now(UTC) + timedelta(milliseconds=100)

    times = await rings(Job("sweep", timedelta(hours=1), work), 3)

    assert times[2] - times[0] < timedelta(seconds=5)


async def rings_while_the_clock_is_set_back(monkeypatch: pytest.MonkeyPatch) -> list[datetime]:
    rung = 0

    async def work() -> None:
        nonlocal rung
        rung += 1
        if rung == 2:  # while the next alarm waits
            asyncio.get_running_loop().call_later(0.1, set_back)

    def set_back() -> None:
        for module in (base, date, scheduler):
            monkeypatch.setattr(module, "datetime", SetBack)

    return await rings(Job("sweep", timedelta(milliseconds=200), work), 4, patience=4)


async def test_a_wall_clock_that_is_set_back_puts_nothing_off(monkeypatch: pytest.MonkeyPatch) -> None:
    times = await rings_while_the_clock_is_set_back(monkeypatch)

    assert len(times) == 4


async def test_the_wall_clock_alone_would_put_it_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler, "SLACK", timedelta(hours=3))

    with pytest.raises(TimeoutError):
        await rings_while_the_clock_is_set_back(monkeypatch)


class SetBack(datetime):
    """What the alarm clock reads after somebody set the clock on the wall."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:
        return datetime.now(tz) - timedelta(hours=2)


async def test_a_failing_job_rings_again() -> None:
    async def work() -> None:
        raise OSError("the disk is full")

    times = await rings(Job("sweep", timedelta(milliseconds=50), work), 3)

    assert len(times) == 3
