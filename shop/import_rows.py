"""The rows of imported tables as values: what is missing, misspelt or impossible is said in a sentence. Pure."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from shop.errors import BadAmount, BadLine
from shop.masking import mask_text, normalise_code
from shop.money import read_amount
from shop.port import OrderStatus
from shop.tables import Pool, Proof, WarrantyFrom

Cells = Mapping[str, str]

PRODUCTS = (
    "sku",
    "name",
    "price",
    "currency",
    "warranty",
    "warranty_from",
    "return_within",
    "proof",
    "code_pattern",
)
CODES = ("code", "sku", "pool", "supplier", "batch", "cost")
ORDERS = (
    "order_no",
    "sku",
    "quantity",
    "status",
    "paid",
    "refunded",
    "currency",
    "contact",
    "bought_from",
    "query_password",
    "payment_no",
    "created_at",
    "paid_at",
    "delivered_at",
    "codes",
)
LONGEST = 2_000  # characters of a code
SPAN = re.compile(r"(\d{1,5})\s*(d|day|days|天|h|hours?|小时|)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Defaults:
    """What the command line says for lines that do not."""

    sku: str = ""
    pool: Pool = Pool.RESERVE
    supplier: str = ""
    batch: str = ""
    cost: str = ""
    currency: str = "CNY"
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("Asia/Shanghai"))  # of times without one


@dataclass(frozen=True, slots=True)
class ProductRow:
    sku: str
    facts: dict[str, Any]  # what the line says, by the names of `shop.tables.Product`


@dataclass(frozen=True, slots=True)
class CodeRow:
    text: str = field(repr=False)
    sku: str
    pool: Pool
    supplier: str
    batch: str
    cost: int  # minor units


@dataclass(frozen=True, slots=True)
class OrderRow:
    order_no: str
    sku: str
    facts: dict[str, Any]  # by the names of `shop.tables.ShopOrder`
    query_password: str = field(repr=False)
    payment_no: str = field(repr=False)
    codes: list[str] = field(repr=False)


def read_product(cells: Cells, defaults: Defaults) -> ProductRow:
    """Raises `BadLine`, as the other two."""
    currency = cells.get("currency", defaults.currency)
    facts: dict[str, Any] = {"name": _need(cells, "name"), "currency": currency}
    facts["price"] = _amount(_need(cells, "price"), currency)
    if "warranty" in cells:
        facts["warranty"] = _span(cells["warranty"])
    if "return_within" in cells:
        facts["return_within"] = _span(cells["return_within"]) or None
    for name, kind in (("warranty_from", WarrantyFrom), ("proof", Proof)):
        if name in cells:
            facts[name] = _one_of(kind, cells[name], name)
    if "code_pattern" in cells:
        facts["code_pattern"] = _pattern(cells["code_pattern"])
    return ProductRow(_need(cells, "sku"), facts)


def read_code(cells: Cells, defaults: Defaults) -> CodeRow:
    text = _need(cells, "code")
    if not normalise_code(text):
        raise BadLine(problem="there is no letter or digit in this code")
    if len(text) > LONGEST:
        raise BadLine(problem=f"a code has {LONGEST} characters at most")
    cost = cells.get("cost", defaults.cost)
    return CodeRow(
        text,
        _need(cells, "sku", defaults.sku),
        Pool(_one_of(Pool, cells["pool"], "pool")) if "pool" in cells else defaults.pool,
        cells.get("supplier", defaults.supplier),
        cells.get("batch", defaults.batch),
        _amount(cost, defaults.currency) if cost else 0,
    )


def read_order(cells: Cells, defaults: Defaults) -> OrderRow:
    currency = cells.get("currency", defaults.currency)
    codes = [code.strip() for code in re.split(r"[\n\r|]+", cells.get("codes", "")) if code.strip()]
    quantity = _number(cells.get("quantity", str(max(1, len(codes)))), "quantity")
    paid = _amount(cells["paid"], currency) if cells.get("paid", "0").strip("0.") else 0
    refunded = _amount(cells["refunded"], currency) if cells.get("refunded", "0").strip("0.") else 0
    status = _status(cells.get("status", ""), paid, quantity, len(codes))
    if refunded > paid:
        raise BadLine(problem="more is refunded than was paid")
    if len(codes) > quantity:
        raise BadLine(problem=f"it has {len(codes)} codes, but a quantity of {quantity}")
    if status == OrderStatus.DELIVERED and len(codes) != quantity:
        raise BadLine(problem=f"it is delivered, but has {len(codes)} codes for a quantity of {quantity}")
    times = {
        name: _instant(cells[name], defaults.zone)
        for name in ("created_at", "paid_at", "delivered_at")
        if name in cells
    }
    facts: dict[str, Any] = {"quantity": quantity, "status": status, "paid": paid, "refunded": refunded}
    facts |= {"currency": currency, "contact": cells.get("contact", ""), **times}
    facts["bought_from"] = cells.get("bought_from", "")
    order_no = normalise_code(_need(cells, "order_no"))
    sku = _need(cells, "sku", defaults.sku)
    return OrderRow(order_no, sku, facts, cells.get("query_password", ""), cells.get("payment_no", ""), codes)


def _status(word: str, paid: int, quantity: int, delivered: int) -> OrderStatus:
    """The status named, or the one that the line's facts come to."""
    if word:
        return OrderStatus(_one_of(OrderStatus, word, "status"))
    if not paid:
        return OrderStatus.UNPAID
    if not delivered:
        return OrderStatus.PAID_UNDELIVERED
    return OrderStatus.DELIVERED if delivered == quantity else OrderStatus.PARTIAL


def _need(cells: Cells, name: str, default: str = "") -> str:
    if not (word := cells.get(name, default)):
        raise BadLine(problem=f"{name} is missing")
    return word


def _quoted(text: str) -> str:
    """What stands in the wrong column may be a code."""
    return repr(mask_text(text)[:30])


def _amount(text: str, currency: str) -> int:
    try:
        return read_amount(text, currency)
    except BadAmount:
        raise BadLine(problem=f"{_quoted(text)} is no sum in {currency}") from None


def _number(text: str, name: str) -> int:
    if not text.isdecimal() or not 0 < int(text) <= 100_000:
        raise BadLine(problem=f"{name} is {_quoted(text)}, which is no number from 1 to 100000")
    return int(text)


def _span(text: str) -> timedelta:
    found = SPAN.fullmatch(text.strip())
    if found is None:
        raise BadLine(problem=f"{_quoted(text)} is no time: write 30 d or 24 h")
    is_hours = found[2].lower().startswith(("h", "小"))
    return timedelta(hours=int(found[1])) if is_hours else timedelta(days=int(found[1]))


def _one_of(kind: Callable[[str], Any] | type, word: str, name: str) -> str:
    known = [str(one) for one in kind]  # type: ignore[union-attr]  # an enum lists its members
    if word.lower() not in known:
        raise BadLine(problem=f"{name} is {_quoted(word)}; choose from {', '.join(known)}")
    return word.lower()


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise BadLine(problem=f"code_pattern is no regular expression ({error})") from None
    return text


def _instant(text: str, zone: ZoneInfo) -> datetime:
    try:
        at = datetime.fromisoformat(text.strip().replace("/", "-"))
    except ValueError:
        raise BadLine(problem=f"{_quoted(text)} is no time: write 2026-03-02 12:00") from None
    return (at if at.tzinfo else at.replace(tzinfo=zone)).astimezone(UTC)
