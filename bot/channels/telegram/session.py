"""The connection to a Bot API server, and what stands before one: a proxy answers with pages, not with JSON."""

from aiogram import Bot
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.exceptions import ClientDecodeError, TelegramAPIError, TelegramNotFound, TelegramRetryAfter
from aiogram.methods import Response, TelegramMethod
from aiogram.methods.base import TelegramType

from bot.channels.botapi.waits import PAUSE


class Session(AiohttpSession):
    """Reads the status of an answer that says no more: what was refused by it was not sent."""

    def check_response(
        self, bot: Bot, method: TelegramMethod[TelegramType], status_code: int, content: str
    ) -> Response[TelegramType]:
        try:
            return super().check_response(bot, method, status_code, content)
        except (ClientDecodeError, TelegramAPIError) as error:
            if status_code == 429 and "retry" not in content.lower():
                raise TelegramRetryAfter(method, "Too Many Requests", int(PAUSE)) from error
            if status_code == 404 and isinstance(error, ClientDecodeError):
                raise TelegramNotFound(method, "Not Found") from error
            raise
