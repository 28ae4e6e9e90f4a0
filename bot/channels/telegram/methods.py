"""The methods of the Bot API that we call, as plain JSON: an answer of a new or odd shape must not hold up the rest."""

from typing import Any

from aiogram.methods import TelegramMethod
from aiogram.types import LinkPreviewOptions

KINDS = ("message", "callback_query")


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
