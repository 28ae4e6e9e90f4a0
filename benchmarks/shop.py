"""A buyer's order among a million in a foreign shop, beside the least that any look-up costs: one query by its index.

`run(orders)` fills a private MariaDB (without one, a SQLite file) as a shop would: orders, and cards that say which
order they were sold in. In turns, on the same pool of the same driver, an order is looked up, proved by its query
password and its code compared, and the bare query reads the same columns of another. Each turn takes another order.
What belongs to one order is asked at once, as with one message of its buyer: the adapter asks its shop for it once.
"""

import asyncio
import random
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from sqlalchemy import TextClause, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine

from benchmarks._result import at_most, machine, seen
from benchmarks._server import private_mariadb
from kadesk.database import Database
from kadesk.shops import FirstShopSection, open_shops
from kadesk.tables import metadata
from shop.adapters.connection import DRIVERS
from shop.adapters.sql import SqlShop
from shop.port import ProofWay, Verdict
from shop.tables import Product
from shop.vault import Keys, Vault

TURNS = 1_000
WARM = 50  # turns that are not counted
PAGE = 5_000  # rows of one INSERT
GOODS = 50
SERVERS = {"mysql": "MariaDB", "sqlite": "SQLite"}
TARGET = 3.0
POOL = 256 << 20  # bytes that the server keeps in memory

TABLES = (
    """CREATE TABLE orders (id INTEGER PRIMARY KEY, order_sn VARCHAR(40) NOT NULL, goods_id INTEGER, title VARCHAR(80),
    buy_amount INTEGER, actual_price DECIMAL(10,2), search_pwd VARCHAR(80), trade_no VARCHAR(80), email VARCHAR(80),
    status INTEGER, created_at TIMESTAMP NULL, deleted_at TIMESTAMP NULL)""",
    "CREATE TABLE cards (id INTEGER PRIMARY KEY, order_id INTEGER, secret VARCHAR(80))",
)
INDEXES = (  # after the rows: sorting them once is faster than keeping them sorted
    "CREATE UNIQUE INDEX orders_sn ON orders (order_sn)",
    "CREATE INDEX cards_order ON cards (order_id)",
)
COLUMNS = {
    **{"order_no": "orders.order_sn", "sku": "orders.goods_id", "product": "orders.title", "status": "orders.status"},
    **{"quantity": "orders.buy_amount", "paid": "orders.actual_price", "password": "orders.search_pwd"},
    **{"payment_no": "orders.trade_no", "contact": "orders.email", "created_at": "orders.created_at"},
    **{"deleted": "orders.deleted_at", "status.delivered": "4", "codes": "cards.secret", "code_id": "cards.id"},
    **{"join.cards": "cards.order_id = orders.id"},
}
BARE = """SELECT order_sn, goods_id, title, status, buy_amount, actual_price, search_pwd, trade_no, email, created_at,
    deleted_at FROM orders WHERE order_sn = :number"""
Act = Callable[[int], Awaitable[object]]


def run(orders: int = 1_000_000) -> dict[str, Any]:
    """The bench object: {bench, machine, rows: [{what, value, unit, against, against_value, ratio, target, met}]}."""
    with tempfile.TemporaryDirectory(prefix="kadesk-bench-") as folder, _server(Path(folder)) as url:
        facts = asyncio.run(_measure(url, Path(folder), orders))
    return {"bench": "shop", "machine": machine(), "orders": orders} | facts


def _server(folder: Path) -> AbstractContextManager[str]:
    try:
        return private_mariadb()
    except FileNotFoundError:
        return nullcontext(f"sqlite:///{folder / 'shop.db'}")


def number(order: int) -> str:
    """16 letters and digits that nobody can count through, and the server keeps in another order than its rows."""
    return f"{order * 0x9E3779B97F4A7C15 % (1 << 64):016X}"


def code(order: int) -> str:
    return f"7K2Q9-{order:08d}-XPLM4"


async def _measure(server: str, folder: Path, orders: int) -> dict[str, Any]:
    started = time.perf_counter()
    url = await _fill(server, orders)
    filled = time.perf_counter() - started
    async with _opened(url, folder) as shop:
        kind, statements = SERVERS[shop.database.dialect], await _count_statements(shop, orders)
        spent = await _in_turns(_acts(shop, text(BARE)), orders)
    p95 = {name: _p95(times) * 1_000 for name, times in spent.items()}
    bare, floor = p95.pop("bare"), "bare query by the index, p95"
    whole = p95.pop("whole")
    what = f"look up, prove and check one of {orders:,} orders, p95, {kind}"
    rows = [
        at_most(what, whole, "ms", floor, bare, TARGET),
        *(seen(f"{name} alone, p95", value, "ms", floor, bare) for name, value in p95.items()),
        seen("look up, prove and check", statements, "statements at the shop", "bare query", 1),
    ]
    return {"server": kind, "filled_in": round(filled, 1), "turns": TURNS, "rows": rows}


