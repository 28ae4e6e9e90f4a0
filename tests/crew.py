"""A crew: processes of several workers each that start at one word, and report what they did as JSON."""

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from sqlalchemy import text

from kadesk.database import Database

HERE = Path(__file__).parent
ROOT = HERE.parent
PROCESSES, WORKERS_EACH = 4, 4
WORKERS = PROCESSES * WORKERS_EACH


async def gather(script: Path, url: str, way: str) -> list[list[Any]]:
    """Run `script URL WAY FIRST COUNT` in every process, from one start; what all of them reported."""
    processes = [await _start(script, url, way, 1 + number * WORKERS_EACH) for number in range(PROCESSES)]
    try:
        for process in processes:
            assert process.stdout is not None
            assert await process.stdout.readline() == b"ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write(b"go\n")
        reports = [json.loads((await process.communicate())[0]) for process in processes]
    finally:
        for process in processes:
            if process.returncode is None:
                process.kill()
                await process.wait()
    return [entry for report in reports for entry in report]


async def _start(script: Path, url: str, way: str, first: int) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, str(script), url, way, str(first), str(WORKERS_EACH)),
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{HERE}"},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=2**24,
    )


def tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(work: Callable[[Database, str, int], Awaitable[list[list[Any]]]]) -> None:
    """What a script of a crew does: `work(database, way, worker)` in each of its workers, once the word is given."""
    url, way, first, count = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    tell(json.dumps(asyncio.run(_work(work, url, way, range(first, first + count)))))


async def _work(
    work: Callable[[Database, str, int], Awaitable[list[list[Any]]]], url: str, way: str, workers: range
) -> list[list[Any]]:
    database = Database(url)
    async with database.reading() as session:  # connected before the start
        await session.exec(text("SELECT 1"))
    tell("ready")
    await asyncio.to_thread(sys.stdin.readline)
    parts = await asyncio.gather(*(work(database, way, worker) for worker in workers))
    await database.close()
    return [entry for part in parts for entry in part]
