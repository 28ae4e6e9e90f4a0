"""Calls of the Bot API for staff, through python-telegram-bot; its errors become the decisions that follow from them.

Only its `Bot` is used. Its updater acknowledges what it has not stored, so `receiving` looks for updates itself.
"""

import os
from collections.abc import Sequence
from typing import Any, NamedTuple
from urllib.parse import quote

from telegram import (
    Bot,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    InputFile,
    InputMediaPhoto,
    LinkPreviewOptions,
    ReplyParameters,
)
from telegram.error import BadRequest, ChatMigrated, Conflict, Forbidden, InvalidToken, NetworkError, RetryAfter
from telegram.error import TelegramError as LibraryError

from bot.channels.botapi.lengths import CAPTION_LIMIT, TEXT_LIMIT, cut
from bot.channels.botapi.line import Refusal
from bot.channels.botapi.menus import Menu
from bot.channels.noting import Note, unheard
from bot.errors import (
    Ambiguous,
    BadToken,
    BuyerUnreachable,
    ChannelDown,
    DeliveryError,
    RateLimited,
    Refused,
    TopicGone,
)
from bot.faults import said
from bot.staff.session import Request

os.environ.setdefault("PTB_TIMEDELTA", "1")  # else the library warns of each 429 that it reads
TIMEOUT = 20.0  # seconds for one answer
CONNECT = 10.0  # seconds to reach Telegram
NAME_LIMIT, ALERT_LIMIT = 128, 200  # characters
UNNAMED = 0  # stands for a message that arrived under a number that we cannot read
KINDS = ("message", "edited_message", "callback_query")
# What was not sent at all, by the name of the library's cause.
_UNSENT = {"ConnectError", "ConnectTimeout", "PoolTimeout", "UnsupportedProtocol", "ProxyError"}
_TOPIC_GONE = ("message thread not found", "topic_deleted", "topic_id_invalid", "topic deleted")


class Place(NamedTuple):
    """Where a message goes: a chat, and a topic in it; none is the general topic, or a private chat."""

    chat_id: str
    thread_id: int | None = None

    @property
    def fields(self) -> dict[str, Any]:
        """As the library's methods take it."""
        return {"chat_id": self.chat_id, "message_thread_id": self.thread_id}


class Moved(Refused):
    """The group has a new number: {chat}"""


