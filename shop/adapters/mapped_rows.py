"""What the rows of a mapped shop say of an order: whether it was delivered, with which codes, for how much. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from shop.adapters.column_map import ColumnMap, plain_value
from shop.adapters.foreign import Ground, Sold, minor
from shop.delivered import Delivered, read_delivered
from shop.errors import SchemaMismatch
from shop.port import Order, OrderStatus, ProofWay

# Of these an order has its codes; before, what stands there may be a form of the buyer's, or only be kept for them.
_HANDED_OUT = (OrderStatus.DELIVERED, OrderStatus.PARTIAL, OrderStatus.REFUNDED, OrderStatus.FROZEN)
_UNPAID = (OrderStatus.UNPAID, OrderStatus.CLOSED)
_MILLISECONDS = 100_000_000_000  # a Unix time beyond it counts these
NOTHING = ("", "0", "none", "0000-00-00 00:00:00", "0000-00-00")
Facts = Mapping[str, Any]  # a row by the keys of the map


@dataclass(frozen=True, slots=True)
class MappedSold(Sold):
    """An order of a shop that may keep only a hash of its query password."""

    hashed: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class RowReader:
    ground: Ground
    map: ColumnMap

    def read(self, found: Sequence[Facts]) -> MappedSold | None:
        """The order of these rows: one row, or one for each of its codes. None when the shop deleted it."""
        rows = [row for row in found if not _is_set(row.get("deleted"))]
        if not rows:
            return None
        order, items = self._order(rows), self._items(rows)
        quantity = self._quantity(self._counted(rows, items))
        stated, is_automatic = self._stated(order), self._is_automatic(order)
        has_codes = is_automatic and stated in _HANDED_OUT
        delivered = [self._delivered(item) if has_codes else Delivered() for item in items]
        codes = tuple(code for one in delivered for code in one.codes)
        status = stated
        if stated == OrderStatus.DELIVERED and is_automatic and "codes" in self.map.places:
            status = _status(len(codes), any(one.failure for one in delivered), quantity)
        loops = (code for item, one in zip(items, delivered, strict=True) if self._is_loop(item) for code in one.codes)
        return MappedSold(
            self._as_order(order, status, quantity or len(codes) or 1, bool(codes) or not is_automatic),
            codes=codes,
            reusable=frozenset(map(self.ground.vault.fingerprint, loops)),
            secrets=self._secrets(order),
            hashed=_text(order.get("password")),
        )

    def _lines(self, rows: Sequence[Facts]) -> Sequence[Facts]:
        """The rows of its goods, each once; one where it has no table of them."""
        once = {row["item_id"]: row for row in rows if row.get("item_id") is not None}
        return list(once.values()) or rows[:1]

    def _order(self, rows: Sequence[Facts]) -> Facts:
        """What stands beside the order, or its first goods; of several all are named."""
        names = dict.fromkeys(_text(line.get("product")) for line in self._lines(rows))
        return {**self._lines(rows)[0], "product": " + ".join(filter(None, names))}

    def _counted(self, rows: Sequence[Facts], items: Sequence[Facts]) -> Sequence[Facts]:
        if self.map.is_of_items("quantity"):
            return self._lines(rows)
        return rows[:1] if self.map.is_of_order("quantity") else items

    def _items(self, rows: Sequence[Facts]) -> list[Facts]:
        """The rows of its codes, each once: a third table may have made several of one."""
        if not self.map.has_rows:
            return list(rows[:1])
        once = {row["code_id"]: row for row in rows if row["code_id"] is not None}
        return [row for row in once.values() if not _is_set(row.get("code_deleted"))]

    def _delivered(self, item: Facts) -> Delivered:
        text, password = _text(item.get("codes")), _text(item.get("code_password"))
        if self.map.separator:
            text = text.replace(self.map.separator, "\n")
        delivered = read_delivered(text, self.ground.failures)
        if self.map.choices["codes.form"] == "lines" or not delivered.codes:
            return delivered
        return Delivered(("----".join(filter(None, (text, password))),))

    def _is_loop(self, item: Facts) -> bool:
        return "reusable" in item and plain_value(item["reusable"]) in self.map.values["reusable.yes"]

    def _is_automatic(self, order: Facts) -> bool:
        return "kind" not in order or plain_value(order["kind"]) in self.map.values["kind.automatic"]

    def _stated(self, order: Facts) -> OrderStatus:
        """What the shop says; where it says nothing, an order without a time of payment is not paid."""
        if "status" in order:
            return self.map.status_of(order["status"])
        is_unpaid = "paid_at" in order and self._instant(order, "paid_at") is None
        return OrderStatus.UNPAID if is_unpaid else OrderStatus.DELIVERED

    def _as_order(self, order: Facts, status: OrderStatus, quantity: int, came: bool) -> Order:
        is_paid = status not in _UNPAID
        made_at = self._instant(order, "created_at")
        paid_at = (self._instant(order, "paid_at") or made_at) if is_paid else None
        paid = self._money(order, "paid") if is_paid else 0
        refunded = self._money(order, "refunded") if "refunded" in order else 0
        if status == OrderStatus.REFUNDED and "refunded" not in order:
            refunded = paid
        price = self._money(order, "price") if "price" in order else paid // quantity
        sku = _text(order.get("sku")) or _text(order.get("product"))
        goods = self.ground.goods(sku, _text(order.get("product")) or sku, Decimal(price) / 100)
        return Order(
            shop=self.ground.name,
            order_no=_text(order["order_no"]),
            status=status,
            goods=goods,
            quantity=quantity,
            paid=paid,
            refunded=refunded,
            paid_at=paid_at,
            delivered_at=(self._instant(order, "delivered_at") or paid_at) if came and status in _HANDED_OUT else None,
            contact=_text(order.get("contact")),
            bought_from=_text(order.get("bought_from")),
        )

    def _secrets(self, order: Facts) -> dict[ProofWay, str]:
        is_plain = self.map.choices["password.hash"] == "plain"
        password, payment = _text(order.get("password")), _text(order.get("payment_no"))
        ways = {ProofWay.QUERY_PASSWORD: password, ProofWay.PAYMENT_TAIL: payment}
        # Of a hash only its being there is told: whoever knows it does not know the password.
        shown = {ProofWay.QUERY_PASSWORD: password if is_plain else "", ProofWay.PAYMENT_TAIL: payment}
        return {way: shown[way] for way, secret in ways.items() if secret}

    def _quantity(self, rows: Sequence[Facts]) -> int:
        """0 when nothing tells."""
        try:
            return sum(int(row.get("quantity") or 0) for row in rows)
        except (ValueError, TypeError):
            raise self._misfit("quantity", "whole numbers") from None

    def _money(self, order: Facts, key: str) -> int:
        amount = order.get(key) or 0
        try:
            return int(amount) if self.map.choices["money"] == "fen" else minor(amount)
        except (ValueError, TypeError, InvalidOperation):
            raise self._misfit(key, "sums of money") from None

    def _instant(self, order: Facts, key: str) -> datetime | None:
        """A time, however it is kept: as one, as Unix seconds or milliseconds, or as text."""
        value = order.get(key)
        if not _is_set(value):
            return None
        if isinstance(value, str) and not value.strip().isdigit():
            try:
                value = datetime.fromisoformat(value.strip())
            except ValueError:
                raise self._misfit(key, "times") from None
        if isinstance(value, datetime):
            return self.ground.aware(value)
        try:
            seconds = float(value)  # type: ignore[arg-type]
            return datetime.fromtimestamp(seconds / 1_000 if seconds > _MILLISECONDS else seconds, UTC)
        except (ValueError, TypeError, OverflowError, OSError):
            raise self._misfit(key, "times") from None

    def _misfit(self, key: str, what: str) -> SchemaMismatch:
        return SchemaMismatch(shop=self.ground.name, problem=f"{self.map.places[key]} ({key}) does not hold {what}")


def _status(codes: int, has_failed: bool, quantity: int) -> OrderStatus:
    """What became of an order that counts as delivered."""
    if codes:
        return OrderStatus.PARTIAL if codes < quantity else OrderStatus.DELIVERED
    return OrderStatus.ABNORMAL if has_failed else OrderStatus.PAID_UNDELIVERED


def _is_set(value: object) -> bool:
    return value is not None and plain_value(value) not in NOTHING


def _text(value: object) -> str:
    if value is None:
        return ""
    return (value.decode(errors="replace") if isinstance(value, bytes) else str(value)).strip()
