"""One message to a buyer: in parts that fit, its buttons under the last."""

from typing import Any, cast

from aiogram import Bot
from aiogram.exceptions import ClientDecodeError, TelegramAPIError
from aiohttp import ClientTimeout

from bot.channels.telegram import addresses, markup
from bot.channels.telegram.errors import is_bad_markup, translate
from bot.channels.telegram.methods import SendMessage
from bot.errors import Unfinished
from tickets.tables import Message, Outgoing

ROW_WIDTH = 14  # characters of two labels that fit beside each other on a phone
SEND_TIMEOUT = 30  # seconds
CONNECT_TIMEOUT = 10  # seconds, in which nothing is sent yet: a message is not in doubt while Telegram is out of reach
UNNAMED = "?"  # stands for a message that arrived under an id that we cannot read


class Sender:
    """Sends for one bot."""

    def __init__(self, bot: Bot) -> None:
        self._bot = bot
        self._unmarked: set[int] = set()  # messages whose markup Telegram did not take

    async def deliver(self, outgoing: Outgoing, message: Message) -> str:
        """Send the message, or its next part when it is long; Unfinished names the parts that have arrived."""
        parts = markup.parts(message.text)
        arrived = outgoing.foreign_id.split(",") if outgoing.foreign_id else []
        if len(arrived) < len(parts):
            part, is_last = parts[len(arrived)], len(arrived) == len(parts) - 1
            has_markup = part.html is not None and outgoing.message_id not in self._unmarked
            method = _method(outgoing, message, part, has_markup=has_markup, is_last=is_last)
            try:
                arrived.append(await self._send(method))
            except TelegramAPIError as error:
                if not (has_markup and is_bad_markup(error)):
                    raise translate(error) from error
                self._unmarked.add(outgoing.message_id)
        if len(arrived) < len(parts):
            raise Unfinished(foreign_id=",".join(arrived))
        self._unmarked.discard(outgoing.message_id)
        return arrived[-1]

    async def _send(self, method: SendMessage) -> str:
        timeout: Any = ClientTimeout(total=SEND_TIMEOUT, connect=CONNECT_TIMEOUT)  # aiogram hands it on to aiohttp
        try:
            result = await self._bot(method, request_timeout=timeout)
        except ClientDecodeError as error:
            if isinstance(error.data, dict) and error.data.get("ok") is True:
                return UNNAMED  # it arrived, and the rest of the answer is of a shape that we do not know
            raise translate(error) from error
        return str(cast(object, result.get("message_id")) or UNNAMED)


def _method(outgoing: Outgoing, message: Message, part: markup.Part, *, has_markup: bool, is_last: bool) -> SendMessage:
    address = addresses.parse(outgoing.address)
    return SendMessage(
        chat_id=address.chat_id,
        business_connection_id=address.connection or None,
        text=part.html if has_markup and part.html else part.text,
        parse_mode="HTML" if has_markup else None,
        protect_content=True if message.link_id is not None else None,  # a link to a code is nobody else's
        reply_markup=_keyboard(message.buttons) if message.buttons and is_last else None,
    )


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
