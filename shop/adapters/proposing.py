"""A look at a live database of unknown make: its schema, what its rows count to, and the numbers of some orders."""

from collections.abc import Mapping, Sequence

from sqlalchemy import column, select, table

from shop.adapters.column_map import read_map
from shop.adapters.connection import ShopDatabase
from shop.adapters.evidence import gather
from shop.adapters.live_schema import read_schema
from shop.adapters.map_values import Proposal, complete
from shop.adapters.proposal import draft
from shop.adapters.sql import quoted
from shop.errors import NoOrdersFound

NUMBERS = 20  # of orders that are tried


async def propose(database: ShopDatabase) -> Proposal:
    """The map of this shop, as far as it tells. Raises `ShopDown`, `NoOrdersFound`."""
    known = draft(await read_schema(database))
    if known is None:
        raise NoOrdersFound(shop=database.shop)
    return complete(known, await gather(database, known))


async def newest_numbers(database: ShopDatabase, columns: Mapping[str, str]) -> Sequence[str]:
    """Numbers of orders, the last by their text; which ones does not matter. Raises `ShopDown`."""
    place = read_map(database.shop, columns).places["order_no"]
    number = table(quoted(place.table), column(quoted(place.column))).c[place.column]
    rows = await database.rows(select(number).where(number.is_not(None)).order_by(number.desc()).limit(NUMBERS))
    return [str(row[0]) for row in rows]
