"""Telegram for buyers, by long polling. All that is Telegram's stops here: its addresses, limits, errors and shapes.

Updates are read as plain JSON, not through aiogram's types: one update of a new or odd shape must not hold up the rest.
An offset is confirmed only after its updates are committed; what comes twice is dropped at the door.
"""

import asyncio
import json
import logging
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from aiogram import Bot
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.exceptions import (
    AiogramError,
    ClientDecodeError,
    TelegramAPIError,
    TelegramBadRequest,
    TelegramConflictError,
    TelegramEntityTooLarge,
    TelegramForbiddenError,
    TelegramNetworkError,
    TelegramNotFound,
    TelegramRetryAfter,
    TelegramServerError,
    TelegramUnauthorizedError,
)
from aiogram.methods import TelegramMethod
from aiogram.types import LinkPreviewOptions
from aiogram.utils.token import TokenValidationError
from aiohttp import ClientConnectorError

from bot.channels.port import Accept, Inbound, Kind, Update
from bot.errors import Ambiguous, BadToken, BuyerUnreachable, ChannelDown, DeliveryError, RateLimited, Refused
from bot.faults import place_of
from tickets.tables import Message, Outgoing

log = logging.getLogger(__name__)

KINDS = ("message", "callback_query")
TEXT_LIMIT = 4096  # UTF-16 units of one message
ROW_WIDTH = 14  # characters of two labels that fit beside each other on a phone
SEND_TIMEOUT = 30  # seconds
LONGEST_WAIT = timedelta(minutes=1)  # between looks while Telegram does not answer


class GetMe(TelegramMethod[dict[str, Any]]):
    __returning__ = dict[str, Any]
    __api_method__ = "getMe"


class DeleteWebhook(TelegramMethod[bool]):
    __returning__ = bool
    __api_method__ = "deleteWebhook"


class GetUpdates(TelegramMethod[list[dict[str, Any]]]):
    __returning__ = list[dict[str, Any]]
    __api_method__ = "getUpdates"

    offset: int | None = None
    timeout: int
    allowed_updates: tuple[str, ...] = KINDS


class SendMessage(TelegramMethod[dict[str, Any]]):
    """Plain text: without parse_mode nothing in it is markup."""

    __returning__ = dict[str, Any]
    __api_method__ = "sendMessage"

    chat_id: str
    text: str
    reply_markup: dict[str, Any] | None = None
    link_preview_options: LinkPreviewOptions = LinkPreviewOptions(is_disabled=True)


class AnswerCallbackQuery(TelegramMethod[bool]):
    __returning__ = bool
    __api_method__ = "answerCallbackQuery"

    callback_query_id: str