class StaffBot:
    """One bot, by its token; it hears as a `bot.channels.botapi.line.Server`."""

    kinds = KINDS

    def __init__(self, token: str, api_base: str, note: Note = unheard) -> None:
        """Raises BadToken."""
        if not token.partition(":")[0].isdecimal():
            raise BadToken
        patience: dict[str, Any] = {"read_timeout": TIMEOUT, "write_timeout": TIMEOUT, "connect_timeout": CONNECT}
        self._bot = Bot(
            token,
            base_url=f"{api_base.rstrip('/')}/bot",
            base_file_url=f"{api_base.rstrip('/')}/file/bot",
            request=Request(connection_pool_size=8, pool_timeout=CONNECT, **patience),
            get_updates_request=Request(connection_pool_size=1, **patience),
        )
        self.account = token.partition(":")[0]
        self.username = ""  # until it was asked for
        self._note = note
        self._requests = self._bot._request
        self._is_open = False

    async def open(self) -> None:
        """Make the connections; safe to call again."""
        if not self._is_open:
            for request in self._requests:
                await request.initialize()
            self._is_open = True

    async def close(self) -> None:
        if self._is_open:
            self._is_open = False
            for request in self._requests:
                await request.shutdown()

    async def send(
        self, place: Place, text: str, buttons: Sequence[dict[str, str]] = (), reply_to: int | None = None
    ) -> int:
        """Plain text; the message's number."""
        reply = ReplyParameters(reply_to, allow_sending_without_reply=True) if reply_to else None
        sent = await self._ask(
            "sendMessage",
            **place.fields,
            text=cut(text, TEXT_LIMIT),
            reply_markup=_keyboard(buttons),
            reply_parameters=reply,
            link_preview_options=LinkPreviewOptions(is_disabled=True),
        )
        self._note("sent_at")
        return _number_of(sent)

    async def send_pictures(self, place: Place, pictures: Sequence[bytes], caption: str) -> int:
        """One picture, or an album of up to ten; the number of its first message."""
        words = cut(caption, CAPTION_LIMIT)
        if len(pictures) == 1:
            photo = InputFile(pictures[0], "picture.png")
            return _number_of(await self._ask("sendPhoto", **place.fields, photo=photo, caption=words))
        first, *others = pictures
        media = [InputMediaPhoto(first, caption=words), *map(InputMediaPhoto, others)]
        album = await self._ask("sendMediaGroup", **place.fields, media=media)
        return _number_of(album[0] if isinstance(album, list) and album else None)

    async def edit(self, chat_id: str, message_id: int, text: str, buttons: Sequence[dict[str, str]] = ()) -> None:
        """The same message with other words; that they are the same already is fine."""
        keys = _keyboard(buttons)
        where = {"chat_id": chat_id, "message_id": message_id}
        await self._as_it_is("editMessageText", **where, text=cut(text, TEXT_LIMIT), reply_markup=keys)

    async def create_topic(self, chat_id: str, name: str) -> int:
        """Its number; Ambiguous when the answer has none."""
        made = await self._ask("createForumTopic", chat_id=chat_id, name=name[:NAME_LIMIT])
        number = _number_of(made, "message_thread_id")
        if number == UNNAMED:
            raise Ambiguous
        return number

    async def rename_topic(self, chat_id: str, thread_id: int, name: str) -> None:
        await self._as_it_is("editForumTopic", chat_id=chat_id, message_thread_id=thread_id, name=name[:NAME_LIMIT])

    async def close_topic(self, chat_id: str, thread_id: int) -> None:
        await self._as_it_is("closeForumTopic", chat_id=chat_id, message_thread_id=thread_id)

    async def reopen_topic(self, chat_id: str, thread_id: int) -> None:
        await self._as_it_is("reopenForumTopic", chat_id=chat_id, message_thread_id=thread_id)

    async def answer_press(self, query_id: str, text: str = "", *, is_alert: bool = False) -> None:
        words = cut(text, ALERT_LIMIT) or None
        await self._ask("answerCallbackQuery", callback_query_id=query_id, text=words, show_alert=is_alert or None)

    async def download(self, file_id: str) -> bytes:
        """A file that somebody sent to this bot, 20 MB at most."""
        found = await self._ask("getFile", file_id=file_id)
        path = found.get("file_path") if isinstance(found, dict) else None
        if not isinstance(path, str) or not path:
            raise Refused(reason="the file is gone")
        try:
            return await self._bot.request.retrieve(f"{self._bot.base_file_url}/{quote(path)}", read_timeout=TIMEOUT)
        except LibraryError as error:
            raise translate(error) from None  # its words may have the address in them, and that has the token

    # Hearing of updates

    async def look(self, offset: int | None, seconds: int) -> list[Any]:
        fields: dict[str, Any] = {"timeout": seconds, "allowed_updates": KINDS}
        fields |= {} if offset is None else {"offset": offset}
        found = await self._ask("getUpdates", seconds + 10.0, **fields)
        return found if isinstance(found, list) else []

    async def name(self) -> str:
        me = await self._ask("getMe")
        self.username = str(me.get("username") or "") if isinstance(me, dict) else ""
        return self.username or self.account

    async def set_webhook(self, url: str, secret: str, at_once: int) -> None:
        fields = {"max_connections": at_once, "allowed_updates": KINDS, "drop_pending_updates": False}
        await self._ask("setWebhook", url=url, secret_token=secret, **fields)

    async def remove_webhook(self) -> None:
        await self._ask("deleteWebhook")

    async def webhook(self) -> dict[str, Any] | None:
        try:
            info = await self._ask("getWebhookInfo")
        except DeliveryError as error:
            if _is_unknown(error):
                return None
            raise
        return info if isinstance(info, dict) else None

    async def set_menu(self, menu: Menu) -> bool:
        try:
            await self._ask(
                "setMyCommands", commands=menu.listed, scope=menu.scope, language_code=menu.language or None
            )
        except BuyerUnreachable:  # it may be let into the group yet
            raise
        except DeliveryError as error:
            if _is_unknown(error):
                return False
            raise
        return True

    def judge(self, error: Exception) -> Refusal:
        wait = error.retry_after if isinstance(error, DeliveryError) else None
        if wait is not None:
            return Refusal(retry_after=wait.total_seconds())
        match error.__cause__:
            case InvalidToken():
                return Refusal("token")
            case Conflict():
                return Refusal("conflict")
            case BadRequest() as cause:
                return Refusal("refused", said(cause.message))
            case _:
                return Refusal(reason=str(error) if isinstance(error, ChannelDown) else "")

    async def _as_it_is(self, method: str, **fields: Any) -> None:
        """What is named, closed or written like that already is as it was asked for."""
        try:
            await self._ask(method, **fields)
        except Refused as error:
            if "not_modified" not in str(error).lower().replace(" ", "_"):
                raise

    async def _ask(self, method: str, patience: float = TIMEOUT, /, **fields: Any) -> Any:
        """The result as plain JSON: the library makes objects of it, and stumbles over one that lacks a field."""
        await self.open()
        try:
            return await self._bot._post(method, fields, read_timeout=patience)
        except LibraryError as error:
            raise translate(error) from error
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise Ambiguous from error  # it answered, in a shape that we do not know


