"""What tables a shop's database has, as the server tells: names, kinds of columns, remarks, keys. No rows are read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import groupby
from typing import Any

from sqlalchemy import Boolean, Date, DateTime, Integer, Numeric, String, Uuid, inspect, text

from shop.adapters.column_map import Place
from shop.adapters.connection import ShopDatabase


class Holds(StrEnum):
    """What a column is for, by its type."""

    TEXT = "text"
    WHOLE = "whole"
    DECIMAL = "decimal"
    TIME = "time"
    UUID = "uuid"
    OTHER = "other"


_TYPES = (
    (Boolean, Holds.WHOLE),
    (Integer, Holds.WHOLE),
    (Numeric, Holds.DECIMAL),
    (String, Holds.TEXT),
    (Uuid, Holds.UUID),
)
_TIMES = (DateTime, Date)


@dataclass(frozen=True, slots=True)
class LiveColumn:
    name: str
    holds: Holds
    remark: str = ""


@dataclass(frozen=True, slots=True)
class LiveTable:
    name: str
    columns: Sequence[LiveColumn]
    key: str = ""  # the column that tells its rows apart; "" when it takes several
    links: Mapping[str, Place] = field(default_factory=dict)  # what its foreign keys of one column point to
    unique: frozenset[str] = frozenset()  # other columns that tell its rows apart

    def find(self, name: str) -> LiveColumn | None:
        return next((column for column in self.columns if column.name == name), None)


# MySQL shows how a table was made only to who may read all of it, and this to who may read some.
_MYSQL = """SELECT table_name AS tab, column_name AS col, data_type AS kind, column_comment AS remark,
    column_key AS rank_ FROM information_schema.columns WHERE table_schema = DATABASE()
    ORDER BY table_name, ordinal_position"""
_MYSQL_LINKS = """SELECT table_name AS tab, column_name AS col, referenced_table_name AS other,
    referenced_column_name AS to_ FROM information_schema.key_column_usage
    WHERE table_schema = DATABASE() AND referenced_table_name IS NOT NULL"""
_MYSQL_TYPES = {
    Holds.TEXT: "char varchar tinytext text mediumtext longtext enum",
    Holds.WHOLE: "tinyint smallint mediumint int bigint bit",
    Holds.DECIMAL: "decimal float double",
    Holds.TIME: "datetime timestamp date",
    Holds.UUID: "uuid",
}


async def read_schema(database: ShopDatabase) -> Sequence[LiveTable]:
    """All tables that this user sees. Raises `ShopDown`."""
    if database.dialect in ("mysql", "mariadb"):
        return _of_mysql(await database.rows(text(_MYSQL)), await database.rows(text(_MYSQL_LINKS)))
    async with database.held() as connection:
        return await connection.run_sync(_reflect)


def _of_mysql(rows: Sequence[Any], links: Sequence[Any]) -> Sequence[LiveTable]:
    kinds = {kind: holds for holds, words in _MYSQL_TYPES.items() for kind in words.split()}
    return [
        LiveTable(
            name,
            [LiveColumn(row.col, kinds.get(str(row.kind).lower(), Holds.OTHER), row.remark or "") for row in columns],
            keys[0] if len(keys := [row.col for row in columns if row.rank_ == "PRI"]) == 1 else "",
            {link.col: Place(link.other, link.to_) for link in links if link.tab == name},
            frozenset(row.col for row in columns if row.rank_ == "UNI"),
        )
        for name, columns in ((name, list(found)) for name, found in groupby(rows, key=lambda row: row.tab))
    ]


def _reflect(connection: Any) -> Sequence[LiveTable]:
    inspector = inspect(connection)
    keys, links = inspector.get_multi_pk_constraint(), inspector.get_multi_foreign_keys()
    indexes, rules = inspector.get_multi_indexes(), inspector.get_multi_unique_constraints()
    return [
        LiveTable(
            place[1],
            [LiveColumn(one["name"], _holds(one["type"]), one.get("comment") or "") for one in columns],
            _single(keys[place]["constrained_columns"]),
            {
                link["constrained_columns"][0]: Place(link["referred_table"], link["referred_columns"][0])
                for link in links[place]
                if len(link["constrained_columns"]) == len(link["referred_columns"]) == 1
            },
            frozenset(
                _single([name or "" for name in one["column_names"]])
                for one in (*(index for index in indexes[place] if index["unique"]), *rules[place])
            ),
        )
        for place, columns in sorted(inspector.get_multi_columns().items(), key=lambda found: found[0][1])
    ]


def _single(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else ""


def _holds(kind: object) -> Holds:
    if isinstance(kind, _TIMES):
        return Holds.TIME
    return next((holds for one, holds in _TYPES if isinstance(kind, one)), Holds.OTHER)
