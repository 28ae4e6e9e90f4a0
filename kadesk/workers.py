"""What runs beside the web server for as long as it serves: whatever of it ends by itself is begun again, and counted.

Nothing of it ends the process: buyers are heard, answered and escalated as far as the rest goes, and a fault that comes
back would come back in a new process too. It is said in the log, in /metrics, by /healthz and on the console's pages.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from bot.faults import place_of

log = logging.getLogger(__name__)

FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0  # seconds until one that ended is begun again; it doubles
LASTED = 60.0  # seconds after which one that was begun again is taken for well


@dataclass(frozen=True, slots=True)
class Worker:
    """Does one thing until it is cancelled, and may be begun again."""

    name: str  # as the log and /metrics call it
    run: Callable[[], Coroutine[Any, Any, None]]


class Workers:
    """Those of this process."""

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self.ended = Counter[str]()  # how often each ended by itself, by its name
        self._troubled: dict[str, asyncio.TimerHandle] = {}  # those that have not lasted since

    @property
    def names(self) -> list[str]:
        return sorted(self._tasks)

    @property
    def down(self) -> list[str]:
        """Those that ended by themselves and have not lasted since."""
        return sorted(self._troubled)

    def start(self, *workers: Worker) -> None:
        for worker in workers:
            self._tasks[worker.name] = asyncio.create_task(self._keep(worker))

    async def stop(self, *names: str) -> None:
        """Cancel these, all without names, and wait for their end."""
        tasks = [self._tasks[name] for name in names or self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _keep(self, worker: Worker) -> None:
        """Begin the work again, later each time, until it lasts."""
        wait, loop = FIRST_WAIT, asyncio.get_running_loop()
        while True:
            begun = loop.time()
            reason = await _work(worker)
            wait = FIRST_WAIT if loop.time() - begun >= LASTED else wait
            self._count(worker.name, wait)
            log.error("%s ended: %s; it is begun again in %.0f s", worker.name, reason, wait)
            await asyncio.sleep(wait)
            wait = min(wait * 2, LONGEST_WAIT)

    def _count(self, name: str, wait: float) -> None:
        self.ended[name] += 1
        if name in self._troubled:
            self._troubled[name].cancel()
        recovery = asyncio.get_running_loop().call_later(wait + LASTED, self._troubled.pop, name)
        self._troubled[name] = recovery


async def _work(worker: Worker) -> str:
    """Why it ended. In a task of its own: that the work cancels itself is no wish of ours to stop it."""
    task = asyncio.create_task(_run(worker))
    try:
        await asyncio.wait([task])
    finally:
        if not task.done():  # we are stopped
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
    if task.cancelled():
        return "it was cancelled"
    error = task.exception()
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return place_of(error) if error else "it had no more to do"


async def _run(worker: Worker) -> None:
    await worker.run()