def translate(error: LibraryError) -> DeliveryError:
    """The library's error as the decision that follows from it. The token, which its texts may quote, stays out."""
    reason = said(error.message)
    match error:
        case RetryAfter():
            wait = error.retry_after
            return RateLimited(float(wait if isinstance(wait, int | float) else wait.total_seconds()))
        case ChatMigrated():
            return Moved(chat=str(error.new_chat_id), reason="")
        case InvalidToken():
            return ChannelDown(reason="the bot token was refused")
        case Conflict():
            return ChannelDown(reason="another program receives this bot's updates")
        case Forbidden():
            return BuyerUnreachable(reason=reason)
        case BadRequest() if any(words in reason.lower() for words in _TOPIC_GONE):
            return TopicGone(reason=reason)
        case BadRequest() if "not enough rights" in reason.lower() and "topic" in reason.lower():
            return Refused(reason=reason)  # which says nothing of messages
        case BadRequest() if "chat not found" in reason.lower() or "not enough rights" in reason.lower():
            return BuyerUnreachable(reason=reason)
        case BadRequest():
            return Refused(reason=reason)
        case NetworkError() if type(error.__cause__).__name__ in _UNSENT:
            return ChannelDown(reason="Telegram cannot be reached")
        case _:
            return Ambiguous()


def _is_unknown(error: DeliveryError) -> bool:
    """Whether the server has no answer to this question; a token that was refused is another matter."""
    cause = error.__cause__
    no_method = isinstance(cause, InvalidToken) and "unauthorized" not in str(cause.message).lower()
    return no_method or isinstance(cause, BadRequest) or (isinstance(error, Ambiguous) and cause is None)


def _number_of(result: Any, field: str = "message_id") -> int:
    """UNNAMED: it is done, and the answer is of a shape that we do not know."""
    number = str(result.get(field)) if isinstance(result, dict) else ""
    return int(number) if number.isdecimal() else UNNAMED


def _keyboard(buttons: Sequence[dict[str, str]]) -> InlineKeyboardMarkup | None:
    """Three to a row."""
    keys = [InlineKeyboardButton(one["text"], callback_data=one["handle"]) for one in buttons]
    rows = [keys[first : first + 3] for first in range(0, len(keys), 3)]
    return InlineKeyboardMarkup(rows) if rows else None
