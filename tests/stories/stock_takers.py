"""Processes that take replacements from a dujiaoka: `python stock_takers.py URL SHOP_URL WAY PROCESSES EACH`.

Each files its claims and does the errands that follow of them, its own and others'. WAY is "guarded", "blind" (never
looks whether the shop sold a card as well) or "bold" (blind, and takes what is sold already). Prints the number of each
process that it forks; a line on standard input, number of a worker, forks that one again.
"""

import asyncio
import os
import sys
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlmodel import col, func, select

from kadesk.database import Database
from shop.adapters.connection import ShopDatabase
from shop.adapters.dujiaoka import Dujiaoka
from shop.adapters.dujiaoka_stock import Till
from shop.adapters.foreign import Ground
from shop.port import Answer, Reply
from shop.tables import Errand
from shop.vault import Keys, Vault
from tickets.claims import ClaimRules, Claims
from tickets.conversations import find_or_create
from tickets.desk import Desk
from tickets.errands import Errands
from tickets.tables import Reason

VAULT = Vault(Keys("k", {"k": bytes(32)}, bytes(range(32))))
SHANGHAI = ZoneInfo("Asia/Shanghai")
SOON = timedelta(seconds=4)  # longer than sales take to settle


def clock() -> datetime:
    return datetime.now(UTC)


def number_of(claim: int) -> str:
    """The order of a claim."""
    return f"CLAIMED{claim:09d}"


def say(_language: str, key: str, /, **facts: object) -> str:
    return " ".join([key, *(f"{name}={fact}" for name, fact in facts.items())])


def open_shop(database: Database, shop_url: str, at: Any = clock) -> Dujiaoka:
    till = Till("demo", ShopDatabase("demo", shop_url, seconds=20, may_write=True), database, at, SHANGHAI)
    ground = Ground("demo", database, VAULT, SHANGHAI, "CNY", timedelta(days=30))
    return Dujiaoka(ground, shop_url, seconds=20, till=till)


def open_job(database: Database, shop: Dujiaoka, at: Any = clock) -> tuple[Claims, Errands]:
    rules = ClaimRules(lambda token: f"https://kadesk.test/r/{token}")
    claims = Claims(Desk(say), VAULT, rules, lambda _name: shop.powers)
    return claims, Errands(database, at, claims, lambda _name: shop)


async def work(url: str, shop_url: str, numbers: range) -> None:
    database = Database(url)
    shop = open_shop(database, shop_url)
    claims, job = open_job(database, shop)
    filing = asyncio.create_task(file(database, shop, claims, numbers))
    while await job.run() or not filing.done() or await has_more(database):  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    await filing


async def file(database: Database, shop: Dujiaoka, claims: Claims, numbers: range) -> None:
    for number in numbers:
        order = await shop.find_order(number_of(number))
        assert order is not None
        async with database.writing() as session:
            met = await find_or_create(session, clock(), "web", "main", f"b{number}", "b", "zh")
            await claims.file(session, clock(), met, order, order.codes[0], Reason.ALREADY_USED)


async def has_more(database: Database) -> bool:
    """What others are at, or were when they were ended, is theirs until their lease ends."""
    soon = (col(Errand.state).in_(["wanted", "taken"]), col(Errand.not_before) < clock() + SOON)
    async with database.reading() as session:
        return bool((await session.exec(select(func.count()).select_from(Errand).where(*soon))).one())


def plant(way: str) -> None:
    """Break the guard that a twin has to do without."""

    async def find_none(*_: Any) -> Reply[dict[str, str]]:
        return Reply(Answer.DONE, {})

    sell = Till._sell

    async def take_anyhow(self: Till, reference: str) -> bool:
        await sell(self, reference)
        return True

    if way != "guarded":
        Dujiaoka.find_resold = find_none  # type: ignore[assignment,method-assign]
    if way == "bold":
        Till._sell = take_anyhow  # type: ignore[method-assign]


def main() -> None:
    url, shop_url, way, processes, each = *sys.argv[1:4], int(sys.argv[4]), int(sys.argv[5])
    plant(way)

    def bear(number: int) -> None:
        child = os.fork()
        if child == 0:
            asyncio.run(work(url, shop_url, range(number * each, (number + 1) * each)))
            os._exit(0)
        print(child, flush=True)  # noqa: T201  # the test reads it

    for number in range(processes):
        bear(number)
    for line in sys.stdin:
        bear(int(line))
    codes = []
    while True:
        try:
            codes.append(os.waitstatus_to_exitcode(os.wait()[1]))
        except ChildProcessError:
            break
    sys.exit(any(code > 0 for code in codes))


if __name__ == "__main__":
    main()
