"""Shows a follower that an answer is being written. It is a courtesy: it fails silently, and gives way when busy."""

import asyncio
from collections.abc import Awaitable, Callable

from bot.errors import DeliveryError

MOST = 8  # followers who are told at a time


class Typing:
    """Of one account; `show` asks the platform for it."""

    def __init__(self, show: Callable[[str], Awaitable[object]]) -> None:
        self._show = show
        self._under_way: dict[str, asyncio.Task[None]] = {}

    def begin(self, address: str) -> None:
        """The platform shows it for 15 seconds, or until a message comes."""
        if address not in self._under_way and len(self._under_way) < MOST:
            self._under_way[address] = asyncio.create_task(self._try(address))

    async def close(self) -> None:
        for task in self._under_way.values():
            task.cancel()
        await asyncio.gather(*self._under_way.values(), return_exceptions=True)

    async def _try(self, address: str) -> None:
        try:
            await self._show(address)
        except DeliveryError:
            return
        finally:
            del self._under_way[address]
