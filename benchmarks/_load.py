"""What is asked of a desk that is measured, and how: at a fixed rate, however long each call takes."""

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable

from faq.knowledge import load

Count = Callable[[], Awaitable[int]]


async def open_loop(call: Callable[[int], Awaitable[None]], rate: int, seconds: int) -> list[float]:
    """Milliseconds from when each call was due to its end, sorted; a slow one keeps none of the next back."""
    waits, started = list[float](), time.perf_counter() + 0.1

    async def due(number: int) -> None:
        at = started + number / rate
        await asyncio.sleep(max(0.0, at - time.perf_counter()))
        await call(number)
        waits.append((time.perf_counter() - at) * 1_000)

    await asyncio.gather(*(due(number) for number in range(rate * seconds)))
    return sorted(waits)


async def until(count: Count, number: int) -> None:
    async with asyncio.timeout(300):
        while await count() < number:  # noqa: ASYNC110  # another process counts, and rings no bell
            await asyncio.sleep(0.01)


def questions() -> list[str]:
    """What the seed answers know, in the words that they were written for; not what asks for a person."""
    asked = [
        phrasing.text
        for entry in load()
        if entry.flow not in ("human", "tickets")
        for phrasing in entry.phrasings
        if phrasing.language == "zh"
    ]
    return sorted(dict.fromkeys(asked))


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])
