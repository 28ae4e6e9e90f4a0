"""Pictures that buyers sent: fetched from Telegram within limits, and drawn anew. Nothing else is fetched."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from aiogram import Bot
from aiogram.exceptions import ClientDecodeError, TelegramAPIError, TelegramBadRequest, TelegramNotFound
from aiohttp import ClientError, ClientResponseError

from bot.channels.drawing import Drawing
from bot.channels.port import Inbound, Kind
from bot.channels.telegram.errors import reason_of, translate
from bot.channels.telegram.methods import GetFile
from bot.errors import FileAway
from tickets.errors import NoPicture, PictureTooLarge
from tickets.pixels import BYTES, Pixels

TIMEOUT = 10  # seconds that one file may take, with its wait for others
AT_ONCE = 8  # files that come at a time
GONE = frozenset({400, 403, 404, 410})  # HTTP answers after which the file will never come
ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".gif")


class Unusable(Exception):
    """The picture can never be had; `problem` is why, in a word that stays with the attachment."""

    def __init__(self, problem: str) -> None:
        self.problem = problem


class Files:
    """Fetches for one bot."""

    def __init__(self, bot: Bot) -> None:
        self._bot = bot
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

    async def _bring(self, attachment: Mapping[str, Any]) -> Pixels | Exception | None:
        """The picture, or why not; None of what is none."""
        if not _is_picture(attachment):
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

    async def _download(self, attachment: Mapping[str, Any]) -> bytes:
        if attachment.get("file_size", 0) > BYTES:
            raise Unusable("too_large")
        path = await self._find_path(str(attachment["file_id"]))
        url = self._bot.session.api.file_url(self._bot.token, path)
        content = bytearray()
        try:
            async for chunk in self._bot.session.stream_content(url, timeout=TIMEOUT, raise_for_status=True):
                content += chunk
                if len(content) > BYTES:
                    raise Unusable("too_large")
        except ClientResponseError as error:
            # Without the cause: its words have the address in them, and that has the token.
            raise (Unusable("gone") if error.status in GONE else FileAway()) from None
        except ClientError:
            raise FileAway() from None
        return bytes(content)

    async def _find_path(self, file_id: str) -> str:
        try:
            found = await self._bot(GetFile(file_id=file_id), request_timeout=TIMEOUT)
        except TelegramBadRequest as error:
            raise Unusable("too_large" if "too big" in reason_of(error).lower() else "gone") from None
        except TelegramNotFound:  # the token was good enough to receive the message
            raise Unusable("gone") from None
        except (TelegramAPIError, ClientDecodeError) as error:
            decision = translate(error)
            if decision.is_permanent:
                raise Unusable("gone") from None
            raise (FileAway(decision.retry_after) if decision.retry_after else FileAway()) from None
        path = found.get("file_path")
        if not isinstance(path, str) or not path:
            raise Unusable("gone")
        return path


def _is_picture(attachment: Mapping[str, Any]) -> bool:
    """Whether it may be one; what it truly is its bytes say."""
    if not attachment.get("file_id"):
        return False
    kind, mime = attachment.get("kind"), str(attachment.get("mime_type", "")).lower()
    ending = str(attachment.get("file_name", "")).lower().endswith(ENDINGS)
    return kind == Kind.PHOTO or (kind == Kind.DOCUMENT and (mime.startswith("image/") or (ending and not mime)))


def _named(attachment: Mapping[str, Any], result: object) -> Mapping[str, Any]:
    problem = result.problem if isinstance(result, Unusable) else "away" if isinstance(result, FileAway) else ""
    return {**attachment, "problem": problem} if problem else attachment
