"""Any shop beside us whose owner says where its tables keep what: see `column_map`.

A look-up is one statement. It selects nothing but what is mapped, finds rows by the order number alone, and names
every table and column in quotes, so that one called `order` is no trouble.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Select, String, bindparam, cast, column, func, or_, select, table
from sqlalchemy.sql.elements import quoted_name
from sqlalchemy.sql.expression import TableClause

from shop.adapters.column_map import ColumnMap, Place, plain_value, read_map
from shop.adapters.connection import SECONDS
from shop.adapters.foreign import DatabaseShop, Ground, Sold, plain_secret
from shop.adapters.hashed import Hashes
from shop.adapters.mapped_rows import NOTHING, MappedSold, RowReader
from shop.masking import normalise_code
from shop.port import Answer, Contact, Power, ProofWay, Reply, Stock

_LARGEST = 2**63  # that a column of whole numbers does not hold


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
        self._left = _count(self._map, named) if self._map.stock else None
        self._reader = RowReader(ground, self._map)
        self._hashes = Hashes(self._map.choices["password.hash"])

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
        return ProofWay.QUERY_PASSWORD if await self._hashes.fits(hashed, plain) else None

    async def stock(self, sku: str) -> Reply[Stock]:
        """A number that the shop keeps, or its rows that are for sale."""
        if self._left is None:
            return await super().stock(sku)
        rows = [(plain_value(row[0]), row[1]) for row in await self.database.rows(self._left, sku=sku)]
        free = self._map.values.get("stock.free")
        if free is None and not rows:
            return Reply(Answer.REFUSED, note="no such goods")
        left = (rows_of for value, rows_of in rows if value in free) if free else (_whole(value) for value, _ in rows)
        return Reply(Answer.DONE, Stock(sum(left)))

    def _numbers(self, order_no: str) -> Sequence[object]:
        """The number as typed and as shops write theirs; what is no number could cost a search without an index."""
        plain = normalise_code(order_no)
        if self._map.choices["order_no.type"] == "uuid":
            known = _as_uuid(plain)
            return [] if known is None else [known] if self.database.dialect == "postgresql" else _written(known)
        if self._map.choices["order_no.type"] == "integer":
            return [int(plain)] if plain.isascii() and plain.isdigit() and int(plain) < _LARGEST else []
        if not (order_no.isascii() and order_no.isprintable()):
            return []
        known = _as_uuid(plain)
        dashed = {str(known), str(known).upper()} if known else set()
        return sorted({order_no, order_no.upper(), order_no.lower(), plain, plain.lower(), *dashed})


def _tables(known: ColumnMap) -> dict[str, TableClause]:
    """The tables by their names, the orders' first, with all columns that are read."""
    sides = [side for join in known.joins for side in (join.mine, join.other)]
    columns: dict[str, dict[str, None]] = {known.orders: {}}
    for place in (*known.places.values(), *sides, *(known.stock or ())):
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


def _count(known: ColumnMap, tables: Mapping[str, TableClause]) -> Select[Any]:
    """What its column says of the goods `sku`, and of how many rows; without rows that are gone."""
    assert known.stock is not None
    left, sku = (tables[place.table].c[place.column] for place in known.stock)
    found = select(left, func.count()).where(cast(sku, String) == bindparam("sku")).group_by(left)
    gone = known.places.get("code_deleted")
    if gone is None or gone.table != known.stock[0].table:
        return found
    deleted = tables[gone.table].c[gone.column]
    return found.where(or_(deleted.is_(None), cast(deleted, String).in_((*NOTHING, "false"))))


def _whole(value: str) -> int:
    """A number that a shop keeps; none where it keeps something else."""
    return max(0, int(float(value))) if value.replace(".", "", 1).isdecimal() else 0


def _as_uuid(plain: str) -> UUID | None:
    return UUID(plain) if len(plain) == 32 and set(plain) <= set("0123456789ABCDEF") else None


def _written(known: UUID) -> list[str]:
    """As servers without such a type keep it."""
    return [str(known), str(known).upper(), known.hex, known.hex.upper()]


def _powers(known: ColumnMap) -> frozenset[Power]:
    needed: Mapping[Power, Sequence[str]] = {
        Power.PROVE_OWNER: ("password", "payment_no"),
        Power.CONTACT: ("contact",),
        Power.LIST_CODES: ("codes",),
        Power.CHECK_CODE: ("codes",),
    }
    powers = frozenset(power for power, keys in needed.items() if any(key in known.places for key in keys))
    return powers | {Power.STOCK} if known.stock else powers


def quoted(name: str) -> quoted_name:
    """A table's or a column's name that is written in quotes, whatever it is."""
    return quoted_name(name, quote=True)
