"""What dujiao-next writes, as far as it is read: the fields that all releases have, and those that some have."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from shop.adapters.remote import Wire

_NO_MAIL = "@login.local"  # what it writes for members who came by Telegram


class Envelope(Wire):
    status_code: int
    data: Any = None


class Token(Wire):
    token: str = ""


class Item(Wire):
    product_id: int
    sku_id: int = 0
    title: Mapping[str, Any] | str = ""
    unit_price: Decimal
    quantity: int

    @property
    def sku(self) -> str:
        return f"{self.product_id}-{self.sku_id}" if self.sku_id else str(self.product_id)

    @property
    def name(self) -> str:
        """In Chinese, or whatever language there is."""
        if isinstance(self.title, str):
            return self.title
        known = {language: text for language, text in self.title.items() if isinstance(text, str) and text}
        return str(known.get("zh-CN") or known.get("zh-TW") or next(iter(known.values()), ""))


class Fulfillment(Wire):
    type: str = ""
    status: str = "delivered"
    payload: str = ""
    payload_line_count: int = 0
    delivered_at: datetime | None = None

    @property
    def is_cut(self) -> bool:
        return self.payload_line_count > len(self.payload.split("\n"))


class Payment(Wire):
    status: str = ""
    provider_ref: str = ""


class Bought(Wire):
    id: int
    order_no: str
    user_id: int = 0
    guest_email: str = ""
    user_email: str = ""
    status: str
    currency: str = ""
    total_amount: Decimal
    refunded_amount: Decimal = Decimal(0)
    client_ip: str = ""
    paid_at: datetime | None = None
    items: Sequence[Item] = ()
    fulfillment: Fulfillment | None = None
    children: Sequence["Bought"] = ()
    payments: Sequence[Payment] = ()

    @property
    def parts(self) -> Sequence["Bought"]:
        """What was delivered by itself."""
        return self.children or (self,)

    @property
    def fulfillments(self) -> Iterator[Fulfillment]:
        return (part.fulfillment for part in self.parts if part.fulfillment)

    @property
    def address(self) -> str:
        address = self.guest_email or self.user_email
        return "" if address.endswith(_NO_MAIL) else address


class Named(Wire):
    """Something with a number; `order_no` for those that belong to an order."""

    id: int
    order_no: str = ""
    remark: str = ""


class Connection(Wire):
    name: str = ""


class Procurement(Wire):
    local_order_no: str
    upstream_order_no: str = ""
    upstream_amount: Decimal | None = None
    upstream_currency: str = ""
    connection_id: int = 0
    connection: Connection = Connection()


class Stats(Wire):
    total: int
    available: int


class Refunded(Wire):
    refund_record: Named | None = None
    transaction: Named | None = None


class Shown(Wire):
    order_no: str
