"""Several pieces of work in one transaction: a commit waits for the disk as long as some of them take together."""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlalchemy.exc import InterfaceError, OperationalError
from sqlmodel.ext.asyncio.session import AsyncSession

from bot.transactions import Transactions

T = TypeVar("T")
Work = Callable[[AsyncSession], Awaitable[T]]

LONGEST = 0.02  # seconds that a transaction takes more work in, for others wait to write
AWAY = (OperationalError, InterfaceError, OSError)  # the database itself: what fails so would fail alone as well


@dataclass(slots=True, eq=False)
class Job:
    """A piece of work, and who waits for its result."""

    work: Work[Any]
    done: asyncio.Future[Any] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    result: Any = None  # until it is committed

    async def do(self, session: AsyncSession) -> None:
        self.result = await self.work(session)

    def tell(self, error: Exception | None = None) -> None:
        if self.done.done():  # nobody waits any more
            return
        if error is None:
            self.done.set_result(self.result)
        else:
            self.done.set_exception(error)


class Together:
    """Takes what arrived while the last transaction ran into the next one.

    Nobody is harmed by company: when one piece of work fails, all is rolled back, and each is done anew by itself.
    """

    def __init__(
        self, database: Transactions, most: int, *, is_urgent: bool = False, guests: "Together | None" = None
    ) -> None:
        """At most `most` pieces of work share a transaction; an urgent one waits for no other but the one that runs.

        Who waits among the `guests` goes with each transaction of ours, at its end, and needs none of their own.
        """
        self._database = database
        self._is_urgent = is_urgent
        self._most = most
        self._guests = guests
        self._waiting: deque[Job] = deque()
        self._running: asyncio.Task[None] | None = None

    async def write(self, work: Work[T]) -> T:
        """Do `work` in a writing transaction; when this returns, it is committed. Raises what the work raises.

        The work may be begun twice, the first time without effect. Cancelling the caller does not take it back.
        """
        job = Job(work)
        self._waiting.append(job)
        if self._running is None:
            # In a task of its own: whoever came first may be cancelled, and the others wait for it.
            self._running = asyncio.create_task(self._run())
        return await job.done  # type: ignore[no-any-return]  # a job does not know the type of its work

    async def _run(self) -> None:
        try:
            while self._waiting:
                await self._share()
        finally:
            self._running = None
            for job in self._waiting:
                job.done.cancel()

    async def _share(self) -> None:
        """One transaction for those who wait."""
        jobs: list[Job] = []  # that were begun
        try:
            async with self._database.writing(is_brief=True, is_urgent=self._is_urgent) as session:
                for job in self._next():
                    jobs.append(job)
                    await job.do(session)
                    if not self._is_urgent:
                        await asyncio.sleep(0)  # brief work waits for nothing: let others of this process have a turn
                for job in self._guests.leave() if self._guests else ():
                    jobs.append(job)
                    await job.do(session)
        except Exception as error:
            await self._part(jobs or list(self.leave()), error)
        else:
            for job in jobs:
                job.tell()

    def _next(self) -> Iterator[Job]:
        """One after the other, for as long as a transaction takes more in."""
        until = time.monotonic() + LONGEST
        for job in self.leave():
            yield job
            if time.monotonic() > until:
                return

    def leave(self) -> Iterator[Job]:
        """Those who wait, and may share a transaction: each goes when it is asked for."""
        for _ in range(self._most):
            if not self._waiting:
                return
            yield self._waiting.popleft()

    async def _part(self, jobs: Sequence[Job], error: Exception) -> None:
        """What was begun together failed: who is to blame, if anybody here is, fails alone."""
        if len(jobs) > 1 and not isinstance(error, AWAY):
            for job in jobs:
                await self._do_alone(job)
            return
        for job in jobs:
            job.tell(error)

    async def _do_alone(self, job: Job) -> None:
        try:
            async with self._database.writing(is_brief=True, is_urgent=self._is_urgent) as session:
                await job.do(session)
        except Exception as error:
            job.tell(error)
        else:
            job.tell()
