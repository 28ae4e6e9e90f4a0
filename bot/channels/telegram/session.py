"""The connection to a Bot API server, and what stands before one: a proxy answers with pages, not with JSON."""

from aiogram import Bot
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.exceptions import ClientDecodeError, TelegramAPIError, TelegramNotFound
from aiogram.methods import Response, TelegramMethod
from aiogram.methods.base import TelegramType

from bot.channels.botapi.answers import straightened


class Session(AiohttpSession):
    """Reads what an odd answer says all the same: what was refused by it was not sent."""

    def check_response(
        self, bot: Bot, method: TelegramMethod[TelegramType], status_code: int, content: str
    ) -> Response[TelegramType]:
        try:
            return super().check_response(bot, method, status_code, content)
        except (ClientDecodeError, TelegramAPIError) as error:
            if status_code == 404 and isinstance(error, ClientDecodeError):
                raise TelegramNotFound(method, "Not Found") from error
            status, straight = straightened(status_code, content.encode(errors="replace"))
            return super().check_response(bot, method, status, straight.decode())
