"""A thousand orders of acg-faka on a real MariaDB, read with the rights that the docs grant and no others."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError

from kadesk.database import Database
from shop.adapters.acg_faka import COLUMNS, LATER, WRITTEN, AcgFaka, Till
from shop.adapters.connection import ShopDatabase
from shop.errors import SchemaMismatch
from shop.port import Answer, OrderStatus, Origin, Power, ProofWay, Stock, Verdict
from shop.vault import Vault
from tests.shop.adapters.acg_faka import GONE, Books, Truth, thousand_orders
from tests.shop.adapters.conftest import ground, open_owner, run

pytestmark = pytest.mark.mariadb
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
SAMPLE = 16  # every so many: 17 kinds of orders come in turn
Enter = Callable[..., AcgFaka]
DOCS = Path(__file__).parents[3] / "docs/shops.md"


@pytest.fixture
async def enter(database: Database, vault: Vault) -> AsyncIterator[Enter]:
    """Opens the shop of an URL, and closes it after the test."""
    opened: list[AcgFaka] = []

    def open_one(url: str, **settings: Any) -> AcgFaka:
        opened.append(AcgFaka(ground(database, vault), url, **settings))
        return opened[-1]

    yield open_one
    for shop in opened:
        await shop.close()


@pytest.fixture
async def reader(empty_mariadb: str) -> AsyncIterator[str]:
    """The URL of a user of this database who may do what the docs say, once the tables are there."""
    url, name = make_url(empty_mariadb), "kadesk_reads_acg_faka"
    await run(empty_mariadb, f"CREATE USER {name}@localhost IDENTIFIED BY 'pw'")
    yield url.set(username=name, password="pw").render_as_string(hide_password=False)
    await run(empty_mariadb, f"DROP USER {name}@localhost")


def granted() -> dict[str, set[str]]:
    """The columns of each table that the docs grant."""
    found = re.findall(r"GRANT SELECT \(([^)]*)\) ON shop\.acg_(\w+) TO", DOCS.read_text())
    return {name: set(re.split(r",\s*", columns)) for columns, name in found}


async def grant(
    owner: str, reader: str, prefix: str = "acg_", without: Mapping[str, Sequence[str]] | None = None
) -> None:
    database, user = make_url(owner).database, make_url(reader).username
    for name, columns in granted().items():
        names = ", ".join(columns.difference((without or {}).get(name, ())))
        await run(owner, f"GRANT SELECT ({names}) ON {database}.{prefix}{name} TO {user}@localhost")


@on_sqlite
async def test_a_bad_card_is_marked_in_its_note_once(
    enter: Enter, empty_mariadb: str, reader: str, now: datetime
) -> None:
    books = Books()
    goods = books.add_goods("SOLD")
    truth = books.sell(goods, "AAAAA-11111", ["AAAAA-11111"])
    await books.open(empty_mariadb)
    await grant(empty_mariadb, reader)
    user, database = make_url(reader).username, make_url(empty_mariadb).database
    await run(empty_mariadb, f"GRANT UPDATE (note) ON {database}.acg_card TO {user}@localhost")
    till = Till(ShopDatabase("demo", reader, may_write=True), lambda: now, frozenset({Power.QUARANTINE}))
    shop, closed = enter(reader, till=till), enter(reader)
    bad = shop.ground.vault.fingerprint("AAAAA-11111")

    replies = [await shop.quarantine(truth.order_no, one) for one in (bad, bad, "0" * 64)]
    origin = await shop.origin_of(truth.order_no, bad)

    assert [reply.answer for reply in replies] == [Answer.DONE, Answer.DONE, Answer.REFUSED]
    assert origin.value is not None
    assert origin.value.batch.count("坏卡 ") == 1
    assert (await closed.quarantine(truth.order_no, bad)).answer == Answer.UNSUPPORTED
    assert (await shop.issue(truth.order_no, "SOLD", "key")).answer == Answer.UNSUPPORTED


def test_the_docs_grant_what_is_read_and_no_more() -> None:
    assert granted() == {name: {*columns, *LATER.get(name, ())} for name, columns in COLUMNS.items()}


@on_sqlite
async def test_a_thousand_orders_are_told_as_they_are(
    enter: Enter, empty_mariadb: str, reader: str, tmp_path: Path
) -> None:
    books, log = thousand_orders(), tmp_path / "general.log"
    await books.open(empty_mariadb)
    await grant(empty_mariadb, reader)
    shop = enter(reader)
    asked: list[str] = []
    event.listen(shop.database.engine.sync_engine, "before_cursor_execute", lambda *facts: asked.append(facts[2]))
    await run(empty_mariadb, "SET GLOBAL log_output = 'FILE'", f"SET GLOBAL general_log_file = '{log}'")
    await run(empty_mariadb, "SET GLOBAL general_log = ON")

    most = 0
    for number, truth in enumerate(books.truths):
        asked.clear()
        await agrees(shop, truth)
        most = max(most, len(asked))
        if number % SAMPLE == 0:
            await opens(shop, truth, books.truths[number - 1])
    await run(empty_mariadb, "SET GLOBAL general_log = OFF")

    assert {one.status for one in books.truths} > {OrderStatus.ABNORMAL, OrderStatus.UNPAID, OrderStatus.DELIVERED}
    assert most <= 2
    written = log.read_text(errors="replace")
    assert_discreet(written, books)
    for told in (
        f"SELECT '{books.truths[0].codes[0]}'",
        "SELECT acg_user.app_key FROM acg_user",
        "SELECT * FROM acg_ticket",
    ):
        with pytest.raises(AssertionError):
            assert_discreet(f"{written}\n{told}", books)


async def agrees(shop: AcgFaka, truth: Truth) -> None:
    sold = await shop.read(truth.order_no)
    assert sold is not None
    order = sold.order
    facts = (order.order_no, order.status, order.goods.sku, order.quantity, order.paid, order.paid_at, order.contact)
    assert facts == (
        *(truth.order_no, truth.status, truth.sku, truth.quantity, truth.paid, truth.paid_at, truth.contact),
    )
    assert sold.codes == tuple(truth.codes)
    assert sold.secrets.get(ProofWay.QUERY_PASSWORD, "") == truth.password
    assert order.delivered_at == (truth.paid_at if truth.codes else None)


async def opens(shop: AcgFaka, truth: Truth, other: Truth) -> None:
    """What opens this order, and which codes it had."""
    order = await shop.find_order(truth.order_no)
    assert order is not None
    assert [code.fingerprint for code in order.codes] == [shop.ground.vault.fingerprint(code) for code in truth.codes]
    way = await shop.prove_owner(truth.order_no, truth.password or "123456")
    assert way == (ProofWay.QUERY_PASSWORD if truth.password else None)
    assert await shop.prove_owner(truth.order_no, other.password) is None
    if truth.codes:
        last = await shop.check_code(truth.order_no, truth.codes[-1])
        assert (last.verdict, last.code) == (Verdict.EXACT, order.codes[-1])
    if other.codes:
        assert (await shop.check_code(truth.order_no, other.codes[0])).verdict == Verdict.OTHER


def assert_discreet(log: str, books: Books) -> None:
    """Nothing secret in what the server was asked, and no column that is not declared."""
    asked = [line for line in log.splitlines() if "SELECT" in line]
    assert len(asked) > 1_000
    secrets = {code for truth in books.truths for code in (*truth.codes, truth.password) if len(code) > 7}
    words = set(re.findall(r"[\w-]+", log))
    assert not {part for secret in secrets for part in re.findall(r"[\w-]{8,}", secret)} & words
    named = set(re.findall(r"(?:acg_(\w+)|buyer|merchant)\.`?(\w+)", "\n".join(asked)))
    declared = {(name, one) for name, columns in COLUMNS.items() for one in (*columns, *LATER.get(name, ()))}
    assert {(name or "user", one) for name, one in named} <= declared
    assert "*" not in "".join(asked).replace("count(*)", "")
    assert "acg_ticket" not in log


@on_sqlite
async def test_a_code_came_from_who_brought_the_card(enter: Enter, empty_mariadb: str) -> None:
    books = Books()
    wang = books.add("user", username="laowang", email="wang@supplier.cn")
    upstream = books.add("shared", name="星河批发", domain="https://up.example.com")
    mine, resold = books.add_goods("MINE"), books.add_goods("RESOLD", shared_id=upstream, factory_price="0.00")
    sold = books.sell(mine, "AAAAA-11111\nBBBBB-22222", amount="97.00", card_num=2, pay_cost="1.00")
    brought = {"commodity_id": mine, "order_id": 1, "status": 1}
    books.add("card", secret="AAAAA-11111", owner=wang, note="2601-A", cost="21.50", **brought)
    books.add("card", secret="BBBBB-22222", owner=0, note=None, cost="0.00", **brought)
    from_upstream = books.sell(resold, "CCCCC-33333")
    await books.open(empty_mariadb)
    shop = enter(empty_mariadb)
    fingerprint = shop.ground.vault.fingerprint

    ways = [await shop.origin_of(sold.order_no, fingerprint(code)) for code in ("AAAAA-11111", "BBBBB-22222")]
    resale = await shop.origin_of(from_upstream.order_no, fingerprint("CCCCC-33333"))
    foreign = await shop.origin_of(sold.order_no, fingerprint("CCCCC-33333"))
    order = await shop.find_order(sold.order_no)

    assert [way.value for way in ways] == [Origin("laowang", "2601-A", 2_150), Origin("", "", 3_000)]
    assert (resale.value, foreign.answer) == (Origin("星河批发"), Answer.REFUSED)
    assert order is not None
    assert (order.goods.price, order.paid) == (4_800, 9_700)


@on_sqlite
async def test_stock_is_what_is_free_of_a_kind(enter: Enter, empty_mariadb: str) -> None:
    books = Books()
    cards = books.add_goods("CARDS", stock=7)
    books.add_goods("BYHAND", stock=12, delivery_way=1)
    kinds = [
        ("月卡", '{"区服": "亚服"}', 0),
        ("月卡", '{"区服": "美服"}', 0),
        ("年卡", None, 0),
        ("年卡", None, 1),
        (None, None, 2),
    ]
    for number, (race, sku, status) in enumerate(kinds):
        books.add("card", secret=f"CARD-{number}", commodity_id=cards, race=race, sku=sku, status=status)
    books.sell(cards, "ZZZZZ-99999", race="月卡", sku='{"区服": "亚服"}')
    await books.open(empty_mariadb)
    shop = enter(empty_mariadb)

    order = await shop.find_order(books.truths[0].order_no)
    assert order is not None
    asked = (order.goods.sku, "CARDS/年卡", "CARDS", "BYHAND", "CARDS/周卡", "NONE")
    replies = [await shop.stock(sku) for sku in asked]

    assert order.goods.sku == "CARDS/月卡/亚服"
    assert [reply.value for reply in replies] == [*map(Stock, (1, 1, 3, 12, 0)), None]


@on_sqlite
async def test_an_old_release_under_another_prefix_is_read_too(enter: Enter, empty_mariadb: str, reader: str) -> None:
    books = Books()
    goods = books.add_goods("OLD")
    truth = books.sell(goods, "AAAAA-11111", ["AAAAA-11111"])
    await books.open(empty_mariadb, "faka2_", is_old=True)
    await grant(empty_mariadb, reader, "faka2_", without=LATER)
    shop = enter(reader, prefix="faka2_")

    await agrees(shop, truth)
    origin, stock = (
        await shop.origin_of(truth.order_no, shop.ground.vault.fingerprint("AAAAA-11111")),
        await shop.stock("OLD"),
    )
    tables = {one.name: {part.name for part in one.c} for one in await shop.find_tables()}

    assert (origin.value, stock.value) == (Origin("", "", 3_000), Stock(0))
    assert tables == {f"faka2_{name}": set(columns) for name, columns in COLUMNS.items()}
    with pytest.raises(SchemaMismatch, match="acg_order"):
        await enter(empty_mariadb).find_order(truth.order_no)


@on_sqlite
async def test_a_card_of_the_shop_is_taken_once_for_a_key_while_the_shop_sells(
    enter: Enter, empty_mariadb: str, reader: str, now: datetime
) -> None:
    books, stock = Books(), 13  # as many as are wanted
    goods = books.add_goods("SOLD")
    orders = [books.sell(goods, GONE, is_status=OrderStatus.ABNORMAL).order_no for _ in range(6)]
    for number in range(stock):
        books.add("card", secret=f"STOCK-{number:05d}", commodity_id=goods, status=0, note="2601-A")
    await books.open(empty_mariadb)
    await grant(empty_mariadb, reader)
    user, database = make_url(reader).username, make_url(empty_mariadb).database
    await run(empty_mariadb, f"GRANT UPDATE ({', '.join(WRITTEN)}) ON {database}.acg_card TO {user}@localhost")
    desks = [
        enter(reader, till=Till(ShopDatabase("demo", reader, may_write=True), lambda: now), seconds=20.0)
        for _ in range(4)
    ]

    selling = asyncio.create_task(sell_as_the_shop_does(empty_mariadb, 6))
    # Each order's card is asked for by two desks at once.
    asked = [(desks[(number + twice) % 4], order_no) for number, order_no in enumerate(orders) for twice in (0, 1)]
    replies = await asyncio.gather(*(desk.issue(order_no, "SOLD", "claim-1") for desk, order_no in asked))
    sold = await selling
    another = await desks[0].issue(orders[0], "SOLD", "claim-2")

    assert {reply.answer for reply in replies} == {Answer.DONE}
    given = [reply.value.text for reply in replies if reply.value is not None]
    assert given[0::2] == given[1::2]
    assert another.value is not None
    assert len({*given, *sold, another.value.text}) == len(orders) + 6 + 1
    assert (await desks[0].stock("SOLD")).value == Stock(0)
    refused = [
        await desks[0].issue(*facts, "k") for facts in (("1", "SOLD"), (orders[0], "OTHER"), (orders[0], "SOLD"))
    ]
    assert [reply.answer for reply in refused] == [Answer.REFUSED] * 3


async def sell_as_the_shop_does(url: str, times: int) -> list[str]:
    """Look, then mark as sold, in serializable transactions; one that loses is tried again."""
    engine, sold = open_owner(url).execution_options(isolation_level="SERIALIZABLE"), []
    while len(sold) < times:
        try:
            async with engine.begin() as connection:
                free = text("SELECT id, secret FROM acg_card WHERE commodity_id = 1 AND status = 0 ORDER BY id LIMIT 1")
                card = (await connection.execute(free)).one()
                taken = text("UPDATE acg_card SET status = 1, order_id = 1 WHERE id IN (:id)")
                await connection.execute(taken, {"id": card.id})
        except OperationalError:
            continue
        sold.append(card.secret)
    await engine.dispose()
    return sold
