"""Workers of a server that end by themselves: begun again, later each time, and told of."""

import asyncio
from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from kadesk import metrics, workers
from kadesk.database import Database
from kadesk.workers import Worker, Workers


@pytest.fixture
async def crew(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Workers]:
    monkeypatch.setattr(workers, "FIRST_WAIT", 0.01)
    crew = Workers()
    yield crew
    await crew.stop()


async def until(is_true: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not is_true():  # noqa: ASYNC110  # it happens in another task
            await asyncio.sleep(0.005)


class Breaking:
    """Ends in this way the first so many times, then works on."""

    def __init__(self, times: int, end: Callable[[], Any]) -> None:
        self.times, self.end = times, end
        self.begun: list[float] = []

    async def run(self) -> None:
        self.begun.append(asyncio.get_running_loop().time())
        if len(self.begun) <= self.times:
            self.end()
            return
        await asyncio.Event().wait()


def fail() -> None:
    raise ValueError("a code that nobody may read in the log")


def cancel_itself() -> None:
    raise asyncio.CancelledError


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        pytest.param(fail, "ValueError at tests/kadesk/test_workers.py", id="an error"),
        pytest.param(cancel_itself, "it was cancelled", id="it cancels itself"),
        pytest.param(lambda: None, "it had no more to do", id="it returns"),
    ],
)
async def test_a_worker_that_ends_is_noticed_at_once_and_begun_again(
    crew: Workers, caplog: pytest.LogCaptureFixture, end: Callable[[], Any], reason: str
) -> None:
    broken, well = Breaking(2, end), Breaking(0, fail)

    crew.start(Worker("inbox", broken.run), Worker("watchman", well.run))
    await until(lambda: len(broken.begun) == 3)

    assert (crew.ended["inbox"], crew.ended["watchman"], len(well.begun)) == (2, 0, 1)
    assert crew.down == ["inbox"]
    assert caplog.text.count(f"inbox ended: {reason}") == 2
    assert "nobody may read" not in caplog.text


async def test_each_pause_is_longer_until_it_lasts(crew: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "LASTED", 0.1)
    broken = Breaking(4, fail)

    crew.start(Worker("inbox", broken.run))
    await until(lambda: len(broken.begun) == 5)
    pauses = [later - earlier for earlier, later in zip(broken.begun, broken.begun[1:], strict=False)]
    was_down = crew.down
    await until(lambda: not crew.down)

    assert all(pause >= 0.01 * 2**number for number, pause in enumerate(pauses)), pauses
    assert was_down == ["inbox"]


async def test_stopping_waits_for_the_end_and_begins_nothing_again(crew: Workers) -> None:
    ended: list[str] = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.01)
            ended.append("tidied up")

    crew.start(Worker("delivery", work), Worker("inbox", work))
    await asyncio.sleep(0.01)
    await crew.stop("delivery")
    first = list(ended)
    await crew.stop()

    assert (first, len(ended), crew.ended.total()) == (["tidied up"], 2, 0)


async def test_without_a_task_of_its_own_one_that_cancels_itself_would_be_lost(
    crew: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def careless(worker: Worker) -> str:
        await worker.run()
        return ""

    monkeypatch.setattr(workers, "_work", careless)
    broken = Breaking(1, cancel_itself)

    crew.start(Worker("inbox", broken.run))
    await asyncio.sleep(0.05)

    assert (len(broken.begun), crew.ended.total()) == (1, 0)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_watcher_reads_which_part_fails_and_how_often(database: Database, crew: Workers) -> None:
    crew.start(Worker("inbox", Breaking(1, fail).run), Worker("watchman", Breaking(0, fail).run))
    await until(lambda: crew.ended.total())
    settings = SimpleNamespace(metrics=SimpleNamespace(token=SecretStr("")), bots=())
    app = FastAPI()
    app.include_router(metrics.router(SimpleNamespace(database=database, settings=settings, workers=crew)))  # type: ignore[arg-type]
    transport = httpx.ASGITransport(app=app, client=("127.0.0.1", 1))

    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as visitor:
        told = (await visitor.get("/metrics")).text

    assert 'kadesk_worker_ended{worker="inbox"} 1.0' in told
    assert 'kadesk_worker_down{worker="inbox"} 1.0' in told
    assert 'kadesk_worker_down{worker="watchman"} 0.0' in told
