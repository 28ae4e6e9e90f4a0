"""dujiaoka and its fork on a real MariaDB: a thousand orders of every kind, for one who may read what is declared."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from kadesk.database import Database
from shop.adapters.dujiaoka import CARMIS, FORK_BALANCES, FORK_CARMIS, FORK_ITEMS, FORK_ORDERS, ORDERS, Dujiaoka
from shop.errors import BadCredentials
from shop.port import Order, OrderStatus, ProofWay, Stock, Verdict
from shop.vault import Vault
from tests.shop.adapters import dujiaoka
from tests.shop.adapters.conftest import ground, make_reader, new_mariadb, open_owner, run
from tests.shop.adapters.dujiaoka import Sale

pytestmark = [pytest.mark.mariadb, pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)]
OPENED = {"original": dujiaoka.open_original, "fork": dujiaoka.open_fork}
WRONG, OTHER = "wrong-7Q2Z", "ZZZZZ-99999-QQQQQ"


@dataclass
class Stand:
    """A shop with its orders, as its owner sees it and as Kadesk does."""

    url: str
    shop: Dujiaoka

    async def asked(self) -> list[str]:
        """What the server was asked since the log was emptied, by us."""
        engine = open_owner(self.url)
        reader = self.shop.database.engine.url.username
        statement = text(
            "SELECT CONVERT(argument USING utf8mb4) FROM mysql.general_log"
            " WHERE command_type = 'Query' AND user_host LIKE :reader ORDER BY event_time"
        )
        async with engine.connect() as connection:
            rows = (await connection.execute(statement, {"reader": f"{reader}[%"})).all()
        await engine.dispose()
        asked = [" ".join(row[0].split()) for row in rows]
        return [one for one in asked if one.startswith("SELECT") and " FROM " in one]


Opener = Callable[[str, list[Sale]], Awaitable[None]]


THOUSAND = dujiaoka.sell(1_000, seed=6)


@pytest.fixture(params=OPENED)
async def stand(
    request: pytest.FixtureRequest, mariadb_url: str, database: Database, vault: Vault
) -> AsyncIterator[Stand]:
    async with new_mariadb(mariadb_url) as url:
        await OPENED[request.param](url, THOUSAND)
        declaring = Dujiaoka(ground(database, vault), url)
        reader = await make_reader(url, await declaring.find_tables())
        await declaring.close()
        shop = Dujiaoka(ground(database, vault), reader)
        await run(url, "SET GLOBAL log_output = 'TABLE'", "TRUNCATE mysql.general_log", "SET GLOBAL general_log = ON")
        yield Stand(url, shop)
        await run(url, "SET GLOBAL general_log = OFF")
        await shop.close()


@pytest.mark.slow
async def test_all_that_is_asked_of_a_thousand_orders_is_answered_truly_with_two_queries(stand: Stand) -> None:
    shop = stand.shop
    sales = THOUSAND[:320] if FORK_ITEMS in await shop.find_tables() else THOUSAND  # of the fork twenty of each kind

    seen = [_seen(await shop.find_order(sale.order_no)) for sale in sales]
    proved = [await shop.prove_owner(sale.order_no, _proof(at, sale)) for at, sale in enumerate(sales)]
    verdicts = [(await shop.check_code(sale.order_no, _typed(at, sale))).verdict for at, sale in enumerate(sales)]

    assert seen == [_true(sale) for sale in sales]
    assert proved == [_way(at, sale) for at, sale in enumerate(sales)]
    assert verdicts == [_verdict(at, sale) for at, sale in enumerate(sales)]
    asked = await stand.asked()
    tables = ["orders" if " FROM orders" in one else "carmis" for one in asked if " FROM information_schema" not in one]
    assert tables.count("orders") == len(sales) * 3
    assert "carmis carmis" not in " ".join(tables)  # one look-up asks for loop cards once, or not at all
    assert _find_leaks(asked) == []


def _proof(at: int, sale: Sale) -> str:
    """By turns the query password where there is one, the end of the payment number, and neither."""
    return (f" {sale.password or WRONG} ", sale.payment[-6:] or WRONG, WRONG)[at % 3]


def _way(at: int, sale: Sale) -> ProofWay | None:
    ways = (sale.password and ProofWay.QUERY_PASSWORD, sale.payment and ProofWay.PAYMENT_TAIL, None)
    return None if sale.deleted else ways[at % 3] or None


def _typed(at: int, sale: Sale) -> str:
    """By turns a whole code, a part of it, one with a typing error, and one of nobody."""
    code = sale.codes[-1] if sale.codes else OTHER
    part = re.split("----|\n", code)[-1].removeprefix("密码：")
    return (code.lower(), part, f"{part[:-1]}#", OTHER)[at % 4]


def _verdict(at: int, sale: Sale) -> Verdict:
    if not sale.codes or sale.deleted:
        return Verdict.OTHER
    return (Verdict.EXACT, Verdict.EXACT, Verdict.NEAR, Verdict.OTHER)[at % 4]


def _find_leaks(asked: list[str]) -> list[str]:
    """Statements in which a text stands that is no order number, or a column that nobody declared."""
    may_stand = {sale.order_no for sale in THOUSAND} | {"refund"}
    tables = (ORDERS, CARMIS, FORK_ORDERS, FORK_ITEMS, FORK_BALANCES, FORK_CARMIS)
    declared = {f"{table.name}.{column.name}" for table in tables for column in table.columns}

    def leaks(statement: str) -> bool:
        columns = set(re.findall(r"\b(\w+\.\w+)\b", statement))
        return not (set(re.findall("'(.*?)'", statement)) <= may_stand and columns <= declared)

    return [one for one in asked if " FROM information_schema" not in one and leaks(one)]


async def test_a_statement_that_tells_a_code_is_noticed(stand: Stand) -> None:
    code, rows = THOUSAND[0].codes[0], stand.shop.database.rows

    await rows(text("SELECT is_loop FROM carmis WHERE carmi = :code"), code=code)
    with pytest.raises(BadCredentials, match="may not read pays"):
        await rows(text("SELECT pays.merchant_key FROM pays"))

    assert len(_find_leaks(await stand.asked())) == 2


def _seen(order: Order | None) -> object:
    if order is None:
        return None
    facts = order.order_no, order.status, order.quantity, order.paid, order.paid_at, order.delivered_at, order.ways
    return *facts, [(code.position, code.masked, code.is_reusable) for code in order.codes]


def _true(sale: Sale) -> object:
    if sale.deleted:
        return None
    is_paid = sale.truth not in (OrderStatus.UNPAID, OrderStatus.CLOSED)
    came = sale.truth in (OrderStatus.DELIVERED, OrderStatus.PARTIAL)
    made_at, changed_at = [(at - timedelta(hours=8)).replace(tzinfo=UTC) for at in (sale.made, sale.changed)]
    fen = int(sale.paid.replace(".", "")) if is_paid else 0
    delivered_at = (made_at if sale.type == 1 else changed_at) if came else None
    ways = {ProofWay.QUERY_PASSWORD: sale.password, ProofWay.PAYMENT_TAIL: sale.payment}
    facts = sale.order_no, sale.truth, sale.quantity, fen, made_at if is_paid else None, delivered_at
    codes = [(at, f"****-{_tail(code)}", code in sale.loops) for at, code in enumerate(sale.codes, 1)]
    return *facts, frozenset(way for way, secret in ways.items() if secret), codes


def _tail(code: str) -> str:
    return re.split("----|\n", code)[0][-4:]


async def test_cards_on_sale_are_counted(stand: Stand) -> None:
    await run(stand.url, "INSERT INTO carmis (goods_id, status, carmi) VALUES (77, 1, 'A'), (77, 1, 'B'), (77, 2, 'C')")
    await run(stand.url, "INSERT INTO carmis (goods_id, status, carmi, deleted_at) VALUES (77, 1, 'D', '2026-01-01')")

    stocks = [(await stand.shop.stock(sku)).value for sku in ("77", "78", "77; DROP TABLE carmis")]

    assert stocks == [Stock(2), Stock(0), None]


async def test_a_thousand_unknown_numbers_search_no_table_from_end_to_end(stand: Stand) -> None:
    engine = open_owner(stand.url)
    async with engine.connect() as connection:
        await stand.shop.find_order("ZZ99ZZ99ZZ99ZZ99")
        statement = (await stand.asked())[-1]
        plan = (await connection.execute(text(f"EXPLAIN {statement}".replace(":", r"\:")))).mappings().all()
        await stand.shop.find_order("编号😀")  # would be compared in another character set: with every row
        last = (await stand.asked())[-1]
    await engine.dispose()

    assert {row["type"] for row in plan} <= {"const", "range", "ref", None}
    assert last == statement


async def test_an_order_of_the_fork_holds_several_goods_and_knows_what_went_back(
    empty_mariadb: str, database: Database, vault: Vault
) -> None:
    form = Sale("", type=2, info=dujiaoka.FORM, goods_id=9, quantity=2)
    cards = Sale("", ("BBBBB-22222", "CCCCC-33333"), goods_id=8, quantity=3)
    several = Sale("AAAA1111AAAA1111", ("AAAAA-11111",), more=(cards, form), paid="120.00", refunded="20.50")
    await dujiaoka.open_fork(empty_mariadb, [several, Sale("BBBB2222BBBB2222", ("D",), refunded="48.50")])
    shop = Dujiaoka(ground(database, vault), empty_mariadb)

    some, none = await shop.find_order("aaaa1111aaaa1111"), await shop.find_order("bbbb2222bbbb2222")

    assert some is not None
    assert none is not None
    assert (some.status, some.quantity, some.paid, some.refunded) == (OrderStatus.PARTIAL, 6, 12_000, 2_050)
    assert [code.masked for code in some.codes] == ["****-111", "****-222", "****-333"]
    assert (none.status, none.refunded) == (OrderStatus.REFUNDED, 4_850)
    await shop.close()


async def test_the_fork_had_no_balances_before_it_had_members(
    empty_mariadb: str, database: Database, vault: Vault
) -> None:
    await dujiaoka.open_early_fork(empty_mariadb, [Sale("AAAA1111AAAA1111", ("AAAAA-11111",))])
    shop = Dujiaoka(ground(database, vault), empty_mariadb)

    order, seen = await shop.find_order("AAAA1111AAAA1111"), await shop.look()

    assert order is not None
    assert (order.status, order.refunded, len(order.codes)) == (OrderStatus.DELIVERED, 0, 1)
    assert (seen.missing, {name.partition(".")[0] for name in seen.spared}) == ([], {"user_balance_records"})
    await shop.close()


async def test_odd_rows_are_orders_still(empty_mariadb: str, database: Database, vault: Vault) -> None:
    odd = Sale("AAAA1111AAAA1111", ("CODE-1",), status=9, password="", payment="")
    marked_done = Sale("BBBB2222BBBB2222", info=dujiaoka.FAILURE)  # by a person, though the text says otherwise
    without = Sale("CCCC3333CCCC3333", info="")
    await dujiaoka.open_original(empty_mariadb, [odd, marked_done, without])
    await run(empty_mariadb, "SET sql_mode = ''; UPDATE orders SET created_at = '0000-00-00' WHERE status = 9")
    await run(empty_mariadb, "UPDATE orders SET actual_price = -5.50 WHERE order_sn = 'BBBB2222BBBB2222'")
    shop = Dujiaoka(ground(database, vault), empty_mariadb)

    orders = [await shop.find_order(sale.order_no) for sale in (odd, marked_done, without)]

    assert [order and (order.status, order.codes) for order in orders] == [
        (OrderStatus.ABNORMAL, ()),
        (OrderStatus.ABNORMAL, ()),
        (OrderStatus.PAID_UNDELIVERED, ()),
    ]
    assert orders[0] is not None
    assert (orders[0].paid_at, orders[0].ways) == (None, frozenset())
    assert orders[1] is not None
    assert orders[1].paid == 0
    await shop.close()


def test_the_docs_grant_what_is_read_and_no_more(database_url: str) -> None:
    docs = " ".join((Path(__file__).parents[3] / "docs/shops.md").read_text(encoding="utf-8").split())

    for table in (ORDERS, CARMIS, FORK_ORDERS, FORK_ITEMS, FORK_BALANCES, FORK_CARMIS):
        columns = ", ".join(column.name for column in table.columns)
        assert f"GRANT SELECT ({columns}) ON shop.{table.name} TO kadesk@'10.0.0.5';" in docs
