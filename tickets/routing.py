"""The order of the queue. Pure.

A tier's weight is a head start: a VIP ticket stands as if it had waited that much longer. Ageing then needs no clock (a
normal ticket overtakes a fresh VIP one after the head start), the order of two waiting tickets never changes, and the
database can index it.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum

GENERAL = "general"  # the queue of whatever the owner gave no queue of its own


class Tier(StrEnum):
    NORMAL = "normal"
    VIP = "vip"
    MERCHANT = "merchant"


class Level(IntEnum):
    """Who owns a ticket now."""

    BOT_LANE = 0
    HUMAN_QUEUE = 1
    LEAD = 2
    MANAGER = 3


def rank_at(waiting_since: datetime, tier: str, head_starts: Mapping[Tier, timedelta]) -> datetime:
    """The instant that a waiting ticket is ordered by."""
    return waiting_since - head_starts.get(Tier(tier), timedelta())


def queue_key(level: int, rank_at: datetime, ticket_id: int) -> tuple[int, datetime, int]:
    """Smaller is served earlier: higher level first, then the longest (weighted) wait, then the older ticket."""
    return (-level, rank_at, ticket_id)
