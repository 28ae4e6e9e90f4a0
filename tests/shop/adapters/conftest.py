"""Databases of foreign shops: an empty one on the MariaDB server for each test, and how tables are put into it."""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import count
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import TableClause, text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from kadesk.database import Database
from shop.adapters.connection import ShopDatabase
from shop.adapters.foreign import Ground
from shop.adapters.remote import SignedInShop
from shop.errors import ShopDown
from shop.port import Order, Shop
from shop.vault import Vault
from tests.shop.adapters.sites import PASSWORD, USER, Mood, Site
from tests.shop.conftest import Stall

NUMBERS = count(1)
AnyShop = TypeVar("AnyShop", bound=SignedInShop)


def open_owner(url: str) -> AsyncEngine:
    """Its owner's way in, who may do everything."""
    return create_async_engine(make_url(url).set(drivername="mysql+aiomysql"), isolation_level="AUTOCOMMIT")


async def run(url: str, *statements: str) -> None:
    engine = open_owner(url)
    async with engine.connect() as connection:
        for statement in statements:
            await connection.exec_driver_sql(statement.replace("%", "%%"))
    await engine.dispose()


async def fill(url: str, table: str, rows: Iterable[Mapping[str, Any]]) -> None:
    """Insert rows that all have the same columns."""
    known = list(rows)
    if not known:
        return
    names = list(known[0])
    columns, values = ", ".join(f"`{name}`" for name in names), ", ".join(f":{name}" for name in names)
    engine = open_owner(url)
    async with engine.connect() as connection:
        await connection.execute(
            text(f"INSERT INTO `{table}` ({columns}) VALUES ({values})"), [dict(row) for row in known]
        )
    await engine.dispose()


async def make_reader(url: str, tables: Iterable[TableClause]) -> str:
    """The same database for a new user who may read the columns of these tables, and nothing else."""
    reader = make_url(url).set(username=f"reader_{next(NUMBERS)}", password="let me read")
    text_of = reader.render_as_string(hide_password=False)
    database = ShopDatabase("demo", text_of)
    await run(
        url,
        f"CREATE USER '{reader.username}'@'%' IDENTIFIED BY 'let me read'",
        *map(database.grant, tables),
    )
    await database.close()
    return text_of


def ground(database: Database, vault: Vault, name: str = "demo") -> Ground:
    """What the settings of this trade's usual shop say."""
    return Ground(name, database, vault, ZoneInfo("Asia/Shanghai"), "CNY", timedelta(days=30))


@asynccontextmanager
async def new_mariadb(server: str) -> AsyncIterator[str]:
    """A new database, as MySQL makes them for shops; its owner is root without a password."""
    name = f"shop_{next(NUMBERS)}"
    await run(server, f"CREATE DATABASE {name} CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci")
    yield make_url(server).set(database=name).render_as_string(hide_password=False)
    await run(server, f"DROP DATABASE {name}")


@pytest.fixture
async def empty_mariadb(mariadb_url: str) -> AsyncIterator[str]:
    async with new_mariadb(mariadb_url) as url:
        yield url


@asynccontextmanager
async def beside(kind: type[AnyShop], site: Site, stall: Stall, **changes: Any) -> AsyncIterator[AnyShop]:
    """An adapter that signs in to this server."""
    facts = {"user": USER, "password": PASSWORD} | changes
    shop = kind(ground(stall.database, stall.vault), site.url, **facts)  # type: ignore[arg-type]
    yield shop
    await shop.close()


@pytest.fixture
def site(request: pytest.FixtureRequest, sale: Any) -> Iterator[Site]:
    """The server of a module's `SITE`, with its `sale`."""
    with request.module.SITE(sale) as site:
        yield site


@pytest.fixture
async def shop(request: pytest.FixtureRequest, site: Site, stall: Stall) -> AsyncIterator[SignedInShop]:
    """The adapter of a module's `KIND` for it."""
    async with beside(request.module.KIND, site, stall) as shop:
        yield shop


async def found(shop: Shop, order_no: str) -> Order:
    order = await shop.find_order(order_no)
    assert order is not None
    return order


async def oddity(shop: Shop, site: Site, mood: Mood, order_no: str) -> ShopDown:
    """What is raised when a shop answered well once, and now does so."""
    await found(shop, order_no)
    site.moods.append(mood)
    with pytest.raises(ShopDown) as raised:
        await shop.find_order(order_no)
    return raised.value