@asynccontextmanager
async def _opened(url: str, folder: Path) -> AsyncIterator[SqlShop]:
    """The shop as the settings open it, beside a Kadesk on SQLite that knows its goods."""
    own = Database(f"sqlite:///{folder / 'kadesk.db'}")
    async with own.engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
    async with own.writing() as session:
        for sku in range(GOODS):
            session.add(Product(shop="demo", sku=str(sku), name="goods", price=4_850, warranty=timedelta(days=30)))
    section = FirstShopSection(kind="sql", url=SecretStr(url), columns=COLUMNS)
    [shop] = open_shops(section, own, Vault(Keys.generate()))
    assert isinstance(shop, SqlShop)
    yield shop
    await shop.close()
    await own.close()


def _acts(shop: SqlShop, bare: TextClause) -> Mapping[str, Act]:
    """What is measured, each with an order; fast and wrong is no result."""

    async def query(order: int) -> None:
        [row] = await shop.database.rows(bare, number=number(order))
        assert row.search_pwd == f"open {order}"

    async def look_up(order: int) -> None:
        found = await shop.find_order(number(order))
        assert found is not None
        assert len(found.codes) == 1

    async def prove(order: int) -> None:
        assert await shop.prove_owner(number(order), f"open {order}") == ProofWay.QUERY_PASSWORD

    async def check(order: int) -> None:
        assert (await shop.check_code(number(order), code(order))).verdict == Verdict.EXACT

    async def whole(order: int) -> None:
        for act in (look_up, prove, check):
            await act(order)

    return {"bare": query, "whole": whole, "look up": look_up, "prove": prove, "check": check}


async def _in_turns(acts: Mapping[str, Act], orders: int) -> dict[str, list[float]]:
    """The seconds that each took each time, side by side, so that a slow moment of the machine hits all."""
    chosen = random.Random(7)
    spent: dict[str, list[float]] = {name: [] for name in acts}
    for turn in range(WARM + TURNS):
        for name, act in acts.items():
            order = chosen.randrange(1, orders + 1)
            started = time.perf_counter()
            await act(order)
            if turn >= WARM:
                spent[name].append(time.perf_counter() - started)
    return spent


async def _count_statements(shop: SqlShop, orders: int) -> int:
    """What the shop is asked for one order that is looked up, proved and checked."""
    asked: list[object] = []
    engine = shop.database.engine.sync_engine

    def count(*seen: Any) -> None:
        asked.append(seen[2])

    event.listen(engine, "before_cursor_execute", count)
    await _acts(shop, text(BARE))["whole"](orders)
    event.remove(engine, "before_cursor_execute", count)
    return len(asked)


def _p95(times: list[float]) -> float:
    return sorted(times)[int(len(times) * 0.95)]


async def _fill(server: str, orders: int) -> str:
    """The URL of the filled shop."""
    parsed = make_url(server)
    backend = parsed.get_backend_name()
    if backend == "mysql":
        await _run(server, ["CREATE DATABASE shop", f"SET GLOBAL innodb_buffer_pool_size = {POOL}"])
        parsed = parsed.set(database="shop")
    url = parsed.render_as_string(hide_password=False)
    pages = (range(first, min(first + PAGE, orders + 1)) for first in range(1, orders + 1, PAGE))
    inserts = (insert for page in pages for insert in (_orders(page), _cards(page)))
    await _run(url, [*TABLES])
    await _run(url, inserts)
    await _run(url, [*INDEXES, *(["ANALYZE TABLE orders, cards"] if backend == "mysql" else ["ANALYZE"])])
    return url


def _orders(page: range) -> str:
    rows = (
        f"({n},'{number(n)}',{n % GOODS},'goods {n % GOODS}',1,48.50,'open {n}','4200{n:012d}','b{n}@qq.com',4,"
        "'2026-03-01 12:00:00',NULL)"
        for n in page
    )
    return f"INSERT INTO orders VALUES {','.join(rows)}"


def _cards(page: range) -> str:
    rows = (f"({n},{n},'{code(n)}')" for n in page)
    return f"INSERT INTO cards VALUES {','.join(rows)}"


async def _run(url: str, statements: Iterable[str]) -> None:
    """As its owner, in one transaction."""
    parsed = make_url(url)
    engine = create_async_engine(
        parsed.set(drivername=f"{parsed.get_backend_name()}+{DRIVERS[parsed.get_backend_name()]}")
    )
    async with engine.begin() as connection:
        for statement in statements:
            await connection.exec_driver_sql(statement)
    await engine.dispose()
