"""How a file is had from Telegram."""

from collections.abc import Mapping
from typing import Any

from aiogram import Bot
from aiogram.exceptions import ClientDecodeError, TelegramAPIError, TelegramBadRequest, TelegramNotFound
from aiohttp import ClientError, ClientResponseError

from bot.channels.bringing import TIMEOUT, Bringing, Unusable, may_be_picture
from bot.channels.telegram.errors import reason_of, translate
from bot.channels.telegram.methods import GetFile
from bot.errors import FileAway

GONE = frozenset({400, 403, 404, 410})  # HTTP answers after which the file will never come


class Files:
    """Fetches for one bot."""

    def __init__(self, bot: Bot) -> None:
        self._bot = bot
        self.fetch = Bringing(may_be_picture, self._download).fetch

    async def _download(self, attachment: Mapping[str, Any], limit: int) -> bytes:
        if not attachment.get("file_id"):
            raise Unusable("gone")
        if attachment.get("file_size", 0) > limit:
            raise Unusable("too_large")
        path = await self._find_path(str(attachment["file_id"]))
        url = self._bot.session.api.file_url(self._bot.token, path)
        content = bytearray()
        try:
            async for chunk in self._bot.session.stream_content(url, timeout=TIMEOUT, raise_for_status=True):
                content += chunk
                if len(content) > limit:
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
