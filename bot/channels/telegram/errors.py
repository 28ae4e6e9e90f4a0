"""Telegram's errors as the decisions that follow from them."""

from aiogram.exceptions import (
    TelegramAPIError,
    TelegramBadRequest,
    TelegramEntityTooLarge,
    TelegramForbiddenError,
    TelegramNetworkError,
    TelegramNotFound,
    TelegramRetryAfter,
    TelegramServerError,
    TelegramUnauthorizedError,
)
from aiohttp import ClientConnectorError

from bot.errors import Ambiguous, BuyerUnreachable, ChannelDown, DeliveryError, RateLimited, Refused


def translate(error: TelegramAPIError) -> DeliveryError:
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
