"""Which columns of an unknown shop tell what: a map proposed from names, types, remarks and keys. Pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from shop.adapters.column_map import Place
from shop.adapters.column_words import (
    CARD_TABLES,
    NOT_GOODS,
    NOT_ORDERS,
    OF_CARDS,
    OF_GOODS,
    OF_ORDERS,
    ORDER_TABLES,
    Words,
    plain_name,
    score,
)
from shop.adapters.live_schema import Holds, LiveColumn, LiveTable

_NUMBERS = {"number", "card_no", "card_number", "card_num", "kahao", "account"}  # of a card whose password is apart
_PASSWORDS = {"secret", "password", "card_password", "card_pwd", "passwd", "pwd", "pin", "kami", "mima", "kamima"}
_MACHINE_MADE = {Holds.WHOLE: "integer", Holds.UUID: "uuid"}  # numbers of orders that are no text
SURE = 50  # a score that more than a part of a name gives


@dataclass(frozen=True, slots=True)
class Draft:
    """A map as far as the schema alone tells."""

    orders: LiveTable
    columns: Mapping[str, str]  # what is sure, and the codes where they are text of the order
    cards: Mapping[str, str] = field(default_factory=dict)  # what to say of codes in a table of their own
    contacts: Sequence[str] = ()  # columns that may hold it

    def column(self, key: str) -> LiveColumn | None:
        """The column of the orders' table that tells this."""
        table, _, name = self.columns.get(key, "").partition(".")
        return self.orders.find(name) if table == self.orders.name else None


def draft(schema: Sequence[LiveTable]) -> Draft | None:
    """What the schema tells; None when no table looks like that of the orders."""
    found = max(schema, key=_likeness, default=None)
    if found is None or _likeness(found) <= 0:
        return None
    fitting = _orders(found)
    columns = {key: f"{found.name}.{column.name}" for key, column in fitting.items()}
    if kind := _MACHINE_MADE.get(fitting["order_no"].holds):
        columns["order_no.type"] = kind
    if "paid" not in columns and "price" in columns:
        columns["paid"] = columns.pop("price")
    contacts = [column.name for column in found.columns if score(column, OF_ORDERS["contact"], found.name)]
    if "sku" not in columns and (sku := _goods_key(schema, found)):
        columns["sku"] = f"{found.name}.{sku}"
    known = Draft(found, columns, contacts=contacts)
    if "product" not in columns:
        known = replace(known, columns=columns | _goods(schema, known))
    return replace(known, cards=_cards(schema, known))


def _likeness(table: LiveTable) -> float:
    """How much a table looks like that of the orders; 0 when it has no number of theirs."""
    if "order_no" not in (found := _orders(table)):
        return 0
    named = 4 * _is_named(table, ORDER_TABLES) - 6 * _is_named(table, NOT_ORDERS)
    return named + len(found)


def _orders(table: LiveTable) -> dict[str, LiveColumn]:
    """Its number first: what a shop without another name for it calls trade_no is not the payment's."""
    found = assign({"order_no": OF_ORDERS["order_no"]}, table)
    if not found and _is_named(table, ORDER_TABLES):
        named = [one for one in table.columns if one.name in table.unique and one.holds == Holds.TEXT]
        found = {"order_no": named[0]} if named else {}
    if not found:
        whole = {"order_no": ("order_sn order_no order_number orderno dingdanhao trade_no", "订单号", (Holds.WHOLE,))}
        found = assign(whole, table)
    key = table.find(table.key)
    if not found and key and key.holds in _MACHINE_MADE and _is_named(table, ORDER_TABLES):
        found = {"order_no": key}
    return found | assign({key: words for key, words in OF_ORDERS.items() if key != "order_no"}, table, found.values())


def assign(wanted: Mapping[str, Words], table: LiveTable, taken: Collection[LiveColumn] = ()) -> dict[str, LiveColumn]:
    """The best column for each key, no column for two."""
    fits = [
        (score(column, words, table.name), key, column)
        for key, words in wanted.items()
        for column in table.columns
        if column not in taken
    ]
    found: dict[str, LiveColumn] = {}
    for points, key, column in sorted(fits, key=lambda fit: -fit[0]):
        if points and key not in found and column not in found.values():
            found[key] = column
    return found


