"""Shops that nobody knows, as their installers make them: one statement after the other, with a few orders."""

import hashlib
from collections.abc import Sequence

from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine

from shop.adapters.connection import DRIVERS

_ORDERS = 12
_PAID_AT = "'2026-02-27 23:41:00'"
ADDRESS = "buyer{n}@mail.example"


def code(n: int, of: int = 1) -> str:
    return f"KEY{n:02d}-{of}7Q2X-PLM4W"


def _two(n: int) -> str:
    return rf"{code(n)}\n{code(n, 2)}"


def _hash(kind: str, n: int) -> str:
    return hashlib.new(kind, f"open {n}".encode()).hexdigest()


def english() -> Sequence[str]:
    """PostgreSQL; statuses are words, keys say which purchase they went to."""
    purchases = [
        f"({n}, 'PX-{n:05d}-AZ', '{ADDRESS.format(n=n)}', '{'fulfilled' if n % 3 else 'awaiting_payment'}', {n}.50, 1,"
        f" {n % 2 + 1}, '2026-02-27 23:40', {_PAID_AT if n % 3 else 'NULL'}, '{_hash('sha256', n)}')"
        for n in range(1, _ORDERS + 1)
    ]
    serials = [f"({n}, {n % 2 + 1}, '{code(n)}', {n if n % 3 else 'NULL'})" for n in range(1, _ORDERS + 1)]
    return (
        "CREATE TABLE customers (id serial PRIMARY KEY, full_name varchar(80), email varchar(80))",
        "CREATE TABLE articles (id serial PRIMARY KEY, title varchar(80), list_price numeric(10,2))",
        """CREATE TABLE purchases (id serial PRIMARY KEY, public_ref varchar(30) UNIQUE, buyer_mail varchar(80),
        state varchar(30), grand_total numeric(10,2), quantity int, article_id int REFERENCES articles,
        created_on timestamp, settled_at timestamp, access_password varchar(64))""",
        """CREATE TABLE serials (id serial PRIMARY KEY, article_id int REFERENCES articles, serial varchar(80),
        purchase_id int REFERENCES purchases)""",
        "CREATE TABLE purchase_log (id serial PRIMARY KEY, purchase_id int, order_no varchar(30), state varchar(30))",
        "INSERT INTO articles VALUES (1, 'Steam 50', 48.5), (2, 'Steam 100', 97)",
        f"INSERT INTO purchases VALUES {', '.join(purchases)}",
        f"INSERT INTO serials VALUES {', '.join(serials)}",
    )


def pinyin() -> Sequence[str]:
    """MariaDB; names are pinyin, numbers are explained in remarks, codes are text of the order."""
    orders = [
        f"({n}, '2026022723{n:04d}', 7, '网易点卡', 2, {n}.80, {n % 4}, '查{n}', '{ADDRESS.format(n=n)}',"
        f" '{_two(n) if n % 4 == 2 else ''}', 1772206800, {1772206860 if n % 4 else 0})"
        for n in range(1, _ORDERS + 1)
    ]
    return (
        "CREATE TABLE fk_yonghu (id int AUTO_INCREMENT PRIMARY KEY, youxiang varchar(80), mima varchar(64))",
        """CREATE TABLE fk_dingdan (id int AUTO_INCREMENT PRIMARY KEY, dh varchar(30) COMMENT '订单号', spid int,
        spmc varchar(80) COMMENT '商品名称', sl int COMMENT '数量', je decimal(10,2) COMMENT '实付金额',
        zt tinyint COMMENT '状态 0未支付 1待发货 2已发货 3已退款', cxmm varchar(40) COMMENT '查询密码',
        lxfs varchar(80) COMMENT '联系方式', km text COMMENT '卡密内容', xdsj int COMMENT '下单时间',
        zfsj int COMMENT '支付时间', UNIQUE KEY (dh)) DEFAULT CHARSET utf8mb4""",
        """CREATE TABLE fk_kami (id int AUTO_INCREMENT PRIMARY KEY, spid int, km varchar(200), zt tinyint)""",
        f"INSERT INTO fk_dingdan VALUES {', '.join(orders)}",
    )


def camel() -> Sequence[str]:
    """SQLite; a third table says which keys an order got, and nothing explains the numbers of the status."""
    orders = [
        f"({n}, 'A{n:07d}', 'c', '{ADDRESS.format(n=n)}', {n * 100}, 1, {7 if n % 2 else 3}, 1,"
        f" {_PAID_AT if n % 2 else 'NULL'}, '{_hash('md5', n)}', 0)"
        for n in range(1, _ORDERS + 1)
    ]
    keys = [f"({n}, '{code(n)}', 0)" for n in range(1, _ORDERS + 1)]
    links = [f"({n}, {n})" for n in range(1, _ORDERS + 1, 2)]
    return (
        "CREATE TABLE Products (Id integer PRIMARY KEY, Name varchar(80), Price decimal(10,2))",
        """CREATE TABLE ShopOrders (Id integer PRIMARY KEY, OrderNumber varchar(20), CustomerName varchar(80),
        CustomerEmail varchar(80), TotalCents integer, Qty integer, OrderStatus integer, ProductId integer,
        PaidAt datetime, LookupPasswordHash varchar(80), IsDeleted integer)""",
        "CREATE TABLE LicenseKeys (Id integer PRIMARY KEY, LicenseKey varchar(80), IsRevoked integer)",
        "CREATE TABLE ShopOrderKeys (ShopOrderId integer, LicenseKeyId integer)",
        "INSERT INTO Products VALUES (1, 'Office', 9.5)",
        f"INSERT INTO ShopOrders VALUES {', '.join(orders)}",
        f"INSERT INTO LicenseKeys VALUES {', '.join(keys)}",
        f"INSERT INTO ShopOrderKeys VALUES {', '.join(links)}",
    )


async def install(url: str, statements: Sequence[str]) -> None:
    """Put one of these into an empty database."""
    parsed = make_url(url)
    backend = parsed.get_backend_name()
    engine = create_async_engine(parsed.set(drivername=f"{backend}+{DRIVERS[backend]}"))
    try:
        async with engine.begin() as connection:
            for statement in statements:
                await connection.exec_driver_sql(statement)
    finally:
        await engine.dispose()
