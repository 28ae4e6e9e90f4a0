"""One message to a buyer: its pictures together, then the text in parts that fit, its buttons under the last."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from aiogram import Bot
from aiogram.exceptions import ClientDecodeError, TelegramAPIError
from aiogram.methods import TelegramMethod
from aiogram.types import BufferedInputFile
from aiohttp import ClientTimeout

from bot.channels.botapi.lengths import CAPTION_LIMIT
from bot.channels.parts import UNNAMED, arrived, told
from bot.channels.port import Photo
from bot.channels.telegram import addresses, markup
from bot.channels.telegram.errors import is_bad_markup, translate
from bot.channels.telegram.methods import SendMediaGroup, SendMessage, SendPhoto
from bot.channels.telegram.topics import Topics
from bot.errors import Unfinished
from tickets.tables import Message, Outgoing

ROW_WIDTH = 14  # characters of two labels that fit beside each other on a phone
SEND_TIMEOUT = 30  # seconds
UPLOAD_TIMEOUT = 90  # seconds for pictures
CONNECT_TIMEOUT = 10  # seconds, in which nothing is sent yet: a message is not in doubt while Telegram is out of reach


class Sender:
    """Sends for one bot."""

    def __init__(self, bot: Bot, topics: Topics | None) -> None:
        """`topics` of buyers' own chats; None: there are none."""
        self._bot = bot
        self._topics = topics
        self._unmarked: set[int] = set()  # messages whose markup Telegram did not take

    async def deliver(self, outgoing: Outgoing, message: Message, photos: Sequence[Photo] = ()) -> str:
        """Send the message, or its next part when it has several; Unfinished names the parts that have arrived.

        Pictures go first, in one call, with as much of the text below them as fits; each has an id of its own.
        """
        caption, parts = _divide(message.text, has_pictures=bool(photos))
        ids, total = arrived(outgoing), len(photos) + len(parts)
        if len(ids) < total:
            is_pictures, is_last = len(ids) < len(photos), not parts or len(ids) == total - 1
            part = caption if is_pictures else parts[len(ids) - len(photos)]
            has_markup = part.html is not None and outgoing.message_id not in self._unmarked
            words = _words(part, "caption" if is_pictures else "text", has_markup=has_markup)
            facts = words | _facts(outgoing, message, is_last=is_last)
            try:
                ids += await self._put(outgoing, facts, photos if is_pictures else ())
            except TelegramAPIError as error:
                if not (has_markup and is_bad_markup(error)):
                    raise translate(error) from error
                self._unmarked.add(outgoing.message_id)
        if len(ids) < total:
            raise Unfinished(foreign_id=told(ids))
        self._unmarked.discard(outgoing.message_id)
        return told(ids) if photos else ids[-1]

    async def _put(self, outgoing: Outgoing, facts: Mapping[str, Any], photos: Sequence[Photo]) -> list[str]:
        """Where in the chat it belongs."""

        async def send(thread: int | None) -> list[str]:
            there = facts if thread is None else {**facts, "message_thread_id": thread}
            return await (self._show(there, photos) if photos else self._say(there))

        return await (self._topics.send(outgoing, send) if self._topics else send(None))

    async def _say(self, facts: Mapping[str, Any]) -> list[str]:
        return [_id_of(await self._send(SendMessage(**facts), SEND_TIMEOUT))]

    async def _show(self, facts: Mapping[str, Any], photos: Sequence[Photo]) -> list[str]:
        """An id for each picture."""
        files = [BufferedInputFile(await photo.jpeg(), "picture.jpg") for photo in photos]
        if len(files) == 1:
            return [_id_of(await self._send(SendPhoto(photo=files[0], **facts), UPLOAD_TIMEOUT))]
        words = {name: facts[name] for name in ("caption", "parse_mode") if name in facts}
        media: list[dict[str, Any]] = [{"type": "photo", "media": file} for file in files]
        media[0] |= words
        place = {name: value for name, value in facts.items() if name not in (*words, "reply_markup")}
        sent = await self._send(SendMediaGroup(media=media, **place), UPLOAD_TIMEOUT)
        known = [_id_of(one) for one in sent] if isinstance(sent, list) else []
        return [*known, *[UNNAMED] * len(photos)][: len(photos)]

    async def _send(self, method: TelegramMethod[Any], seconds: float) -> object:
        """The result; None where it arrived, and the answer is of a shape that we do not know."""
        timeout: Any = ClientTimeout(total=seconds, connect=CONNECT_TIMEOUT)  # aiogram hands it on to aiohttp
        try:
            return cast(object, await self._bot(method, request_timeout=timeout))
        except ClientDecodeError as error:
            if isinstance(error.data, dict) and error.data.get("ok") is True:
                return None
            raise translate(error) from error


def _id_of(result: object) -> str:
    return str((result.get("message_id") if isinstance(result, Mapping) else None) or UNNAMED)


def _divide(text: str, *, has_pictures: bool) -> tuple[markup.Part, list[markup.Part]]:
    """What stands below the pictures, and the messages that follow them."""
    if not has_pictures:
        return markup.Part(""), markup.parts(text)
    caption, *rest = markup.parts(text, first=CAPTION_LIMIT)
    return caption, rest


def _words(part: markup.Part, name: str, *, has_markup: bool) -> dict[str, Any]:
    if not part.text and name == "caption":
        return {}
    return {name: part.html, "parse_mode": "HTML"} if has_markup and part.html else {name: part.text}


def _facts(outgoing: Outgoing, message: Message, *, is_last: bool) -> dict[str, Any]:
    address = addresses.parse(outgoing.address)
    return {
        "chat_id": address.chat_id,
        "business_connection_id": address.connection or None,
        "protect_content": True if message.link_id is not None else None,  # a link to a code is nobody else's
        "reply_markup": _keyboard(message.buttons) if message.buttons and is_last else None,
    }


def _keyboard(buttons: list[dict[str, str]]) -> dict[str, Any]:
    """Two short labels to a row, a long one alone."""
    rows: list[list[dict[str, str]]] = []
    for button in buttons:
        key = {"text": button["text"], "callback_data": button["handle"]}
        if rows and len(rows[-1]) == 1 and len(rows[-1][0]["text"]) + len(key["text"]) <= ROW_WIDTH:
            rows[-1].append(key)
        else:
            rows.append([key])
    return {"inline_keyboard": rows}
