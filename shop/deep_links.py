"""Deep links: a shop's own page of an order leads into the chat, signed, so that nothing has to be proved there.

A payload is at most 64 of [A-Za-z0-9_-], what Telegram lets a link carry (https://core.telegram.org/bots/features):
"1", the minute of its end since 1970 in 8 digits, the order number, and 16 characters of signature, which are the first
96 bits of HMAC-SHA256(secret, "shop name/all before it") in base64url.
"""

import base64
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from shop.errors import NoLinkSecret, UnfitForLink

LONGEST = 39  # characters of an order number
_PAYLOAD = re.compile(rf"(?P<signed>1(?P<end>[0-9]{{8}})(?P<order_no>[A-Za-z0-9_-]{{1,{LONGEST}}}))[A-Za-z0-9_-]{{16}}")
_ORDER_NO = re.compile(rf"[A-Za-z0-9_-]{{1,{LONGEST}}}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class DeepLinks:
    """The links of one shop. Without a secret there are none."""

    shop: str
    secret: str = field(default="", repr=False)

    def sign(self, order_no: str, ends_at: datetime) -> str:
        """The payload for this order, good until the last full minute before `ends_at`.

        Raises `UnfitForLink`, `NoLinkSecret`.
        """
        if not self.secret:
            raise NoLinkSecret(shop=self.shop)
        if not _ORDER_NO.fullmatch(order_no):
            raise UnfitForLink(order_no=order_no, longest=LONGEST)
        signed = f"1{(ends_at - _EPOCH) // _MINUTE:08d}{order_no}"
        return signed + self._signature(signed)

    def verify(self, payload: str, now: datetime) -> str | None:
        """The order number that the shop vouches for; None for what is no payload, not this shop's, or too old."""
        read = _PAYLOAD.fullmatch(payload)
        if read is None or not self.secret:
            return None
        signed = read["signed"]
        is_ours = hmac.compare_digest(payload[len(signed) :], self._signature(signed))
        return read["order_no"] if is_ours and now < _EPOCH + int(read["end"]) * _MINUTE else None

    def _signature(self, signed: str) -> str:
        digest = hmac.digest(self.secret.encode(), f"{self.shop}/{signed}".encode(), "sha256")
        return base64.urlsafe_b64encode(digest[:12]).decode()


def find_linked(links: Iterable[DeepLinks], payload: str, now: datetime) -> tuple[str, str] | None:
    """The shop that signed this payload, and the order number that it vouches for: nobody else's of that number."""
    for one in links:
        if (order_no := one.verify(payload, now)) is not None:
            return one.shop, order_no
    return None
