"""How a file is had from Tencent's platforms, and handed to them: they keep it for three days."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from bot.channels.bringing import Bringing, Unusable
from bot.channels.parts import UNNAMED, arrived, lost, told
from bot.channels.port import Kind, Photo
from bot.channels.weixin.api import Api, Tokens
from bot.channels.weixin.errors import AnswerTooLong
from bot.errors import Ambiguous, DeliveryError, FileAway, MediaGone, Unfinished
from tickets.tables import Outgoing
from tickets.taking_back import LOST

KEPT = timedelta(days=3) - timedelta(hours=1)

# Sends one message to its buyer: which part of ours it is, and its content; the platform's id of it, if any.
Say = Callable[[int, dict[str, Any]], Awaitable[str]]


def bringing(api: Api, tokens: Tokens) -> Bringing:
    """What fetches the pictures and files of one account."""

    async def download(attachment: Mapping[str, Any], limit: int) -> bytes:
        try:
            return await api.fetch(tokens, "/cgi-bin/media/get", limit, media_id=str(attachment["media_id"]))
        except AnswerTooLong:
            raise Unusable("too_large") from None
        except Ambiguous:
            raise FileAway() from None
        except DeliveryError as error:
            if error.is_permanent:
                raise Unusable("gone") from None
            raise (FileAway(error.retry_after) if error.retry_after else FileAway()) from None

    return Bringing(_is_picture, download)


def _is_picture(attachment: Mapping[str, Any]) -> bool:
    return attachment.get("kind") == Kind.PHOTO and bool(attachment.get("media_id"))


async def send_next(
    api: Api, tokens: Tokens, outgoing: Outgoing, texts: Sequence[dict[str, Any]], photos: Sequence[Photo], say: Say
) -> str:
    """The next of these messages, words before pictures; see `bot.channels.port.SendsPictures`."""
    ids, total = arrived(outgoing), len(texts) + len(photos)
    part = len(ids)
    if part < len(texts):
        ids.append(await say(part, texts[part]) or UNNAMED)
    elif part < total:
        ids.append(await _show(api, tokens, photos[part - len(texts)], part, say) or UNNAMED)
    known = told([*(LOST + one for one in lost(outgoing)), *ids])
    if len(ids) < total:
        raise Unfinished(foreign_id=known)
    return known


async def _show(api: Api, tokens: Tokens, photo: Photo, part: int, say: Say) -> str:
    """Each picture is handed over once; again only where the platform has lost it."""
    if media_id := await photo.name(KEPT):
        try:
            return await say(part, _image(media_id))
        except MediaGone:
            await photo.call("")
    media_id = await api.upload(tokens, "/cgi-bin/media/upload", await photo.jpeg(), type="image")
    await photo.call(media_id)
    return await say(part, _image(media_id))


def _image(media_id: str) -> dict[str, Any]:
    return {"msgtype": "image", "image": {"media_id": media_id}}
