"""Amounts as people read and write them; everything else counts minor units (fen, cents)."""

import re
from decimal import Decimal

from shop.errors import BadAmount

# Digits after the point where they are not two (ISO 4217).
_DIGITS = {"JPY": 0, "KRW": 0, "VND": 0, "CLP": 0, "ISK": 0, "BHD": 3, "JOD": 3, "KWD": 3, "OMR": 3, "TND": 3}
_LONGEST = 16  # characters
_AMOUNT = re.compile(r"(?:[0-9]+|[0-9]{1,3}(?:,[0-9]{3})+)(?:\.[0-9]+)?")  # "48,50" may be 48.50 or 4850: ask again


def in_words(amount: int, currency: str) -> str:
    """4850 of CNY is "48.50 CNY"."""
    return f"{plain(amount, currency)} {currency}"


def plain(amount: int, currency: str) -> str:
    """The amount as `read_amount` takes it: "48.50"."""
    digits = _digits(currency)
    return f"{Decimal(amount).scaleb(-digits):.{digits}f}"


def read_amount(text: str, currency: str) -> int:
    """Minor units of what was typed ("48.5", "¥48.50", "1,200"); raises `BadAmount` for what is no sum of money."""
    typed = text.strip().lstrip("¥￥$€").replace("，", ",").strip()
    if not _AMOUNT.fullmatch(typed) or len(typed) > _LONGEST:
        raise BadAmount(currency=currency)
    minor = Decimal(typed.replace(",", "")).scaleb(_digits(currency))
    if minor <= 0 or minor != minor.to_integral_value():
        raise BadAmount(currency=currency)
    return int(minor)


def share(paid: int, quantity: int, position: int) -> int:
    """What of `paid` fell to the code at `position`; the shares of all positions add up to it exactly.

    A position beyond the quantity is that of a replacement, which stands for an average code.
    """
    if position > quantity:
        return paid // max(1, quantity)
    return paid * position // quantity - paid * (position - 1) // quantity


def _digits(currency: str) -> int:
    return _DIGITS.get(currency, 2)
