"""Any shop beside us whose owner says where its tables keep what: see `column_map`.

A look-up is one statement. It selects nothing but what is mapped, finds rows by the order number alone, and names
every table and column in quotes, so that one called `order` is no trouble.
"""

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import Select, bindparam, column, select, table
from sqlalchemy.sql.elements import quoted_name
from sqlalchemy.sql.expression import TableClause

from shop.adapters.column_map import ColumnMap, Place, read_map
from shop.adapters.connection import SECONDS
from shop.adapters.foreign import DatabaseShop, Ground, Sold, plain_secret
from shop.adapters.mapped_rows import MappedSold, RowReader
from shop.masking import normalise_code
from shop.port import Answer, Contact, Power, ProofWay, Reply

_LARGEST = 2**63  # that a column of whole numbers does not hold
_HASHER = PasswordHasher()
_NO_PASSWORD = _HASHER.hash("")  # compared with when there is no order or no password, so that this costs the same


class SqlShop(DatabaseShop):
    """`shop.port.Shop` on the database of any shop."""

    def __init__(self, ground: Ground, url: str, columns: Mapping[str, str], *, seconds: float = SECONDS) -> None:
        """Raises `BadColumns`, `BadShopUrl`."""
        self._map = read_map(ground.name, columns)
        super().__init__(ground, url, seconds=seconds)
        self.powers = _powers(self._map)
        named = _tables(self._map)
        self.tables = tuple(named.values())
        self._statement = _look_up(self._map, named)
        self._reader = RowReader(ground, self._map)

    async def read(self, order_no: str) -> Sold | None:
        """One statement."""
        numbers = self._numbers(order_no)
        if not numbers:
            return None
        found = [row._asdict() for row in await self.database.rows(self._statement, numbers=numbers)]
        # The server may hold more texts for the same than we do, and have several that we hold for the same.
        known = {str(row["order_no"]).strip() for row in found}
        fitting = sorted(one for one in known if normalise_code(one) == normalise_code(order_no))
        number = order_no if order_no in fitting else next(iter(fitting), None)
        return self._reader.read([row for row in found if str(row["order_no"]).strip() == number])

    async def contact_of(self, order_no: str) -> Reply[Contact]:
        if Power.CONTACT not in self.powers:
            return Reply(Answer.UNSUPPORTED)
        return await super().contact_of(order_no)

    async def vouch(self, sold: Sold | None, proof: str) -> ProofWay | None:
        """By the hash that the shop keeps of the query password."""
        way = self._map.choices["password.hash"]
        if way == "plain":
            return None
        hashed = sold.hashed if isinstance(sold, MappedSold) else ""
        plain = plain_secret(proof).encode(errors="replace")
        if way == "argon2":
            is_fit = await asyncio.to_thread(_fits_argon2, hashed or _NO_PASSWORD, plain)
        else:
            is_fit = self._is_same(hashlib.new(way, plain, usedforsecurity=False).hexdigest(), hashed.lower())
        return ProofWay.QUERY_PASSWORD if is_fit and hashed else None

    def _numbers(self, order_no: str) -> list[str] | list[int]:
        """The number as typed and as shops write theirs; what is no number could cost a search without an index."""
        plain = normalise_code(order_no)
        if self._map.choices["order_no.type"] == "integer":
            return [int(plain)] if plain.isascii() and plain.isdigit() and int(plain) < _LARGEST else []
        if not (order_no.isascii() and order_no.isprintable()):
            return []
        return sorted({order_no, order_no.upper(), order_no.lower(), plain, plain.lower()})


def _tables(known: ColumnMap) -> dict[str, TableClause]:
    """The tables by their names, the orders' first, with all columns that are read."""
    sides = [side for join in known.joins for side in (join.mine, join.other)]
    columns: dict[str, dict[str, None]] = {known.orders: {}}
    for place in (*known.places.values(), *sides):
        columns.setdefault(place.table, {})[place.column] = None
    return {name: table(quoted(name), *(column(quoted(one)) for one in names)) for name, names in columns.items()}


def _look_up(known: ColumnMap, tables: Mapping[str, TableClause]) -> Select[Any]:
    """The rows of the orders with one of these `numbers`."""

    def at(place: Place) -> Any:
        return tables[place.table].c[place.column]

    joined: Any = tables[known.orders]
    for join in known.joins:
        joined = joined.outerjoin(tables[join.mine.table], at(join.mine) == at(join.other))
    facts = [at(place).label(key) for key, place in known.places.items()]
    numbers = at(known.places["order_no"]).in_(bindparam("numbers", expanding=True))
    found = select(*facts).select_from(joined).where(numbers)
    return found.order_by(at(known.places["code_id"])) if known.has_rows else found


def _powers(known: ColumnMap) -> frozenset[Power]:
    needed: Mapping[Power, Sequence[str]] = {
        Power.PROVE_OWNER: ("password", "payment_no"),
        Power.CONTACT: ("contact",),
        Power.LIST_CODES: ("codes",),
        Power.CHECK_CODE: ("codes",),
    }
    return frozenset(power for power, keys in needed.items() if any(key in known.places for key in keys))


def quoted(name: str) -> quoted_name:
    """A table's or a column's name that is written in quotes, whatever it is."""
    return quoted_name(name, quote=True)


def _fits_argon2(hashed: str, plain: bytes) -> bool:
    try:
        return _HASHER.verify(hashed, plain)
    except (VerificationError, InvalidHashError):
        return False
