"""What the newest rows of an unknown shop say of its columns, counted inside its database: no value leaves it but
those of the status, which are a few words that many orders share.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import String, and_, case, cast, column, exists, func, literal, or_, select, table

from shop.adapters.column_map import Join, Place, plain_value, read_map
from shop.adapters.connection import ShopDatabase
from shop.adapters.live_schema import Holds
from shop.adapters.proposal import Draft
from shop.adapters.sql import quoted

ROWS = 2_000  # the newest that are counted
VALUES = 20  # that a status may have; more are none


@dataclass(frozen=True, slots=True)
class Value:
    """How many orders have one value of the status; how many of these have a time of payment, and codes."""

    text: str
    rows: int
    paid: int
    came: int


@dataclass(frozen=True, slots=True)
class Evidence:
    rows: int = 0
    texts: int = 0  # that have text where codes may be
    lines: int = 0  # of several lines
    commas: int = 0  # of one line with a comma
    addresses: Mapping[str, int] = field(default_factory=dict)  # that have an @, by the columns of contacts
    passwords: int = 0
    lengths: tuple[int, int] = (0, 0)  # of the shortest and the longest password
    argon2: int = 0
    bcrypt: int = 0
    values: Sequence[Value] = ()


async def gather(database: ShopDatabase, draft: Draft) -> Evidence:
    """Two statements. Raises `ShopDown`."""
    sample = _sample(draft)
    [counted] = await database.rows(select(*_counts(draft, sample)))
    facts = dict(counted._mapping)
    values: Sequence[Value] = ()
    if draft.column("status"):
        values = [
            Value(plain_value(row.status), row.rows, int(row.paid or 0), int(row.came or 0))
            for row in await database.rows(_values(draft, sample))
        ]
    number = {key: int(facts.get(key) or 0) for key in ("rows", "texts", "lines", "commas", "passwords")}
    return Evidence(
        **number,
        addresses={name: int(facts[f"at_{at}"] or 0) for at, name in enumerate(draft.contacts)},
        lengths=(int(facts.get("shortest") or 0), int(facts.get("longest") or 0)),
        argon2=int(facts.get("argon2") or 0),
        bcrypt=int(facts.get("bcrypt") or 0),
        values=values if len(values) <= VALUES else (),
    )


def _sample(draft: Draft) -> Any:
    """The newest orders, of the columns that are looked at and no others."""
    looked_at = [draft.column(key) for key in ("status", "paid_at", "codes", "password")]
    linked = [
        side.column for join in _joins(draft) for side in (join.mine, join.other) if side.table == draft.orders.name
    ]
    names = {*(one.name for one in looked_at if one), *draft.contacts, *linked, draft.orders.key} - {""}
    orders = table(quoted(draft.orders.name), *(column(quoted(name)) for name in sorted(names)))
    if not names:
        return select(literal(1).label("one")).select_from(orders).limit(ROWS).subquery("newest")
    newest = select(orders).limit(ROWS)
    return (newest.order_by(orders.c[draft.orders.key].desc()) if draft.orders.key else newest).subquery("newest")


def _joins(draft: Draft) -> Sequence[Join]:
    """From the orders to their cards, where these have a table of their own."""
    return read_map("", {"order_no": draft.columns["order_no"], **draft.cards}).joins if draft.cards else ()


def _counts(draft: Draft, sample: Any) -> list[Any]:
    def many(condition: Any, label: str) -> Any:
        return func.sum(case((condition, 1), else_=0)).label(label)

    found = [func.count().label("rows")]
    codes, password = draft.column("codes"), draft.column("password")
    if codes:
        text = sample.c[codes.name]
        has_lines = text.like("%\n%")
        found += [many(func.length(text) > 0, "texts"), many(has_lines, "lines")]
        found.append(many(and_(text.like("%,%"), ~has_lines), "commas"))
    if password:
        text = sample.c[password.name]
        length = case((func.length(text) > 0, func.length(text)))
        found += [func.count(length).label("passwords"), func.min(length).label("shortest")]
        found += [func.max(length).label("longest"), many(text.like("$argon2%"), "argon2")]
        found.append(many(text.like("$2_$%"), "bcrypt"))
    return found + [many(sample.c[name].like("%@%"), f"at_{at}") for at, name in enumerate(draft.contacts)]


def _values(draft: Draft, sample: Any) -> Any:
    """The values of the status, each with how many orders have it, were paid and got codes."""
    status, paid, codes = (draft.column(key) for key in ("status", "paid_at", "codes"))
    assert status is not None
    signs = [func.length(sample.c[codes.name]) > 0] if codes else []
    if draft.cards:
        signs.append(_has_cards(draft, sample))
    is_paid: Any = literal(0)
    if paid:
        at = sample.c[paid.name]
        is_paid = case((and_(at.is_not(None), at != 0) if paid.holds == Holds.WHOLE else at.is_not(None), 1), else_=0)
    each = select(
        cast(sample.c[status.name], String(40)).label("status"),
        is_paid.label("paid"),
        case((or_(*signs), 1), else_=0).label("came") if signs else literal(0).label("came"),
    ).subquery("each_order")
    sums = func.count().label("rows"), func.sum(each.c.paid).label("paid"), func.sum(each.c.came).label("came")
    return select(each.c.status, *sums).where(each.c.status.is_not(None)).group_by(each.c.status).limit(VALUES + 1)


def _has_cards(draft: Draft, sample: Any) -> Any:
    tables: dict[str, Any] = {}

    def at(place: Place) -> Any:
        if place.table == draft.orders.name:
            return sample.c[place.column]
        there = tables.setdefault(place.table, table(quoted(place.table)))
        if place.column not in there.c:
            there.append_column(column(quoted(place.column)))
        return there.c[place.column]

    conditions = [at(join.mine) == at(join.other) for join in _joins(draft)]
    return exists(select(literal(1)).select_from(*tables.values()).where(*conditions).correlate(sample))
