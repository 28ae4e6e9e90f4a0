"""One message to a buyer: in parts that fit, its buttons under the last."""

from typing import Any

from aiogram import Bot
from aiogram.exceptions import ClientDecodeError, TelegramAPIError

from bot.channels.telegram.errors import translate
from bot.channels.telegram.methods import SendMessage
from bot.errors import Ambiguous, DeliveryError
from tickets.tables import Message, Outgoing

TEXT_LIMIT = 4096  # UTF-16 units of one message
ROW_WIDTH = 14  # characters of two labels that fit beside each other on a phone
SEND_TIMEOUT = 30  # seconds


class Sender:
    """Sends for one bot."""

    def __init__(self, bot: Bot) -> None:
        self._bot = bot
        self._parts_sent: dict[int, int] = {}  # of messages that were cut short by an error, by message id

    async def deliver(self, outgoing: Outgoing, message: Message) -> str:
        """Send the message, in parts when it is long; a part that went out before an error is not sent again."""
        parts = split(message.text)
        done = self._parts_sent.pop(outgoing.message_id, 0)
        sent = ""
        for number, part in list(enumerate(parts))[done:]:
            markup = _keyboard(message.buttons) if message.buttons and number == len(parts) - 1 else None
            try:
                sent = await self._send(SendMessage(chat_id=outgoing.address, text=part, reply_markup=markup))
            except DeliveryError as error:
                if not error.is_permanent:
                    self._parts_sent[outgoing.message_id] = number
                raise
        return sent

    async def _send(self, method: SendMessage) -> str:
        try:
            result = await self._bot(method, request_timeout=SEND_TIMEOUT)
        except ClientDecodeError as error:  # it answered, only not in words that we know
            raise Ambiguous from error
        except TelegramAPIError as error:
            raise translate(error) from error
        return str(result.get("message_id", ""))


def split(text: str, limit: int = TEXT_LIMIT) -> list[str]:
    """The text in parts that fit, cut at line ends or spaces where there are any."""
    parts = []
    while _width(text) > limit:
        end = _fitting(text, limit)
        cut = max(text.rfind("\n", end // 2, end), text.rfind(" ", end // 2, end)) + 1 or end
        parts.append(text[:cut].rstrip())
        text = text[cut:].lstrip()
    return [*parts, text] if text or not parts else parts


def _width(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _fitting(text: str, limit: int) -> int:
    """How many characters fit into `limit` UTF-16 units: an emoji counts as two."""
    width = 0
    for place, character in enumerate(text):
        width += 2 if ord(character) > 0xFFFF else 1
        if width > limit:
            return place
    return len(text)


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
