"""Shops of no known make, one for each way of keeping codes: their tables, two orders in them, and where is what."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import bcrypt
import pytest
from sqlalchemy import Boolean, Column, DateTime, ForeignKey, Integer, MetaData, Numeric, String, Table, Text, Uuid
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine

from shop.adapters.connection import DRIVERS
from shop.adapters.sql import SqlShop
from tests.shop.adapters.conftest import NUMBERS, ground
from tests.shop.conftest import Stall

MADE = datetime(2026, 2, 27, 23, 40)  # as the shop writes it: its clock, without a zone  # noqa: DTZ001
Rows = Mapping[str, Sequence[Mapping[str, Any]]]


@dataclass(frozen=True)
class Make:
    """A shop of one make."""

    tables: MetaData
    rows: Rows
    columns: Mapping[str, str]


def with_texts(order_no: str, codes: Sequence[str], other_no: str, other: str, contact: str) -> Make:
    """Codes are text of the order."""
    tables = MetaData()
    order = Table("t_order", tables, Column("id", Integer, primary_key=True))
    for name, kind in {
        **{"orderid": String(64), "email": String(64), "pid": Integer, "productname": String(64), "number": Integer},
        **{"money": Numeric(10, 2), "chapwd": String(64), "status": Integer, "paytime": Integer, "kami": Text},
    }.items():
        order.append_column(Column(name, kind))
    shared = {"pid": 50, "productname": "Steam 充值卡", "status": 2, "paytime": 1_772_206_800}
    known = {"number": 2, "money": 97, "chapwd": "open sesame", "kami": ",".join(codes), "email": contact}
    foreign = {"number": 1, "money": 48.5, "chapwd": "another", "kami": other, "email": ""}
    columns = {
        **{"order_no": "t_order.orderid", "status": "t_order.status", "sku": "t_order.pid"},
        **{"product": "t_order.productname", "quantity": "t_order.number", "paid": "t_order.money"},
        **{"password": "t_order.chapwd", "contact": "t_order.email", "paid_at": "t_order.paytime"},
        **{"codes": "t_order.kami", "codes.separator": ",", "status.delivered": "2", "status.unpaid": "0"},
    }
    rows = {"t_order": [{"orderid": order_no} | known | shared, {"orderid": other_no} | foreign | shared]}
    return Make(tables, rows, columns)


def with_links(order_no: str, codes: Sequence[str], other_no: str, other: str, contact: str) -> Make:
    """Each card says which order it was sold in, and tables have the names of commands."""
    tables = MetaData()
    Table(
        "order",
        tables,
        *(Column("id", Integer, primary_key=True), Column("No", String(40)), Column("key", String(64))),
        *(Column("group", Integer), Column("desc", String(20)), Column("amount", Integer), Column("n", Integer)),
        *(Column("mail", String(64)), Column("at", DateTime), Column("is_deleted", Integer, default=0)),
    )
    Table("goods", tables, Column("id", Integer, primary_key=True), Column("name", String(64)))
    Table(
        "card",
        tables,
        *(Column("id", Integer, primary_key=True), Column("order_id", Integer), Column("secret", String(99))),
        Column("order", Integer),
    )
    shared = {"group": 50, "desc": "Done", "at": MADE}
    known = {"id": 7, "No": order_no, "key": hashlib.md5(b"open sesame").hexdigest(), "amount": 9_700, "n": 2}
    foreign = {"id": 8, "No": other_no, "key": hashlib.md5(b"another").hexdigest(), "amount": 4_850, "n": 1}
    cards = [{"order_id": 7, "secret": code, "order": 0} for code in codes]
    rows = {
        "order": [known | shared | {"mail": contact}, foreign | shared | {"mail": ""}],
        "goods": [{"id": 50, "name": "Steam 充值卡"}],
        "card": [{"order_id": 8, "secret": other, "order": 1}, *cards],
    }
    columns = {
        **{"order_no": "order.No", "status": "order.desc", "status.delivered": "done", "deleted": "order.is_deleted"},
        **{"sku": "order.group", "quantity": "order.n", "paid": "order.amount", "money": "fen"},
        **{"password": "order.key", "password.hash": "md5", "contact": "order.mail", "created_at": "order.at"},
        **{"codes": "card.secret", "code_id": "card.id", "join.card": "card.order_id = order.id"},
        **{"product": "goods.name", "join.goods": "goods.id = order.group"},
    }
    return Make(tables, rows, columns)


def with_a_link_table(order_no: str, codes: Sequence[str], other_no: str, other: str, contact: str) -> Make:
    """A third table says which cards are of which orders, so that one may be of many."""
    tables = MetaData()
    Table(
        "orders",
        tables,
        *(Column("id", Integer, primary_key=True), Column("order_no", String(40)), Column("pay_no", String(64))),
        *(Column("sku", String(20)), Column("state", Integer), Column("paid", Numeric(10, 2)), Column("qty", Integer)),
        *(Column("mail", String(64)), Column("made_at", DateTime(timezone=False)), Column("deleted_at", DateTime)),
    )
    Table("cards", tables, Column("id", Integer, primary_key=True), Column("text", Text), Column("type", Integer))
    Table(
        "sold",
        tables,
        Column("of", Integer, ForeignKey("orders.id"), primary_key=True),
        Column("card", Integer, ForeignKey("cards.id"), primary_key=True),
    )
    shared = {"sku": "50", "state": 2, "made_at": MADE, "deleted_at": None}
    known = {"id": 7, "order_no": order_no, "pay_no": "420000 open sesame", "paid": 97, "qty": 2, "mail": contact}
    foreign = {"id": 8, "order_no": other_no, "pay_no": "", "paid": 48.5, "qty": 1, "mail": ""}
    cards = [{"id": at, "text": code, "type": 0} for at, code in enumerate([*codes, other], 1)]
    rows = {
        "orders": [known | shared, foreign | shared],
        "cards": cards,
        "sold": [*({"of": 7, "card": at} for at, _ in enumerate(codes, 1)), {"of": 8, "card": len(cards)}],
    }
    columns = {
        **{"order_no": "orders.order_no", "status": "orders.state", "status.delivered": "2", "sku": "orders.sku"},
        **{"quantity": "orders.qty", "paid": "orders.paid", "payment_no": "orders.pay_no", "contact": "orders.mail"},
        **{"created_at": "orders.made_at", "deleted": "orders.deleted_at", "codes": "cards.text"},
        **{"code_id": "cards.id", "reusable": "cards.type", "reusable.yes": "1"},
        **{"join.sold": "sold.of = orders.id", "join.cards": "cards.id = sold.card"},
    }
    return Make(tables, rows, columns)


def with_items(order_no: str, codes: Sequence[str]) -> Make:
    """Orders of several goods, with numbers that machines make; what is left is counted by its rows."""
    tables = MetaData()
    Table(
        "orders",
        tables,
        *(Column("id", Integer, primary_key=True), Column("ref", Uuid(as_uuid=False)), Column("state", Integer)),
        *(Column("paid", Numeric(10, 2)), Column("pw", String(60))),
    )
    Table(
        "lines",
        tables,
        *(Column("id", Integer, primary_key=True), Column("order_id", Integer, ForeignKey("orders.id"))),
        *(Column("sku", Integer), Column("name", String(64)), Column("n", Integer), Column("price", Numeric(10, 2))),
    )
    Table(
        "cards",
        tables,
        *(Column("id", Integer, primary_key=True), Column("line_id", Integer, ForeignKey("lines.id"))),
        *(Column("sku", Integer), Column("sold", Boolean), Column("text", Text), Column("gone_at", DateTime)),
    )
    hashed = bcrypt.hashpw(b"open sesame", bcrypt.gensalt(4)).decode().replace("$2b$", "$2y$", 1)
    free = [{"line_id": None, "sku": 7, "sold": False, "text": f"FREE-{at}", "gone_at": None} for at in range(3)]
    sold = [{"line_id": at, "sku": 6 + at, "sold": True, "text": code} for at, code in enumerate(codes, 1)]
    rows = {
        "orders": [{"id": 1, "ref": order_no, "state": 2, "paid": 130, "pw": hashed}],
        "lines": [
            {"id": 1, "order_id": 1, "sku": 7, "name": "Steam 50", "n": 1, "price": 48.5},
            {"id": 2, "order_id": 1, "sku": 8, "name": "Xbox 30", "n": 2, "price": 40},
        ],
        "cards": [*(card | {"gone_at": None} for card in sold), *free[:2], free[2] | {"gone_at": MADE}],
    }
    columns = {
        **{"order_no": "orders.ref", "order_no.type": "uuid", "status": "orders.state", "status.delivered": "2"},
        **{"paid": "orders.paid", "password": "orders.pw", "password.hash": "bcrypt", "item_id": "lines.id"},
        **{"sku": "lines.sku", "product": "lines.name", "quantity": "lines.n", "price": "lines.price"},
        **{"join.lines": "lines.order_id = orders.id", "codes": "cards.text", "code_id": "cards.id"},
        **{"code_deleted": "cards.gone_at", "join.cards": "cards.line_id = lines.id"},
        **{"stock": "cards.sold", "stock_sku": "cards.sku", "stock.free": "0"},
    }
    return Make(tables, rows, columns)


async def put_up(url: str, make: Make) -> None:
    """Its tables and rows in an empty database."""
    parsed = make_url(url)
    backend = parsed.get_backend_name()
    engine = create_async_engine(parsed.set(drivername=f"{backend}+{DRIVERS[backend]}"))
    try:
        async with engine.begin() as connection:
            await connection.run_sync(make.tables.create_all)
            for name, rows in make.rows.items():
                await connection.execute(make.tables.tables[name].insert(), [dict(row) for row in rows])
    finally:
        await engine.dispose()


async def new_place(server: str, request: pytest.FixtureRequest) -> str:
    """The URL of an empty database on a server of this kind, gone with the run."""
    name = f"mapped_{next(NUMBERS)}"
    if server == "sqlite":
        return f"sqlite:///{request.getfixturevalue('tmp_path_factory').mktemp(name) / 'shop.db'}"
    fixture = {"mariadb": "mariadb_url", "postgresql": "postgres_url"}[server]
    # In a thread, since starting a server runs a loop of its own.
    url = make_url(await asyncio.to_thread(request.getfixturevalue, fixture))
    backend = url.get_backend_name()
    owner = url.set(drivername=f"{backend}+{DRIVERS[backend]}")
    engine = create_async_engine(owner, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        signs = " CHARACTER SET utf8mb4" if backend == "mysql" else ""
        await connection.exec_driver_sql(f"CREATE DATABASE {name}{signs}")
    await engine.dispose()
    return url.set(drivername=backend, database=name).render_as_string(hide_password=False)


_PLACES: dict[str, str] = {}


async def kept_place(server: str, make: Make, request: pytest.FixtureRequest) -> str:
    """The URL of such a shop on a server of this kind: put up once, as nobody writes there."""
    if server not in _PLACES:
        _PLACES[server] = await new_place(server, request)
        await put_up(_PLACES[server], make)
    return _PLACES[server]


@asynccontextmanager
async def beside(url: str, make: Make, stall: Stall) -> AsyncIterator[SqlShop]:
    shop = SqlShop(ground(stall.database, stall.vault), url, make.columns)
    yield shop
    await shop.close()
