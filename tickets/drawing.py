"""Pictures that somebody sent, drawn anew beside the event loop."""

import asyncio

from tickets.pixels import Pixels, draw_anew

AT_ONCE = 2  # pictures that one process draws: each takes some 100 MB while it does


class Drawing:
    """Draws a few pictures at a time."""

    def __init__(self) -> None:
        self._room = asyncio.Semaphore(AT_ONCE)

    async def draw(self, content: bytes) -> Pixels:
        """Raises `NoPicture`, `PictureTooLarge`."""
        async with self._room:
            return await asyncio.to_thread(draw_anew, content)
