"""A crew: processes of several workers each that start at one word, and report what they did as JSON.

One process imports all that they need and forks them: each by itself would take seconds for that.
"""

import asyncio
import gc
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

from sqlalchemy import text

from kadesk.database import Database

HERE = Path(__file__).parent
ROOT = HERE.parent
PROCESSES, WORKERS_EACH = 4, 4
WORKERS = PROCESSES * WORKERS_EACH

Work = Callable[[Database, str, int], Awaitable[list[list[Any]]]]


async def gather(script: Path, url: str, way: str) -> list[list[Any]]:
    """Run `script URL WAY`, whose processes all begin at once; what all of them reported."""
    crew = await asyncio.create_subprocess_exec(
        *(sys.executable, str(script), url, way),
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{HERE}"},
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        told, _ = await crew.communicate()
    finally:
        if crew.returncode is None:
            os.killpg(crew.pid, signal.SIGKILL)
            await crew.wait()
    assert crew.returncode == 0, f"{script.name} {way} ended with {crew.returncode}; standard error has why"
    return [entry for line in told.splitlines() for entry in json.loads(line)]


class Hand:
    """One process of a crew: ready once its workers are connected, at work once the word is given."""

    def __init__(self, work: Work, url: str, way: str, workers: Iterable[int]) -> None:
        (self._readiness, ready), (word, self._word), (self._report, report) = os.pipe(), os.pipe(), os.pipe()
        mine, its = (self._readiness, self._word, self._report), (ready, word, report)
        self._process = os.fork()
        for end in mine if self._process == 0 else its:
            os.close(end)
        if self._process == 0:
            done = asyncio.run(_work(work, url, way, workers, *its[:2]))
            with os.fdopen(report, "w") as told:
                json.dump(done, told)
            os._exit(0)

    def expect(self) -> None:
        assert os.read(self._readiness, 1), "it ended before it was ready"

    def go(self) -> None:
        os.write(self._word, b".")

    def tell(self) -> str:
        with os.fdopen(self._report) as told:
            report = told.read()
        assert os.waitpid(self._process, 0)[1] == 0
        return report


def main(work: Work) -> None:
    """What a script of a crew does: `work(database, way, worker)` in each of its workers, once the word is given."""
    url, way = sys.argv[1:]
    gc.freeze()  # else the first collection of each copies all that they share
    hands = [
        Hand(work, url, way, range(1 + number * WORKERS_EACH, 1 + (number + 1) * WORKERS_EACH))
        for number in range(PROCESSES)
    ]
    for hand in hands:
        hand.expect()
    for hand in hands:
        hand.go()
    for hand in hands:
        sys.stdout.write(f"{hand.tell()}\n")


async def _work(work: Work, url: str, way: str, workers: Iterable[int], ready: int, word: int) -> list[list[Any]]:
    database = Database(url)
    async with database.reading() as session:  # connected before the start
        await session.exec(text("SELECT 1"))
    os.write(ready, b".")
    await asyncio.to_thread(os.read, word, 1)
    parts = await asyncio.gather(*(work(database, way, worker) for worker in workers))
    await database.close()
    return [entry for part in parts for entry in part]
