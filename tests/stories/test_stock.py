"""Eight processes take replacements from a dujiaoka that sells the careless way, and some of them are killed.

The stock is 500 cards; TEST_STOCK sets another number for a longer run.
"""

import asyncio
import os
import random
import signal
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlmodel import col, select

from audit.tables import AuditRow
from kadesk.database import Database
from shop.codes import read_code
from shop.delivered import lines_of
from shop.invariants import check_invariants
from shop.states import OUT
from shop.tables import Code, Errand, MarkState, Replacement, StockMark
from tests.conftest import empty
from tests.shop.adapters import dujiaoka
from tests.shop.adapters.conftest import fill, new_mariadb, open_owner
from tests.shop.adapters.dujiaoka import Sale
from tests.stories.stock_takers import SHANGHAI, VAULT, clock, number_of, open_job, open_shop
from tickets.tables import Agent, Claim, Notice, Role

HERE, ROOT = Path(__file__).parent, Path(__file__).parents[2]
STOCK = int(os.environ.get("TEST_STOCK", "500"))
PROCESSES, KILLS, TILLS = 8, 4, 8
pytestmark = [
    pytest.mark.mariadb,
    pytest.mark.parametrize("database_url", [pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True),
]


@dataclass
class Truth:
    """What happened, as the books of both sides tell it."""

    texts: list[str]  # of the codes in our ledger
    in_use: set[str]  # of these, what buyers have now
    sold: dict[str, str]  # by the shop: orders by codes
    taken: dict[str, str]  # by us: codes by the shop's number of the card
    lost: set[str]  # cards
    collided: set[str]  # codes of which we say so
    notices: list[str]
    audited: int

    @property
    def twice(self) -> set[str]:
        """What went to a buyer of the shop and was ours as well."""
        return {code for code in self.taken.values() if code in self.sold}


async def put_up(url: str, database: Database, stock: int, claims: int) -> None:
    """A shop with sold orders, each with a bad code, and its stock; and somebody to tell."""
    await empty(database)
    async with database.writing() as session:
        boss = Agent(login="boss", name="Boss", role=Role.MANAGER, password_hash="-", created_at=clock())
        session.add(boss)
    made = (datetime.now(UTC) - timedelta(days=2)).astimezone(SHANGHAI).replace(tzinfo=None)
    facts = {"made": made, "changed": made}
    await dujiaoka.open_original(url, (Sale(number_of(n), (f"BAD{n:05d}-XXXX",), **facts) for n in range(claims)))
    card = {"goods_id": 50, "status": 1, "is_loop": 0}
    await fill(url, "carmis", (card | {"carmi": f"STOCK-{n:05d}-{n * 7919 % 10_000:04d}"} for n in range(stock)))


async def start(script: str, *arguments: object) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    words = (sys.executable, str(HERE / script), *map(str, arguments))
    return await asyncio.create_subprocess_exec(
        *words, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, stdin=pipe, stdout=pipe
    )


async def run_all(url: str, shop_url: str, way: str, processes: int, claims: int, sales: int, kills: int = 0) -> None:
    """Everybody at once; those that are killed are started again."""
    takers = await start("stock_takers.py", url, shop_url, way, processes, claims // processes)
    assert takers.stdout is not None
    assert takers.stdin is not None
    alive = {number: int(await takers.stdout.readline()) for number in range(processes)}
    shop = await start("careless_shop.py", shop_url, TILLS, sales // TILLS)
    chance = random.Random(8)
    for _ in range(kills):
        await asyncio.sleep(chance.uniform(0.5, 1.5))
        number = chance.choice([*alive])
        os.kill(alive[number], signal.SIGKILL)
        takers.stdin.write(f"{number}\n".encode())
        alive[number] = int(await takers.stdout.readline())
    takers.stdin.close()
    assert await asyncio.gather(takers.wait(), shop.wait()) == [0, 0]


async def come_to_rest(database: Database, shop_url: str) -> None:
    """What follows in the next hours: leases end, and codes that went out are looked for again."""
    later = timedelta()

    def at() -> datetime:
        return clock() + later

    shop = open_shop(database, shop_url, at)
    _, job = open_job(database, shop, at)
    for minutes in (0, 1, 2, 17, 130, 260, 265, 290, 420):
        later = timedelta(minutes=minutes)
        while await job.run():
            later += timedelta(seconds=3)
    await shop.close()


async def look(database: Database, shop_url: str) -> Truth:
    engine = open_owner(shop_url)
    async with engine.connect() as connection:
        orders = await connection.execute(text("SELECT order_sn, info FROM orders WHERE order_sn LIKE 'SHOP%'"))
        sold = {code: row.order_sn for row in orders for code in lines_of(row.info)}
        cards = {str(row.id): row.carmi for row in await connection.execute(text("SELECT id, carmi FROM carmis"))}
    await engine.dispose()
    async with database.reading() as session:
        issued = select(Code).join(Replacement, col(Replacement.code_id) == col(Code.id))
        codes = [(read_code(VAULT, code), code.state) for code in (await session.exec(issued)).all()]
        marks = (await session.exec(select(StockMark))).all()
        collided = (await session.exec(select(Errand).where(Errand.state == "collided"))).all()
        notices = [notice.text for notice in (await session.exec(select(Notice))).all()]
        audited = len((await session.exec(select(AuditRow.id).where(AuditRow.action == "errand.collided"))).all())
        assert await check_invariants(session) == []
    return Truth(
        texts=[code for code, _ in codes],
        in_use={code for code, state in codes if state in OUT},
        sold=sold,
        taken={mark.reference: cards[mark.reference] for mark in marks if mark.state == MarkState.TAKEN},
        lost={mark.reference for mark in marks if mark.state == MarkState.LOST},
        collided={cards[errand.reference or ""] for errand in collided},
        notices=notices,
        audited=audited,
    )


@pytest.mark.alone
async def test_eight_processes_take_from_a_careless_shop_and_every_collision_is_found_and_told(
    database_url: str, mariadb_url: str
) -> None:
    claims = STOCK // 5 // PROCESSES * PROCESSES
    database = Database(database_url)
    async with new_mariadb(mariadb_url) as shop_url:
        await put_up(shop_url, database, STOCK, claims)

        await run_all(database_url, shop_url, "guarded", PROCESSES, claims, sales=STOCK // 3, kills=KILLS)
        await come_to_rest(database, shop_url)

        truth = await look(database, shop_url)
        unsold = await count_unsold(shop_url)
    async with database.reading() as session:
        states = {claim.state for claim in (await session.exec(select(Claim))).all()}
        bound = {errand.state for errand in (await session.exec(select(Errand))).all()}
    await database.close()

    assert len(truth.texts) == len(set(truth.texts))  # none twice by us
    assert truth.twice == truth.collided  # every collision found, and none that was none
    assert truth.twice
    assert not truth.in_use & set(truth.sold)
    assert sum(text.startswith("notice.stock_collided") for text in truth.notices) == len(truth.twice) == truth.audited
    assert sum(text.startswith("notice.card_lost") for text in truth.notices) == len(truth.lost) <= KILLS * 4
    assert not {"wanted", "taken"} & bound
    assert "fetching" not in states
    assert STOCK - unsold <= len(set(truth.sold) | set(truth.taken.values())) + len(truth.lost)
    print(  # noqa: T201
        f"\n{claims} claims: {len(truth.in_use)} good codes in use, {len(truth.texts)} given, {len(truth.sold)} sold by"
        f" the shop, {len(truth.twice)} collisions, {len(truth.lost)} cards lost, {unsold} left"
    )


@pytest.mark.alone
@pytest.mark.parametrize("way", ["blind", "bold"])
async def test_without_its_guards_codes_are_sold_twice_and_nobody_hears_of_it(
    database_url: str, mariadb_url: str, way: str
) -> None:
    """The broken twins."""
    database = Database(database_url)
    async with new_mariadb(mariadb_url) as shop_url:
        await put_up(shop_url, database, 60, 24)

        await run_all(database_url, shop_url, way, 2, 24, sales=48)

        truth = await look(database, shop_url)
    await database.close()

    assert truth.twice - truth.collided
    assert truth.in_use & set(truth.sold)


async def count_unsold(shop_url: str) -> int:
    engine = open_owner(shop_url)
    async with engine.connect() as connection:
        found = await connection.execute(text("SELECT COUNT(*) FROM carmis WHERE goods_id = 50 AND status = 1"))
        count = int(found.scalar_one())
    await engine.dispose()
    return count
