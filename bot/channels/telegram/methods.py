"""The methods of the Bot API that we call, as plain JSON: an answer of a new or odd shape must not hold up the rest."""

from typing import Any

from aiogram.methods import TelegramMethod
from aiogram.types import InputFile, LinkPreviewOptions

# What we are told of. Named one by one: what Telegram takes for granted changes, and leaves out what we need.
KINDS = (
    "message",
    "edited_message",
    "callback_query",
    "my_chat_member",
    "business_connection",
    "business_message",
    "edited_business_message",
    "deleted_business_messages",
)


class GetMe(TelegramMethod[dict[str, Any]]):
    __returning__ = dict[str, Any]
    __api_method__ = "getMe"


class DeleteWebhook(TelegramMethod[bool]):
    __returning__ = bool
    __api_method__ = "deleteWebhook"


class GetUpdates(TelegramMethod[list[Any]]):
    __returning__ = list[Any]  # one that is no object must not hold up the rest
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
    message_thread_id: int | None = None
    business_connection_id: str | None = None
    parse_mode: str | None = None
    protect_content: bool | None = None
    reply_markup: dict[str, Any] | None = None
    link_preview_options: LinkPreviewOptions = LinkPreviewOptions(is_disabled=True)


class SendPhoto(TelegramMethod[dict[str, Any]]):
    __returning__ = dict[str, Any]
    __api_method__ = "sendPhoto"

    chat_id: str
    photo: InputFile
    caption: str | None = None
    message_thread_id: int | None = None
    business_connection_id: str | None = None
    parse_mode: str | None = None
    protect_content: bool | None = None
    reply_markup: dict[str, Any] | None = None


class SendMediaGroup(TelegramMethod[list[Any]]):
    """Two to ten pictures together; the words stand with the first."""

    __returning__ = list[Any]
    __api_method__ = "sendMediaGroup"

    chat_id: str
    media: list[dict[str, Any]]
    message_thread_id: int | None = None
    business_connection_id: str | None = None
    protect_content: bool | None = None


class AnswerCallbackQuery(TelegramMethod[bool]):
    __returning__ = bool
    __api_method__ = "answerCallbackQuery"

    callback_query_id: str


class SetWebhook(TelegramMethod[bool]):
    __returning__ = bool
    __api_method__ = "setWebhook"

    url: str
    secret_token: str
    max_connections: int
    allowed_updates: tuple[str, ...] = KINDS
    drop_pending_updates: bool = False


class GetWebhookInfo(TelegramMethod[dict[str, Any]]):
    __returning__ = dict[str, Any]
    __api_method__ = "getWebhookInfo"


class GetFile(TelegramMethod[dict[str, Any]]):
    __returning__ = dict[str, Any]
    __api_method__ = "getFile"

    file_id: str


class SetMyCommands(TelegramMethod[bool]):
    """The menu; without a language, for whoever has none in theirs."""

    __returning__ = bool
    __api_method__ = "setMyCommands"

    commands: list[dict[str, str]]
    scope: dict[str, str]
    language_code: str | None = None


class CreateForumTopic(TelegramMethod[dict[str, Any]]):
    __returning__ = dict[str, Any]
    __api_method__ = "createForumTopic"

    chat_id: str
    name: str


class EditForumTopic(TelegramMethod[bool]):
    __returning__ = bool
    __api_method__ = "editForumTopic"

    chat_id: str
    message_thread_id: int
    name: str
