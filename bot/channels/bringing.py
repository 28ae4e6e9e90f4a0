"""What buyers sent by a messenger that keeps it: pictures are drawn anew, other files kept as they are."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

from bot.channels.port import Inbound, Kind
from bot.errors import FileAway
from tickets.drawing import Drawing
from tickets.errors import NoPicture, PictureTooLarge
from tickets.file_kinds import File, recognise
from tickets.pixels import BYTES, Pixels

TIMEOUT = 10  # seconds that one file may take, with its wait for others
AT_ONCE = 8  # files that come at a time
ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".gif")  # of pictures
FILES = frozenset({Kind.DOCUMENT, Kind.VOICE, Kind.VIDEO})  # kinds that are kept

Attachment = Mapping[str, Any]


class Unusable(Exception):
    """It can never be had; `problem` is why, in a word that stays with the attachment."""

    def __init__(self, problem: str, **facts: int) -> None:
        self.problem = problem
        self.facts = facts


class Bringing:
    """Fetches for one channel account; how a file is had there, and which may be pictures, the channel knows."""

    def __init__(
        self,
        is_picture: Callable[[Attachment], bool],
        download: Callable[[Attachment, int], Awaitable[bytes]],
    ) -> None:
        """`download` gives at most so many bytes; it raises `FileAway`, and `Unusable` with "too_large" or "gone"."""
        self._is_picture = is_picture
        self._download = download
        self._drawing = Drawing()
        self._room = asyncio.Semaphore(AT_ONCE)

    async def fetch(self, inbound: Inbound, *, is_last: bool, file_limit: int = 0) -> Inbound:
        """See `bot.channels.port.Fetches`."""
        # What an edited message shows came with it before; and what the shop's own people send is no buyer's evidence.
        if inbound.kind == Kind.EDIT or inbound.by_owner:
            return inbound
        brought = await asyncio.gather(*(self._bring(one, file_limit) for one in inbound.attachments))
        away = [one for one in brought if isinstance(one, FileAway)]
        if away and not is_last:
            raise max(away, key=lambda one: one.retry_after)
        left = zip(inbound.attachments, brought, strict=True)
        return replace(
            inbound,
            attachments=tuple(_named(*one) for one in left if not isinstance(one[1], Pixels | File)),
            pictures=tuple(one for one in brought if isinstance(one, Pixels)),
            files=tuple(one for one in brought if isinstance(one, File)),
        )

    async def _bring(self, attachment: Attachment, file_limit: int) -> Pixels | File | Exception | None:
        """The picture or file, or why not; None of what is neither."""
        try:
            async with asyncio.timeout(TIMEOUT), self._room:
                if self._is_picture(attachment):
                    content = await self._download(attachment, BYTES)
                elif file_limit and attachment.get("kind") in FILES:
                    return await self._bring_file(attachment, file_limit)
                else:
                    return None
            return await self._drawing.draw(content)
        except TimeoutError:
            return FileAway()
        except (FileAway, Unusable) as error:
            return error
        except PictureTooLarge:
            return Unusable("too_large")
        except NoPicture:
            return Unusable("no_picture")

    async def _bring_file(self, attachment: Attachment, limit: int) -> File | None:
        """A voice or video of a kind that is not kept is named as any other: its sender chose no kind."""
        try:
            content = await self._download(attachment, limit)
        except Unusable as error:
            if error.problem == "too_large":
                raise Unusable("file_too_large", megabytes=limit >> 20) from None
            raise
        file = recognise(content, attachment)
        if file is None and attachment["kind"] == Kind.DOCUMENT:
            raise Unusable("file_kind")
        return file


def may_be_picture(attachment: Attachment) -> bool:
    """Whether something that came by the Bot API may be one; what it truly is its bytes say."""
    if not attachment.get("file_id"):
        return False
    kind, mime = attachment.get("kind"), str(attachment.get("mime_type", "")).lower()
    ending = str(attachment.get("file_name", "")).lower().endswith(ENDINGS)
    return kind == Kind.PHOTO or (kind == Kind.DOCUMENT and (mime.startswith("image/") or (ending and not mime)))


def _named(attachment: Attachment, result: object) -> Attachment:
    if isinstance(result, Unusable):
        return {**attachment, "problem": result.problem, **result.facts}
    return {**attachment, "problem": "away"} if isinstance(result, FileAway) else attachment
