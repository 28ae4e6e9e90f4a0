"""A server that speaks as card-system does: its tokens in headers, its pages, its messages in Chinese."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.shop.adapters.sites import PASSWORD, USER, Asked, Says, Site


@dataclass
class Sale:
    """`changes` are put over what its admin page answers."""

    order_no: str
    codes: Sequence[str] = ()
    contact: str = "chen@example.com"
    password: str = "open sesame"
    paid: int = 9_700
    reference: str = "4200001234567890"
    type: int = 0
    changes: dict[str, Any] = field(default_factory=dict)


class CardSystemSite(Site):
    """`takes` is how it wants to be read; `next_token` comes with its next answer."""

    def __init__(self, *sales: Sale) -> None:
        self.sales = sales
        self.token = "token-1"
        self.next_token = ""
        self.takes = "GET"
        super().__init__(self.speak)

    def speak(self, asked: Asked) -> Says:
        path = asked.path.removeprefix("/api/admin/")
        if path == "auth/login":
            is_known = asked.json == {"email": USER, "password": PASSWORD}
            signed = Says({"user": {"id": 1}}, 201, {"Authorization": f"Bearer {self.token}"})
            return signed if is_known else Says({"message": "用户名或密码错误"}, 400)
        if asked.headers.get("Authorization") != f"Bearer {self.token}":
            return Says({"message": "请先登录"}, 401)
        if path == "order/remark":
            sale = self.sales[asked.json["id"] - 1]
            sale.changes["remark"] = asked.json["remark"]
            return Says({"message": "success", "data": []})
        if asked.method != self.takes:
            return Says({"message": "请求方法不允许"}, 405)
        says = Says({"message": "success", "data": self.page(path, asked.query or asked.json)})
        if self.next_token:
            says.headers["Authorization"] = f"Bearer {self.next_token}"
            self.token, self.next_token = self.next_token, ""
        return says

    def page(self, path: str, asked: dict[str, str]) -> dict[str, Any]:
        rows = {"order": self.orders, "card": self.cards, "product": self.products}[path](asked)
        return {"current_page": 1, "data": rows, "per_page": 10, "total": len(rows)}

    def orders(self, asked: dict[str, str]) -> list[dict[str, Any]]:
        """As MySQL compares: without regard to case."""
        listed = [describe(number, sale) for number, sale in enumerate(self.sales, 1)]
        statuses = [int(status) for status in asked["status"].split(",")] if asked.get("status") else [1, 2, 3, 4]
        same = [one for one in listed if one["order_no"].lower() == asked["val"].lower()]
        return [one for one in same if one["status"] in statuses]

    def cards(self, asked: dict[str, str]) -> list[dict[str, Any]]:
        number = int(asked["val"])
        sold = {(one, place): sale for one, sale in enumerate(self.sales, 1) for place in range(len(sale.codes))}
        listed = [{"id": one * 10 + place, "type": sale.type} for (one, place), sale in sold.items()]
        return [card for card in listed if card["id"] == number]

    def products(self, asked: dict[str, str]) -> list[dict[str, Any]]:
        return [{"id": 50, "name": "Steam 50", "count_all": 12, "count_sold": 9}] if asked["val"] == "50" else []


def describe(number: int, sale: Sale) -> dict[str, Any]:
    """As an admin's page has it."""
    return {
        "id": number,
        "user_id": 1,
        "order_no": sale.order_no,
        "product_id": 50,
        "product_name": "Steam 50 充值卡",
        "product": {"id": 50, "name": "Steam 50 充值卡", "delivery": 0},
        "count": len(sale.codes) or 1,
        "ip": "1.2.3.4",
        "customer": "of a browser",
        "contact": sale.contact,
        "contact_ext": "[]",
        "query_password": sale.password,
        "status": 2,
        "price": 4_850 * (len(sale.codes) or 1),
        "discount": 0,
        "paid": sale.paid,
        "pay_trade_no": sale.reference,
        "remark": None,
        "paid_at": "2026-03-02 12:00:00",
        "created_at": "2026-03-02 11:59:00",
        "updated_at": "2026-03-02 13:00:00",
        "card_orders": [
            {"id": place, "card_id": number * 10 + place, "card": {"id": number * 10 + place, "card": code}}
            for place, code in enumerate(sale.codes)
        ],
        "pay": {"id": 1, "name": "支付宝"},
    } | sale.changes
