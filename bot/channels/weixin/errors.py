"""Tencent's error codes as the decisions that follow from them.

Sources: https://developers.weixin.qq.com/doc/offiaccount/Getting_Started/Global_Return_Code.html and
https://developer.work.weixin.qq.com/document/path/90313. Their texts change, so that only the numbers count.
"""

from collections.abc import Callable, Mapping

from bot.errors import (
    Ambiguous,
    BudgetSpent,
    BuyerUnreachable,
    ChannelDown,
    DeliveryError,
    MediaGone,
    RateLimited,
    Refused,
    ShutOut,
    WindowClosed,
    WrongState,
)

OK = 0


class AnswerTooLong(Ambiguous):
    """The channel did not confirm the message; it may have arrived."""  # its answer has more bytes than we read


class Repeated(Refused):
    """The channel refused the message: {reason}"""


SPENT = 45009  # the platform takes no more calls of this interface for a while
STALE_TOKEN = frozenset({40001, 40014, 42001})  # what was asked had no effect: ask again with a new token

_MINUTE = 60.0
_AWAY: Mapping[int, str] = {
    -1: "the platform is busy",
    40014: "the access token is refused",
    41001: "the access token is missing",
    42001: "the access token is refused",
}
_SHUT_OUT: Mapping[str, Mapping[int, str]] = {  # what the owner must change → why
    "secret": {
        40001: "the secret is wrong",
        40013: "the app id or corp id is wrong",
        40125: "the app secret is wrong",
    },
    "address": dict.fromkeys(
        (40164, 60020, 61004), "this machine's address is not on the platform's list of allowed addresses"
    ),
    "interface": {
        48001: "the account may not use this interface",
        48002: "the account may not use this interface",
        48004: "this interface is closed to the account",
        95000: "there is no such account of the customer service",
        95004: "there is no such account of the customer service",
        95011: "the customer service is used inside 企业微信, not by the API",
        95012: "the customer service is not open to the API",
        95017: "the API is switched off for the customer service",
    },
}
_UNREACHABLE: Mapping[int, str] = {
    40003: "no such buyer, or of another account",
    43004: "the buyer does not follow the account",
    43019: "the buyer was moved to the block list",
}
_REFUSED: Mapping[int, str] = {
    40130: "there must be two receivers",
    45002: "the message is too long",
    45008: "the message has too many parts",
    47001: "the message is not as the platform wants it",
    87014: "the platform finds something forbidden in the message",
    95008: "the menu has too many entries",
    95009: "the menu has an entry that there may not be",
}

_UNSENT: Mapping[int, str] = {
    1: "the customer service account was deleted",
    2: "the customer service is closed to the API",
    8: "the company is not verified",
    11: "nobody of the company has signed in to 企业微信",
    12: "messages of this kind are not allowed",
    13: "the platform finds something unsafe in it",
}


def decide(code: int) -> DeliveryError:
    """What follows from a code that is neither 0 nor `SPENT`."""
    if (made := _BY_CODE.get(code)) is not None:
        return made()
    for reasons, kind in ((_AWAY, ChannelDown), (_UNREACHABLE, BuyerUnreachable), (_REFUSED, Refused)):
        if code in reasons:
            return kind(reason=f"{reasons[code]} ({code})")
    for what, reasons in _SHUT_OUT.items():
        if code in reasons:
            return ShutOut(f"{reasons[code]} ({code})", what)
    return Refused(reason=f"error {code}")


def unsent(reason: int) -> tuple[DeliveryError, bool]:
    """Why 微信客服 did not deliver what it had taken (`fail_type`), and whether it counts as spent all the same.

    Source: https://developer.work.weixin.qq.com/document/path/94670.
    """
    if reason in (4, 5):
        return WindowClosed(reason="the session ended"), True
    if reason == 6:  # more than five messages
        return BudgetSpent(), True
    if reason == 10:
        return BuyerUnreachable(reason="the buyer refuses messages"), False
    known = _UNSENT.get(reason)
    return Refused(reason=f"{known} (fail_type {reason})" if known else f"fail_type {reason}"), False


_BY_CODE: Mapping[int, Callable[[], DeliveryError]] = {
    40058: lambda: Repeated(reason="a value that the platform does not take, as an id that it had (40058)"),
    40007: lambda: MediaGone(reason="error 40007"),
    45011: lambda: RateLimited(_MINUTE),
    45033: lambda: RateLimited(_MINUTE),  # too many at once
    95016: lambda: WrongState(reason="error 95016"),
    95018: lambda: WrongState(reason="error 95018"),
    45015: lambda: WindowClosed(reason="48 hours after the last word"),  # 48 hours of silence, or the buyer left
    95002: lambda: WindowClosed(reason="48 hours after the last word"),
    95013: lambda: WindowClosed(reason="the session ended"),
    45047: BudgetSpent,  # five messages without a word of the buyer
    95001: BudgetSpent,
}
