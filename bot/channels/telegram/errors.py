"""Telegram's errors as the decisions that follow from them."""

from typing import Any

from aiogram.exceptions import (
    ClientDecodeError,
    TelegramAPIError,
    TelegramForbiddenError,
    TelegramMigrateToChat,
    TelegramNetworkError,
    TelegramNotFound,
    TelegramRetryAfter,
    TelegramServerError,
    TelegramUnauthorizedError,
)
from aiohttp import ClientConnectorError, ConnectionTimeoutError

from bot.channels.botapi.answers import wait_as_told
from bot.errors import (
    Ambiguous,
    BuyerBlocked,
    BuyerGone,
    BuyerUnreachable,
    ChannelDown,
    ChatMoved,
    DeliveryError,
    NeverStarted,
    NotConnected,
    RateLimited,
    Refused,
    TopicGone,
    WindowClosed,
)
from bot.faults import said

_NOT_SENT = (ClientConnectorError, ConnectionTimeoutError)  # there was no connection to send over

# What Telegram says, in small letters, and what it means for a message; the first that fits.
_MEANINGS: tuple[tuple[str, type[BuyerUnreachable] | type[Refused]], ...] = (
    ("bot was blocked", BuyerBlocked),
    ("user is deactivated", BuyerGone),
    ("chat not found", NeverStarted),
    ("initiate conversation", NeverStarted),
    ("business_peer_usage_missing", WindowClosed),
    ("business_", NotConnected),
    ("thread not found", TopicGone),
    ("topic_", TopicGone),
)


def translate(error: TelegramAPIError | ClientDecodeError) -> DeliveryError:
    """Telegram's error as the decision that follows from it."""
    if isinstance(error, ClientDecodeError):
        return _translate_odd(error.data)
    reason = reason_of(error)
    match error:
        case TelegramRetryAfter():
            return RateLimited(float(error.retry_after))
        case TelegramMigrateToChat():
            return ChatMoved(address=str(error.migrate_to_chat_id))
        case TelegramUnauthorizedError() | TelegramNotFound():
            return ChannelDown(reason="the bot token was refused")
        case TelegramServerError():
            return _translate_fault(reason)
        case TelegramNetworkError() if isinstance(error.__cause__, _NOT_SENT):
            return ChannelDown(reason="Telegram cannot be reached")
        case TelegramNetworkError() if error.__cause__ is not None:
            return Ambiguous()
        case _:
            return _refuse(reason, is_forbidden=isinstance(error, TelegramForbiddenError))


def reason_of(error: TelegramAPIError) -> str:
    """What Telegram says, in a line; a server of somebody else's may say nothing."""
    return said(error.message)


def is_bad_markup(error: TelegramAPIError) -> bool:
    """Whether it is only the markup that Telegram does not take."""
    return "can't parse entities" in reason_of(error).lower()


def _translate_odd(answer: Any) -> DeliveryError:
    """An answer that is not of the usual shape: what it says all the same, if it says no; else nobody knows."""
    if not isinstance(answer, dict) or answer.get("ok") is not False:
        return Ambiguous()
    code, reason = answer.get("error_code"), said(answer.get("description"))
    if code == 429:
        return RateLimited(wait_as_told(reason))
    if isinstance(code, int) and code >= 500:
        return _translate_fault(reason)
    return _refuse(reason, is_forbidden=code == 403)


def _translate_fault(reason: str) -> DeliveryError:
    """A gateway that got no answer in time does not know whether the message went through; other faults say no."""
    return Ambiguous() if "timeout" in reason.lower() else ChannelDown(reason="Telegram has a fault")


def _refuse(reason: str, *, is_forbidden: bool) -> DeliveryError:
    lower = reason.lower()
    if "too many requests" in lower:
        return RateLimited(wait_as_told(reason))
    meaning = next((meaning for words, meaning in _MEANINGS if words in lower), None)
    return (meaning or (BuyerUnreachable if is_forbidden else Refused))(reason=reason)
