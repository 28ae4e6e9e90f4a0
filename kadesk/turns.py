"""Whose turn it is to write, where one writes at a time."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Turns:
    """First come, first served, but for what is urgent: that is next, though never twice while others wait."""

    def __init__(self) -> None:
        self._waiting: dict[bool, deque[asyncio.Future[None]]] = {True: deque(), False: deque()}
        self._is_taken = False
        self._was_urgent = False

    @asynccontextmanager
    async def take(self, is_urgent: bool = False) -> AsyncIterator[None]:
        """The turn is the caller's until the block ends."""
        if self._is_taken:
            await self._wait(is_urgent)
        self._is_taken, self._was_urgent = True, is_urgent
        try:
            yield
        finally:
            self._pass_on()

    async def _wait(self, is_urgent: bool) -> None:
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[is_urgent].append(mine)
        try:
            await mine
        except asyncio.CancelledError:
            if mine.done() and not mine.cancelled():
                self._pass_on()  # it became ours in the moment in which we gave up
            raise

    def _pass_on(self) -> None:
        """To the next who still waits; it stays taken until they go on, so that nobody slips in between."""
        for line in (self._waiting[not self._was_urgent], self._waiting[self._was_urgent]):
            while line:
                one = line.popleft()
                if not one.done():
                    one.set_result(None)
                    return
        self._is_taken = False
