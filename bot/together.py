"""Several pieces of work in one transaction: a commit waits for the disk as long as some of them take together."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from sqlalchemy.exc import InterfaceError, OperationalError
from sqlmodel.ext.asyncio.session import AsyncSession

from bot.transactions import Transactions

T = TypeVar("T")
Work = Callable[[AsyncSession], Awaitable[T]]
Job = tuple[Work[Any], asyncio.Future[Any]]

LONGEST = 0.02  # seconds that a transaction takes more work in, for others wait to write
AWAY = (OperationalError, InterfaceError, OSError)  # the database itself: what fails so would fail alone as well


class Together:
    """Takes what arrived while the last transaction ran into the next one.

    Nobody is harmed by company: when one piece of work fails, all is rolled back, and each is done anew by itself.
    """

    def __init__(self, database: Transactions, most: int, *, is_urgent: bool = False) -> None:
        """At most `most` pieces of work share a transaction; an urgent one waits for no other but the one that runs."""
        self._database = database
        self._is_urgent = is_urgent
        self._most = most
        self._waiting: list[Job] = []
        self._running: asyncio.Task[None] | None = None

    async def write(self, work: Work[T]) -> T:
        """Do `work` in a writing transaction; when this returns, it is committed. Raises what the work raises.

        The work may be begun twice, the first time without effect. Cancelling the caller does not take it back.
        """
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append((work, done))
        if self._running is None:
            # In a task of its own: whoever came first may be cancelled, and the others wait for it.
            self._running = asyncio.create_task(self._run())
        return await done

    async def _run(self) -> None:
        try:
            while self._waiting:
                jobs, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
                await self._do(jobs)
        finally:
            self._running = None
            for _, done in self._waiting:
                done.cancel()

    async def _do(self, jobs: list[Job]) -> None:
        results: list[Any] = []
        try:
            async with self._database.writing(is_brief=True, is_urgent=self._is_urgent) as session:
                began = time.monotonic()
                for work, _ in jobs:
                    results.append(await work(session))
                    if time.monotonic() - began > LONGEST:
                        break
                    if not self._is_urgent:
                        await asyncio.sleep(0)  # brief work waits for nothing: let others of this process have a turn
        except Exception as error:
            if len(jobs) > 1 and not isinstance(error, AWAY):
                for job in jobs:
                    await self._do([job])
                return
            for _, done in jobs:
                if not done.done():
                    done.set_exception(error)
            return
        self._waiting[:0] = jobs[len(results) :]  # they are first in the next one
        for (_, done), result in zip(jobs, results, strict=False):
            if not done.done():
                done.set_result(result)
