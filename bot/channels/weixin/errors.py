"""Tencent's error codes as the decisions that follow from them.

Sources: https://developers.weixin.qq.com/doc/offiaccount/Getting_Started/Global_Return_Code.html and
https://developer.work.weixin.qq.com/document/path/90313. Their texts change, so that only the numbers count.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta

from bot.errors import (
    BudgetSpent,
    BuyerUnreachable,
    ChannelDown,
    DeliveryError,
    QuotaSpent,
    RateLimited,
    Refused,
    WindowClosed,
    WrongState,
)

OK = 0
STALE_TOKEN = frozenset({40001, 40014, 42001})  # what was asked had no effect: ask again with a new token

_MINUTE = 60.0
_AWAY: Mapping[int, str] = {
    -1: "the platform is busy",
    40013: "the app id or corp id is wrong",
    40125: "the app secret is wrong",
    40164: "this machine's address is not on the platform's list of allowed addresses",
    41001: "the access token is missing",
    48001: "the account may not use this interface",
    48002: "the account may not use this interface",
    60020: "this machine's address is not on the platform's list of allowed addresses",
    61004: "this machine's address is not on the platform's list of allowed addresses",
    95011: "the customer service is used inside 企业微信, not by the API",
    95012: "the customer service is not open to the API",
    95017: "the API is switched off for the customer service",
}
_UNREACHABLE: Mapping[int, str] = {
    40003: "no such buyer, or of another account",
    43004: "the buyer does not follow the account",
    43019: "the buyer was moved to the block list",
}
_REFUSED: Mapping[int, str] = {
    40007: "the picture is not there any more",
    40130: "there must be two receivers",
    45002: "the message is too long",
    45008: "the message has too many parts",
    47001: "the message is not as the platform wants it",
    87014: "the platform finds something forbidden in the message",
    95008: "the menu has too many entries",
    95009: "the menu has an entry that there may not be",
}


def decide(code: int, *, until_tomorrow: timedelta) -> DeliveryError:
    """What follows from a code that is not 0; `until_tomorrow` is the time until the platform's day ends."""
    if (made := _BY_CODE.get(code)) is not None:
        return made(until_tomorrow)
    for reasons, kind in ((_AWAY, ChannelDown), (_UNREACHABLE, BuyerUnreachable), (_REFUSED, Refused)):
        if code in reasons:
            return kind(reason=f"{reasons[code]} ({code})")
    return Refused(reason=f"error {code}")


_BY_CODE: Mapping[int, Callable[[timedelta], DeliveryError]] = {
    45009: QuotaSpent,
    45011: lambda _: RateLimited(_MINUTE),
    45033: lambda _: RateLimited(_MINUTE),  # too many at once
    95016: lambda _: WrongState(reason="error 95016"),
    95018: lambda _: WrongState(reason="error 95018"),
    45015: lambda _: WindowClosed(reason="48 hours after the last word"),  # 48 hours of silence, or the buyer left
    95002: lambda _: WindowClosed(reason="48 hours after the last word"),
    95013: lambda _: WindowClosed(reason="the session ended"),  # the session ended
    45047: lambda _: BudgetSpent(),  # five messages without a word of the buyer
    95001: lambda _: BudgetSpent(),
}
