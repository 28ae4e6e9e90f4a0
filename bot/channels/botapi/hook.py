"""Where Telegram calls one bot, and how we know that it is Telegram."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Hook:
    """Its address and its secret."""

    url: str  # its path ends in /telegram/<account>
    secret: str  # 1 to 256 of A-Z, a-z, 0-9, _ and -