def _goods_key(schema: Sequence[LiveTable], orders: LiveTable) -> str | None:
    """The foreign key to something that has a name and is nobody."""
    for column, place in orders.links.items():
        table = next((one for one in schema if one.name == place.table), None)
        if table and assign(OF_GOODS, table) and not _is_named(table, NOT_GOODS):
            return column
    return None


def _goods(schema: Sequence[LiveTable], known: Draft) -> dict[str, str]:
    """The name of the goods, in the table that the order's column of them leads to."""
    sku = known.column("sku")
    if sku is None:
        return {}
    stem = plain_name(sku.name).removesuffix("_id").removesuffix("id")
    linked = known.orders.links.get(sku.name)
    for table in schema:
        is_it = linked.table == table.name if linked else _ends(table, stem)
        named = assign(OF_GOODS, table) if is_it and table.key and table.name != known.orders.name else {}
        if named:
            place = linked.column if linked else table.key
            return {
                "product": f"{table.name}.{named['product'].name}",
                f"join.{table.name}": f"{table.name}.{place} = {known.orders.name}.{sku.name}",
            }
    return {}


def _cards(schema: Sequence[LiveTable], known: Draft) -> dict[str, str]:
    """Where codes stand in a table of their own, and how it hangs on the order's."""
    others = [table for table in schema if table.name != known.orders.name]
    for table in others:
        fitting = _card(table)
        if not (table.key and "codes" in fitting and _is_named(table, CARD_TABLES)):
            continue
        joins = _joins(table, known) or _joins_through(others, table, known)
        if joins:
            columns = {key: f"{table.name}.{column.name}" for key, column in fitting.items()}
            loops = {"reusable.yes": "1"} if "reusable" in columns else {}
            return columns | loops | {"code_id": f"{table.name}.{table.key}"} | joins
    return {}


def _card(table: LiveTable) -> dict[str, LiveColumn]:
    names = {plain_name(column.name): column for column in table.columns if column.holds == Holds.TEXT}
    number, password = sorted(_NUMBERS & set(names)), sorted(_PASSWORDS & set(names))
    rest = {key: words for key, words in OF_CARDS.items() if key in ("reusable", "code_deleted")}
    if number and password:
        return {"codes": names[number[0]], "code_password": names[password[0]]} | assign(rest, table)
    return assign({"codes": OF_CARDS["codes"]} | rest, table)


def _joins(table: LiveTable, known: Draft) -> dict[str, str]:
    link = _link(table, known.orders, known.columns["order_no"].partition(".")[2])
    return {f"join.{table.name}": f"{table.name}.{link[0]} = {link[1]}"} if link else {}


def _joins_through(others: Sequence[LiveTable], card: LiveTable, known: Draft) -> dict[str, str]:
    for between in others:
        first = _joins(between, known) if between.name != card.name else {}
        link = _link(between, card) if first else None
        if link:
            return first | {f"join.{card.name}": f"{link[1]} = {between.name}.{link[0]}"}
    return {}


def _link(table: LiveTable, to: LiveTable, number: str = "") -> tuple[str, Place] | None:
    """The column that says which row of the other table a row belongs to, and what it holds of that."""
    for linked, place in table.links.items():
        if place.table == to.name:
            return linked, place
    for column in table.columns:
        name = plain_name(column.name)
        if _ends(to, name.removesuffix("_id")) and name.endswith("_id") and to.key:
            target = to.find(to.key)
            if target and target.holds == column.holds:
                return column.name, Place(to.name, to.key)
        mine = to.find(number)
        if mine and column.holds == mine.holds and (name == plain_name(number) or name in ("order_no", "order_sn")):
            return column.name, Place(to.name, number)
    return None


def _ends(table: LiveTable, stem: str) -> bool:
    """Whether a table is named for the stem: "sold_order", "order" and "product" for orders, shop_order, products."""
    last = stem.rpartition("_")[2]
    name = plain_name(table.name).rpartition("_")[2]
    return bool(last) and name in (last, f"{last}s", f"{last}es", last.removesuffix("y") + "ies")


def _is_named(table: LiveTable, words: str) -> bool:
    parts = plain_name(table.name).split("_")
    return bool({*parts, *(part.removesuffix("s") for part in parts)} & set(words.split()))
