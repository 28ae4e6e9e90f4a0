"""Where a shop of any make keeps what, as its owner says it in `[shop.columns]`: read and checked without a look at it.

`order_no = "orders.sn"` names a column, `"status.delivered" = "4, 5"` what it holds, and `"join.cards" =
"cards.order_id = orders.id"` how another table hangs on the order's.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

from shop.adapters.hashed import WAYS
from shop.errors import BadColumns
from shop.port import OrderStatus

# What an order may tell; only its number is needed.
FACTS = (
    *("order_no", "status", "kind", "sku", "product", "price", "quantity", "paid", "refunded"),
    *("created_at", "paid_at", "delivered_at", "password", "payment_no", "contact", "bought_from", "deleted"),
    "item_id",  # the key of a table of several goods of an order
)
# What a code may: text of the order, or rows of a table of their own, which a third may join to it.
OF_CODES = ("codes", "code_id", "code_password", "reusable", "code_deleted")
# What is left for sale: how many, or, with "stock.free", a row for each; and of which goods.
OF_STOCK = ("stock", "stock_sku")
# What columns hold: values, several of them set apart by commas.
VALUES = ("kind.automatic", "reusable.yes", "stock.free", *(f"status.{status}" for status in OrderStatus))
# How they are written; the first is meant where nothing is said.
CHOICES: Mapping[str, Sequence[str]] = {
    "money": ("yuan", "fen"),
    "order_no.type": ("text", "integer", "uuid"),
    "codes.form": ("lines", "row"),
    "password.hash": WAYS,
}
SEPARATOR = "codes.separator"
KEYS = (*FACTS, *OF_CODES, *OF_STOCK, *VALUES, *CHOICES, SEPARATOR)
_PLACE = re.compile(r"\s*([^\s.=]+)\.([^\s.=]+)\s*")


@dataclass(frozen=True, slots=True)
class Place:
    """A column of a table, as the shop names them."""

    table: str
    column: str

    def __str__(self) -> str:
        return f"{self.table}.{self.column}"


@dataclass(frozen=True, slots=True)
class Join:
    """Rows of `mine.table` belong to those of `other.table` where the two columns are the same."""

    mine: Place
    other: Place


@dataclass(frozen=True, slots=True)
class ColumnMap:
    """A map that fits together."""

    places: Mapping[str, Place]  # by what they tell
    joins: tuple[Join, ...]  # each hangs on the order's table, or on one before it
    values: Mapping[str, frozenset[str]]  # of `VALUES`, as `plain_value` writes them
    choices: Mapping[str, str]
    separator: str  # of the codes of one text; "": each has a line
    stock: tuple[Place, Place] | None = None  # as `OF_STOCK`, of one table

    @property
    def orders(self) -> str:
        """The table of the orders."""
        return self.places["order_no"].table

    @property
    def has_rows(self) -> bool:
        """Whether codes stand in a table of their own."""
        return "codes" in self.places and self.places["codes"].table != self.orders

    def is_of_order(self, key: str) -> bool:
        """Whether this stands beside the order, and not beside each of its codes."""
        return key in self.places and (not self.has_rows or self.places[key].table != self.places["codes"].table)

    def is_of_items(self, key: str) -> bool:
        """Whether this stands beside each of the goods of an order."""
        return {"item_id", key} <= set(self.places) and self.places[key].table == self.places["item_id"].table

    def status_of(self, value: object) -> OrderStatus:
        """What a value of the status means; one that nobody mapped is for a person to look at."""
        plain = plain_value(value)
        return next((one for one in OrderStatus if plain in self.values.get(f"status.{one}", ())), OrderStatus.ABNORMAL)


def plain_value(value: object) -> str:
    """A value as it is compared with the map: 4, "4", True and b"\\x01" have one form each, whatever the server."""
    if isinstance(value, bytes):
        value = value[0] if len(value) == 1 and value[0] < ord(" ") else value.decode(errors="replace")
    text = str(value).strip().casefold()
    return {"true": "1", "false": "0"}.get(text, text)


def read_map(shop: str, columns: Mapping[str, str]) -> ColumnMap:
    """The map that the settings say. Raises `BadColumns` with the first that is wrong."""
    reading = _Reading(shop, columns)
    reading.check_keys()
    places = {key: reading.place(key) for key in (*FACTS, *OF_CODES) if key in columns}
    known = ColumnMap(
        places=places,
        joins=reading.joins(places),
        values={key: reading.values(key) for key in VALUES if key in columns},
        choices={key: reading.choice(key) for key in CHOICES},
        separator=columns.get(SEPARATOR, ""),
        stock=reading.stock(),
    )
    reading.check_codes(known)
    return known


@dataclass(frozen=True, slots=True)
class _Reading:
    shop: str
    columns: Mapping[str, str]

    def refuse(self, problem: str) -> NoReturn:
        raise BadColumns(shop=self.shop, problem=problem)

    def check_keys(self) -> None:
        if not self.columns:
            self.refuse("there are none; `kadesk shop map` proposes them")
        for key in self.columns:
            if key not in KEYS and not key.startswith("join."):
                self.refuse(f"there is no {key!r}; choose from {', '.join(KEYS)} and join.TABLE")
            base = key.partition(".")[0]
            if base != key and base in (*FACTS, *OF_CODES, *OF_STOCK) and base not in self.columns:
                self.refuse(f"{key!r} says something of {base!r}, and no column is named for that")
        if "order_no" not in self.columns:
            self.refuse("'order_no' is missing: the column of the number that buyers know their order by")
        for key, needed in (("status", "status.delivered"), ("kind", "kind.automatic"), ("reusable", "reusable.yes")):
            if key in self.columns and needed not in self.columns:
                self.refuse(f"{needed!r} is missing: the values of {key!r} that say so")

    def place(self, key: str) -> Place:
        return self._place(key, self.columns[key])

    def _place(self, key: str, text: str) -> Place:
        found = _PLACE.fullmatch(text)
        if found is None:
            self.refuse(f"{key!r} must name a column like 'orders.{key.rpartition('.')[2]}', not {text!r}")
        return Place(found[1], found[2])

    def stock(self) -> tuple[Place, Place] | None:
        if not set(OF_STOCK) & set(self.columns):
            return None
        for key in OF_STOCK:
            if key not in self.columns:
                self.refuse(f"{key!r} is missing: 'stock' and 'stock_sku' tell together what is left")
        left, sku = map(self.place, OF_STOCK)
        if left.table != sku.table:
            self.refuse(f"'stock_sku' must be in the table of 'stock', {left}")
        return left, sku

    def values(self, key: str) -> frozenset[str]:
        values = frozenset(plain_value(part) for part in self.columns[key].split(",") if part.strip())
        if not values:
            self.refuse(f"{key!r} is empty; leave it out, or write values such as '4' or '4, 5'")
        for other in VALUES[: VALUES.index(key)]:
            twice = values & self.values(other) if other.startswith("status.") and other in self.columns else None
            if twice and key.startswith("status."):
                self.refuse(f"{min(twice)!r} stands in {other!r} and in {key!r}")
        return values

    def choice(self, key: str) -> str:
        usual = CHOICES[key][0] if key != "codes.form" or not self._is_apart() else "row"
        chosen = self.columns.get(key, usual)
        if chosen not in CHOICES[key]:
            self.refuse(f"{key!r} is {' or '.join(map(repr, CHOICES[key]))}, not {chosen!r}")
        return chosen

    def _is_apart(self) -> bool:
        return "codes" in self.columns and self.place("codes").table != self.place("order_no").table

    def joins(self, places: Mapping[str, Place]) -> tuple[Join, ...]:
        """All joins in an order in which each finds its other side, and none that nothing needs."""
        waiting = {key.removeprefix("join."): self._join(key) for key in self.columns if key.startswith("join.")}
        known, ordered = [places["order_no"].table], list[Join]()
        while ready := [join for join in waiting.values() if join.other.table in known]:
            for join in ready:
                del waiting[join.mine.table]
            known += [join.mine.table for join in ready]
            ordered += ready
        for table, join in waiting.items():
            self.refuse(f"'join.{table}' hangs on {join.other.table!r}, which is not joined to {known[0]!r}")
        for key, place in places.items():
            if place.table not in known:
                self.refuse(f"{key!r} is in {place.table!r}: say how it is joined, 'join.{place.table}' = '...'")
        used = {place.table for place in places.values()} | {join.other.table for join in ordered}
        for join in ordered:
            if join.mine.table not in used:
                self.refuse(f"'join.{join.mine.table}' is for nothing: no column of {join.mine.table!r} is named")
        return tuple(ordered)

    def _join(self, key: str) -> Join:
        table, text = key.removeprefix("join."), self.columns[key]
        sides = [self._place(key, side) for side in text.split("=")] if text.count("=") == 1 else []
        mine = [side for side in sides if side.table == table]
        if len(mine) != 1:
            self.refuse(f"{key!r} must be like '{table}.order_id = orders.id', not {text!r}")
        return Join(mine[0], next(side for side in sides if side.table != table))

    def check_codes(self, known: ColumnMap) -> None:
        place, rows = known.places.get("codes"), known.has_rows
        if "item_id" in known.places and not any(map(known.is_of_items, ("sku", "product", "quantity"))):
            self.refuse(f"'item_id' is for nothing: no goods are named in {known.places['item_id'].table!r}")
        for key in (*OF_CODES[1:], "codes.form"):
            if key in self.columns and not rows:
                self.refuse(f"{key!r} is for codes in a table of their own")
            is_elsewhere = key in known.places and place is not None and known.places[key].table != place.table
            if is_elsewhere and key not in ("reusable", "code_deleted"):
                self.refuse(f"{key!r} must be in the table of 'codes', {place}")
        if rows and "code_id" not in self.columns:
            self.refuse(f"'code_id' is missing: the key of the rows of {known.places['codes'].table!r}")
        if known.separator and known.choices["codes.form"] == "row":
            self.refuse(f"{SEPARATOR!r} is for texts of several codes: say 'codes.form' = 'lines' too")
