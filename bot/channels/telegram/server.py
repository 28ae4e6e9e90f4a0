"""Telegram as a bot for buyers hears of updates from it, through aiogram."""

from typing import Any

from aiogram import Bot
from aiogram.exceptions import (
    ClientDecodeError,
    TelegramBadRequest,
    TelegramConflictError,
    TelegramNotFound,
    TelegramRetryAfter,
    TelegramUnauthorizedError,
)

from bot.channels.botapi.line import Refusal
from bot.channels.botapi.menus import Menu
from bot.channels.telegram.errors import reason_of
from bot.channels.telegram.methods import (
    KINDS,
    DeleteWebhook,
    GetMe,
    GetUpdates,
    GetWebhookInfo,
    SetMyCommands,
    SetWebhook,
)


class Server:
    """`bot.channels.botapi.line.Server` of one bot."""

    kinds = KINDS

    def __init__(self, bot: Bot) -> None:
        self._bot = bot

    async def name(self) -> str:
        me = await self._bot(GetMe())
        return str(me.get("username") or self._bot.id)

    async def look(self, offset: int | None, seconds: int) -> list[Any]:
        method = GetUpdates(offset=offset, timeout=seconds)
        return await self._bot(method, request_timeout=seconds + 10)

    async def set_webhook(self, url: str, secret: str, at_once: int) -> None:
        await self._bot(SetWebhook(url=url, secret_token=secret, max_connections=at_once))

    async def remove_webhook(self) -> None:
        await self._bot(DeleteWebhook())

    async def webhook(self) -> dict[str, Any] | None:
        try:
            return await self._bot(GetWebhookInfo())
        except (TelegramBadRequest, TelegramNotFound, ClientDecodeError):
            return None

    async def set_menu(self, menu: Menu) -> bool:
        method = SetMyCommands(commands=menu.listed, scope=dict(menu.scope), language_code=menu.language or None)
        try:
            await self._bot(method)
        except (TelegramBadRequest, TelegramNotFound):
            return False
        return True

    def judge(self, error: Exception) -> Refusal:
        match error:
            case TelegramRetryAfter():
                return Refusal(retry_after=error.retry_after)
            case TelegramUnauthorizedError() | TelegramNotFound():
                return Refusal("token")
            case TelegramConflictError():
                return Refusal("conflict")
            case TelegramBadRequest():
                return Refusal("refused", reason_of(error))
            case _:
                return Refusal()
