"""Pictures that buyers sent by a messenger that keeps them: fetched within limits, and drawn anew. Nothing else is."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

from bot.channels.drawing import Drawing
from bot.channels.port import Inbound, Kind
from bot.errors import FileAway
from tickets.errors import NoPicture, PictureTooLarge
from tickets.pixels import Pixels

TIMEOUT = 10  # seconds that one file may take, with its wait for others
AT_ONCE = 8  # files that come at a time

Attachment = Mapping[str, Any]


class Unusable(Exception):
    """The picture can never be had; `problem` is why, in a word that stays with the attachment."""

    def __init__(self, problem: str) -> None:
        self.problem = problem


class Bringing:
    """Fetches for one channel account; how a file is had there, and which may be pictures, the channel knows."""

    def __init__(
        self, is_picture: Callable[[Attachment], bool], download: Callable[[Attachment], Awaitable[bytes]]
    ) -> None:
        """`download` raises `FileAway` and `Unusable`."""
        self._is_picture = is_picture
        self._download = download
        self._drawing = Drawing()
        self._room = asyncio.Semaphore(AT_ONCE)

    async def fetch(self, inbound: Inbound, *, is_last: bool) -> Inbound:
        """See `bot.channels.port.Fetches`."""
        # What an edited message shows came with it before; and what the shop's own people send is no buyer's evidence.
        if inbound.kind == Kind.EDIT or inbound.by_owner:
            return inbound
        brought = await asyncio.gather(*map(self._bring, inbound.attachments))
        away = [one for one in brought if isinstance(one, FileAway)]
        if away and not is_last:
            raise max(away, key=lambda one: one.retry_after)
        pixels = tuple(one for one in brought if isinstance(one, Pixels))
        left = zip(inbound.attachments, brought, strict=True)
        named = (_named(attachment, one) for attachment, one in left if not isinstance(one, Pixels))
        return replace(inbound, attachments=tuple(named), pictures=pixels)

    async def _bring(self, attachment: Attachment) -> Pixels | Exception | None:
        """The picture, or why not; None of what is none."""
        if not self._is_picture(attachment):
            return None
        try:
            async with asyncio.timeout(TIMEOUT), self._room:
                content = await self._download(attachment)
            return await self._drawing.draw(content)
        except TimeoutError:
            return FileAway()
        except (FileAway, Unusable) as error:
            return error
        except PictureTooLarge:
            return Unusable("too_large")
        except NoPicture:
            return Unusable("no_picture")


def _named(attachment: Attachment, result: object) -> Attachment:
    problem = result.problem if isinstance(result, Unusable) else "away" if isinstance(result, FileAway) else ""
    return {**attachment, "problem": problem} if problem else attachment
