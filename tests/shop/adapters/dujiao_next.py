"""A server that speaks as dujiao-next does: its envelope, its tokens, its guests' door in each release's way."""

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.shop.adapters.sites import PASSWORD, USER, Asked, Says, Site

LINES = 100  # of a delivery that the pages show


@dataclass
class Sale:
    """`changes` are put over what its admin page answers."""

    order_no: str
    codes: Sequence[str] = ()
    email: str = "chen@example.com"
    password: str = "open sesame"
    paid: str = "97.00"
    reference: str = "4200001234567890"
    changes: dict[str, Any] = field(default_factory=dict)


class DujiaoNextSite(Site):
    """`style` is how guests are let in: "header", "query", "by number", or "open" to all that come without a query."""

    def __init__(self, *sales: Sale) -> None:
        self.sales = dict(enumerate(sales, 1))
        self.style = "header"
        self.token = 1
        self.forbidden = ""
        self.procured: dict[str, Any] | None = None
        self.refunds: list[dict[str, Any]] = []
        super().__init__(self.speak)

    def speak(self, asked: Asked) -> Says:
        path = asked.path.removeprefix("/api/v1")
        if path == "/admin/login":
            is_known = asked.json == {"username": USER, "password": PASSWORD}
            return says({"token": f"token-{self.token}"}) if is_known else says(status=401)
        if path.startswith("/guest/orders/"):
            return self.show_guest(path.removeprefix("/guest/orders/"), asked)
        if asked.headers.get("Authorization") != f"Bearer token-{self.token}":
            return says(status=401)
        if self.forbidden and path.startswith(self.forbidden):
            return says(status=403)
        return self.show(path.removeprefix("/admin"), asked)

    def show(self, path: str, asked: Asked) -> Says:
        if path == "/orders":
            part = asked.query.get("order_no", "")
            listed = {number: sale for number, sale in self.sales.items() if part in sale.order_no}
            return says([{"id": number, "order_no": sale.order_no} for number, sale in listed.items()])
        if path == "/card-secrets/stats":
            is_known = asked.query["product_id"] == "50"
            return says(
                {"total": 9, "available": 3, "reserved": 1, "used": 5} if is_known else {"total": 0, "available": 0}
            )
        if path == "/procurement-orders" and self.procured is not None:
            return says([self.procured])
        if path == "/order-refunds":
            return says(self.refunds)
        if found := re.fullmatch(r"/orders/(\d+)(/.*)?", path):
            sale = self.sales.get(int(found[1]))
            return self.show_one(int(found[1]), sale, found[2], asked) if sale else says(status=404)
        return Says("404 page not found", 404, {"Content-Type": "text/plain"})

    def show_one(self, number: int, sale: Sale, what: str | None, asked: Asked) -> Says:
        if what == "/fulfillment/download":
            return Says("\n".join(sale.codes), headers={"Content-Type": "text/plain; charset=utf-8"})
        if what == "/refund-to-wallet":
            self.refunds.append({"id": len(self.refunds) + 1, "order_no": sale.order_no, **asked.json})
            return says({"refund_record": self.refunds[-1]})
        return says(describe(number, sale))

    def show_guest(self, rest: str, asked: Asked) -> Says:
        number = rest.removeprefix("by-order-no/")
        if (number != rest) != (self.style == "by number"):
            if self.style == "by number":
                return says(status=400)
            return Says("404 page not found", 404, {"Content-Type": "text/plain"})
        email, password = self.read_guest(asked)
        fits = [sale for sale in self.sales.values() if sale.order_no == number]
        if not (email and password):
            return says({"order_no": fits[0].order_no}) if self.style == "open" and fits else says(status=400)
        fits = [sale for sale in fits if (sale.email, sale.password) == (email, password)]
        return says({"order_no": number}) if fits else says(status=404)

    def read_guest(self, asked: Asked) -> Sequence[str]:
        if self.style != "header":
            return asked.query.get("email", ""), asked.query.get("order_password", "")
        words = asked.headers.get("Authorization", "").removeprefix("Guest ")
        return base64.urlsafe_b64decode(words + "=" * (-len(words) % 4)).decode().split("\n", 1) if words else ("", "")


def says(data: Any = None, status: int = 0) -> Says:
    content = {"status_code": status, "msg": "success" if status == 0 else "error", "data": data}
    return Says(content, headers={"Content-Type": "application/json; charset=utf-8"})


def describe(number: int, sale: Sale) -> dict[str, Any]:
    """As an admin's page has it."""
    payload = {"payload": "\n".join(sale.codes[:LINES]), "payload_line_count": len(sale.codes)}
    return {
        "id": number,
        "order_no": sale.order_no,
        "guest_email": sale.email,
        "status": "completed",
        "currency": "CNY",
        "total_amount": sale.paid,
        "refunded_amount": "0.00",
        "client_ip": "1.2.3.4",
        "paid_at": "2026-03-02T12:00:00+08:00",
        "canceled_at": None,
        "items": [
            {
                "product_id": 50,
                "sku_id": 0,
                "title": {"en-US": "Steam 50", "zh-CN": "Steam 50 充值卡"},
                "unit_price": "48.50",
                "quantity": len(sale.codes) or 1,
            }
        ],
        "fulfillment": {"type": "auto", "status": "delivered", "delivered_at": "2026-03-02T12:00:05+08:00"} | payload,
        "payments": [{"status": "success", "provider_ref": sale.reference}],
    } | sale.changes
