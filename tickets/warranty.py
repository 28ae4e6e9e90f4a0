"""Until when a code is under warranty: from delivery or from its buyer's first look, as the product says. Pure."""

from datetime import datetime, timedelta

from shop.port import Order
from shop.tables import WarrantyFrom

AFTER_REPLACEMENT = timedelta(hours=72)  # a replacement is covered so long at least, however late it came


def ends_at(order: Order, seen_at: datetime | None = None, given_at: datetime | None = None) -> datetime | None:
    """The last instant of the warranty; None when nothing was delivered, for then there is none to run.

    `seen_at` is when the code claimed was first looked at, as far as is known; `given_at` when it was issued in place
    of another.
    """
    if order.delivered_at is None:
        return None
    began_at = order.delivered_at
    if order.goods.warranty_from == WarrantyFrom.REVEAL and seen_at is not None:
        began_at = max(began_at, seen_at)
    last = began_at + order.goods.warranty
    return last if given_at is None else max(last, given_at + AFTER_REPLACEMENT)


def covers(last: datetime, now: datetime) -> bool:
    """Whether a claim that is filed `now` is in time: in the last instant it is."""
    return now <= last
