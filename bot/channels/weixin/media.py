"""How a file is had from Tencent's platforms, which keep them for three days."""

from collections.abc import Mapping
from typing import Any

from bot.channels.bringing import Bringing, Unusable
from bot.channels.port import Kind
from bot.channels.weixin.api import Api, Tokens
from bot.errors import Ambiguous, DeliveryError, FileAway
from tickets.pixels import BYTES


def bringing(api: Api, tokens: Tokens) -> Bringing:
    """What fetches the pictures of one account."""

    async def download(attachment: Mapping[str, Any]) -> bytes:
        try:
            content = await api.fetch(tokens, "/cgi-bin/media/get", media_id=str(attachment["media_id"]))
        except Ambiguous:
            raise FileAway() from None
        except DeliveryError as error:
            if error.is_permanent:
                raise Unusable("gone") from None
            raise (FileAway(error.retry_after) if error.retry_after else FileAway()) from None
        if len(content) > BYTES:
            raise Unusable("too_large")
        return content

    return Bringing(_is_picture, download)


def _is_picture(attachment: Mapping[str, Any]) -> bool:
    return attachment.get("kind") == Kind.PHOTO and bool(attachment.get("media_id"))
