"""Refunds to balances of dujiaoka's fork on a real MariaDB: once for a key, never more than was paid."""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url

from kadesk.database import Database
from shop.adapters.connection import ShopDatabase
from shop.adapters.dujiaoka import FORK_BALANCES, Dujiaoka
from shop.adapters.dujiaoka_balance import Balances
from shop.port import Answer, OrderStatus, Power
from shop.vault import Vault
from tests.shop.adapters import dujiaoka
from tests.shop.adapters.conftest import ground, make_reader, new_mariadb, open_owner, run
from tests.shop.adapters.dujiaoka import Sale

pytestmark = [pytest.mark.mariadb, pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)]
MEMBERS, GUESTS, UNPAID = "MEMBER0000000001", "GUEST00000000001", "UNPAID0000000001"
DOCS = Path(__file__).parents[3] / "docs/shops.md"
USERS = """CREATE TABLE users (
    id bigint unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY, email varchar(255) NOT NULL, password varchar(255) NOT NULL,
    balance decimal(10,2) NOT NULL DEFAULT 0
)"""


@pytest.fixture
async def url(mariadb_url: str) -> AsyncIterator[str]:
    async with new_mariadb(mariadb_url) as url:
        sales = [Sale(MEMBERS, ("AAAAA-11111",)), Sale(GUESTS, ("BBBBB-22222",)), Sale(UNPAID, status=1)]
        await dujiaoka.open_fork(url, sales)
        await run(url, USERS, "INSERT INTO users VALUES (7, 'a@qq.com', 'hash', 1.50)")
        await run(url, "UPDATE orders SET user_id = 7 WHERE order_sn <> '" + GUESTS + "'")
        yield url


def granted() -> list[str]:
    """What the docs let a user do who pays refunds."""
    section = DOCS.read_text().partition("### Refunds to a member's balance")[2].partition("### ")[0]
    return re.findall(r"GRANT .*?;", section, re.DOTALL)


@pytest.fixture
async def payer(url: str) -> str:
    """Who may do what the docs say, and no more."""
    user = make_url(await make_reader(url, (FORK_BALANCES,)))
    place = f"'{user.username}'@'%'"
    await run(
        url, *(one.replace("kadesk@'10.0.0.5'", place).replace("shop.", f"{user.database}.") for one in granted())
    )
    # What is read of an order anyway.
    await run(url, f"GRANT SELECT (order_sn, actual_price, status, deleted_at) ON {user.database}.orders TO {place}")
    return user.render_as_string(hide_password=False)


@pytest.fixture
async def shop(url: str, payer: str, database: Database, vault: Vault, now: datetime) -> AsyncIterator[Dujiaoka]:
    money = ShopDatabase("demo", payer, seconds=20, may_write=True)
    balances = Balances("demo", money, vault, lambda: now, ZoneInfo("Asia/Shanghai"))
    shop = Dujiaoka(ground(database, vault), url, balances=balances)
    yield shop
    await shop.close()


async def money_of(url: str) -> tuple[Decimal, list[tuple[Decimal, ...]]]:
    """The member's balance, and amount, balance before and after of each record."""
    engine = open_owner(url)
    async with engine.connect() as connection:
        balance = (await connection.execute(text("SELECT balance FROM users"))).scalar_one()
        records = text("SELECT amount, balance_before, balance_after FROM user_balance_records ORDER BY id")
        rows = [tuple(row) for row in await connection.execute(records)]
    await engine.dispose()
    return balance, rows


async def test_a_member_is_paid_once_for_a_key_however_many_ask(shop: Dujiaoka, url: str) -> None:
    replies = await asyncio.gather(*(shop.refund(MEMBERS, 2_000, key) for key in ("one", "one", "two", "one")))
    again = await shop.refund(MEMBERS, 2_000, "one")
    order = await shop.find_order(MEMBERS)

    assert {reply.answer for reply in (*replies, again)} == {Answer.DONE}
    assert len({reply.value for reply in replies}) == 2
    assert again.value == replies[0].value
    balance, records = await money_of(url)
    assert (balance, [amount for amount, _, _ in records]) == (Decimal("41.50"), [Decimal("20.00")] * 2)
    assert all(before + amount == after for amount, before, after in records)
    assert order is not None
    assert (order.refunded, order.status) == (4_000, OrderStatus.DELIVERED)


async def test_no_more_than_was_paid_and_only_to_members(shop: Dujiaoka, url: str) -> None:
    answers = [
        (await shop.refund(order_no, amount, "key")).answer
        for order_no, amount in ((MEMBERS, 4_851), (GUESTS, 100), (UNPAID, 100), ("NOSUCHORDER00000", 100))
    ]

    assert answers == [Answer.REFUSED, Answer.MANUAL, Answer.REFUSED, Answer.REFUSED]
    assert await money_of(url) == (Decimal("1.50"), [])


async def test_it_is_a_persons_where_it_is_not_switched_on_or_there_are_no_balances(
    shop: Dujiaoka, url: str, database: Database, vault: Vault
) -> None:
    closed = Dujiaoka(ground(database, vault), url)
    await run(url, "DROP TABLE user_balance_records")

    assert (await closed.refund(MEMBERS, 100, "key")).answer == Answer.UNSUPPORTED
    assert (await shop.refund(MEMBERS, 100, "key")).answer == Answer.MANUAL
    assert (Power.REFUND in closed.powers, Power.REFUND in shop.powers) == (False, True)
    await closed.close()