class Telegram:
    """The channel `telegram`: one bot."""

    name = "telegram"

    def __init__(
        self,
        token: str,
        api_base: str = "https://api.telegram.org",
        *,
        poll: timedelta = timedelta(seconds=25),  # how long Telegram holds a look open while nothing happens
        first_wait: timedelta = timedelta(seconds=1),  # before the second look after an error; it doubles
    ) -> None:
        """Raises BadToken."""
        server = TelegramAPIServer.from_base(api_base)
        try:
            self._bot = Bot(token, session=AiohttpSession(api=server))
        except TokenValidationError:
            raise BadToken from None
        self.account = str(self._bot.id)
        self._poll = max(1, round(poll.total_seconds()))
        self._first_wait = first_wait
        self._parts_sent: dict[int, int] = {}  # of messages that were cut short by an error, by message id
        self._side: set[asyncio.Task[None]] = set()

    # Receiving

    async def run(self, accept: Accept) -> None:
        """Look for updates until cancelled."""
        wait, is_ready, offset = self._first_wait, False, None
        try:
            while True:
                try:
                    if not is_ready:
                        await self._prepare()
                        is_ready = True
                    offset = await self._look(accept, offset)
                    wait = self._first_wait
                except Exception as error:
                    is_ready = is_ready and not isinstance(error, TelegramConflictError)
                    wait = await self._sit_out(error, wait)
        finally:
            await self._bot.session.close()

    async def _prepare(self) -> None:
        """Check the token; a webhook that is still set would refuse our looks."""
        me = await self._bot(GetMe())
        try:
            await self._bot(DeleteWebhook())
        except (TelegramBadRequest, TelegramNotFound):
            log.warning("telegram: the webhook could not be removed")
        log.info("telegram: receiving as @%s", me.get("username", self.account))

    async def _look(self, accept: Accept, offset: int | None) -> int | None:
        """One look: store what came, and only then return the offset that confirms it."""
        method = GetUpdates(offset=offset, timeout=self._poll)
        raw = await self._bot(method, request_timeout=self._poll + 10)
        await accept(*(update for one in raw if (update := self.take(one)) is not None))
        for query in filter(None, (one.get("callback_query") for one in raw)):
            self._in_background(self._answer_press(str(query.get("id", ""))))
        numbers = [int(one["update_id"]) for one in raw if str(one.get("update_id", "")).isdecimal()]
        return max(numbers) + 1 if numbers else offset

    def take(self, raw: Mapping[str, Any]) -> Update | None:
        """The update to store; None when it is not a buyer speaking to us in private."""
        query = raw.get("callback_query") or {}
        chat = (raw.get("message") or query.get("message") or {}).get("chat") or query.get("from") or {}
        if "update_id" not in raw or not chat.get("id") or chat.get("type", "private") != "private":
            return None
        text = json.dumps(raw, ensure_ascii=False)
        return Update(self.name, self.account, str(raw["update_id"]), str(chat["id"]), text)

    async def _sit_out(self, error: Exception, wait: timedelta) -> timedelta:
        """Say what is wrong and wait; returns the next wait. Errors are told by kind only: they may quote the token."""
        if isinstance(error, TelegramRetryAfter):
            await asyncio.sleep(error.retry_after)
            return wait
        if isinstance(error, TelegramUnauthorizedError | TelegramNotFound):
            log.error("telegram: the bot token was refused; check KADESK_TELEGRAM__TOKEN")
        elif isinstance(error, TelegramConflictError):
            log.error("telegram: another program receives this bot's updates")
        else:
            log.warning("telegram: no updates now (%s)", place_of(error))
        await asyncio.sleep(wait.total_seconds())
        return min(wait * 2, LONGEST_WAIT)

    async def _answer_press(self, query_id: str) -> None:
        """Stop the button's spinner. It is stored already; that the query is too old to be answered harms nothing."""
        try:
            await self._bot(AnswerCallbackQuery(callback_query_id=query_id), request_timeout=SEND_TIMEOUT)
        except AiogramError as error:
            log.info("telegram: a press was not answered (%s)", type(error).__name__)

    def _in_background(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._side.add(task)
        task.add_done_callback(self._side.discard)

    def read(self, update: Update) -> Inbound:
        raw = json.loads(update.raw)
        query = raw.get("callback_query")
        message = (query or raw).get("message") or {}
        sender = (query or message).get("from") or {}
        kind, text = (Kind.PRESS, "") if query else _kind_and_text(message)
        return Inbound(
            channel=update.channel,
            account=update.account,
            address=update.address,
            update_id=update.update_id,
            kind=kind,
            sent_at=datetime.fromtimestamp(int(message.get("date") or 0), UTC),
            text=text,
            handle=str(query.get("data", "")) if query else "",
            message_id="" if query else str(message.get("message_id", "")),
            attachments=() if query else tuple(_attachments(message)),
            name=" ".join(filter(None, (sender.get("first_name"), sender.get("last_name"))))[:80],
            language=sender.get("language_code") or "",
        )

    # Sending

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
            raise _translate(error) from error
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


def _kind_and_text(message: Mapping[str, Any]) -> tuple[Kind, str]:
    text = message.get("text")
    if isinstance(text, str):
        command, _, payload = text.partition(" ")
        is_start = command == "/start" or command.startswith("/start@")
        return (Kind.START, payload.strip()) if is_start else (Kind.TEXT, text)
    kind = next((kind for kind in (Kind.PHOTO, Kind.DOCUMENT, Kind.VOICE, Kind.STICKER) if kind in message), Kind.OTHER)
    return kind, str(message.get("caption") or "")


def _attachments(message: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """What came with the message, by its id at Telegram; nothing is fetched here."""
    for kind in (Kind.PHOTO, Kind.DOCUMENT, Kind.VOICE, Kind.STICKER):
        found = message.get(kind)
        if isinstance(found, list):
            found = found[-1] if found else None  # the largest size of a photo stands last
        if isinstance(found, Mapping):
            kept = {name: found[name] for name in ("file_id", "file_name", "mime_type", "file_size") if name in found}
            yield {"kind": kind.value, **kept}


def _translate(error: TelegramAPIError) -> DeliveryError:
    """Telegram's error as the decision that follows from it."""
    reason = error.message.split("\n")[0]
    match error:
        case TelegramRetryAfter():
            return RateLimited(float(error.retry_after))
        case TelegramForbiddenError():
            return BuyerUnreachable(reason=reason)
        case TelegramBadRequest() if "chat not found" in reason.lower():
            return BuyerUnreachable(reason=reason)
        case TelegramBadRequest() | TelegramEntityTooLarge():
            return Refused(reason=reason)
        case TelegramUnauthorizedError() | TelegramNotFound():
            return ChannelDown(reason="the bot token was refused")
        case TelegramServerError():
            return ChannelDown(reason="Telegram has a fault")
        case TelegramNetworkError() if isinstance(error.__cause__, ClientConnectorError):
            return ChannelDown(reason="Telegram cannot be reached")
        case TelegramNetworkError():
            return Ambiguous()
        case _:
            return Refused(reason=reason)
