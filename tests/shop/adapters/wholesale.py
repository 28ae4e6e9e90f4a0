"""A small wholesale system that speaks `api.php`: orders, complaints, and codes instead of statuses."""

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from tests.shop.adapters.sites import Asked, Says, Site

ACCOUNT, KEY = "10001", "a key of both"


@dataclass
class Wholesale:
    """What it knows. Numbers go out as strings, as PHP likes it."""

    orders: dict[str, dict[str, Any]] = field(default_factory=dict)
    complaints: dict[str, dict[str, Any]] = field(default_factory=dict)
    tells_number: bool = True  # in the answer to a new complaint
    site: Site = field(init=False)

    def __post_init__(self) -> None:
        self.site = Site(self.answer)

    @property
    def url(self) -> str:
        return f"{self.site.url}/api.php"

    def sell(self, order_no: str, *codes: str, status: int = 3) -> None:
        cards = [dict(zip(("card_no", "card_password"), code.split("----"), strict=False)) for code in codes]
        self.orders[order_no] = {"gname": "Steam 50", "gtype": "1", "ostatus": str(status), "cards": cards or ""}

    def decide(self, status: int, message: str = "") -> None:
        for one in self.complaints.values():
            one.update(status=str(status), message=message)

    def answer(self, asked: Asked) -> Says:
        form = dict(parse_qsl(asked.body.decode()))
        about = form.get("orderno") or form.get("comid") or ""
        sign = hashlib.md5(f"{ACCOUNT}{about}{KEY}".encode()).hexdigest()
        if form.get("customerid") != ACCOUNT or form.get("sign") != sign:
            return _says(1003)
        match asked.path.removeprefix("/api.php/buyer/"):
            case "orderInfo":
                return _says(1000, self.orders[about]) if about in self.orders else _says(1010)
            case "addComplain":
                return self._complain(about, form)
            case "complainList":
                return _says(1000, {"list": list(self.complaints.values())})
            case "complainInfo":
                return _says(1000, self.complaints[about]) if about in self.complaints else _says(1010)
        return _says(404)

    def _complain(self, order_no: str, form: dict[str, str]) -> Says:
        if order_no not in self.orders:
            return _says(1010)
        if self.orders[order_no]["ostatus"] == "4":
            return _says(1012)
        number = str(7_001 + len(self.complaints))
        facts = {"subject": form["subject"], "content": form["content"], "status": "1", "message": None}
        self.complaints[number] = {"comid": int(number), "orderno": order_no, **facts}
        return _says(1000, {"comid": int(number)} if self.tells_number else [])


def _says(code: int, data: Any = None) -> Says:
    content = {"code": str(code), "msg": "消息", "data": data if data is not None else ""}
    return Says(json.dumps(content, ensure_ascii=False), headers={"Content-Type": "text/html; charset=utf-8"})
