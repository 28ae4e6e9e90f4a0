"""A bell that says "there is work": a hint that saves a worker's next look, never the record of what is to do."""

import asyncio


class Bell:
    """Rung by whoever committed work, waited for by the one who does it."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def ring(self) -> None:
        self._event.set()

    async def wait(self, seconds: float) -> None:
        """Return when it rings, or has rung since the last wait, and after `seconds` at the latest."""
        try:
            async with asyncio.timeout(seconds):
                await self._event.wait()
        except TimeoutError:
            return
        finally:
            self._event.clear()
