"""The sweep at a million open tickets: how fast it moves what is due, and what it costs when nothing is.

`run(tickets)` builds a desk of that many open tickets of which one in a hundred is due, on SQLite in a fresh folder.
The commands of other desks are measured in the same run where their packages are installed.
"""

import asyncio
import importlib.util
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import insert
from sqlmodel import SQLModel, col, func, select

from audit.tables import AuditRow
from bot.phrases import Phrases
from kadesk.database import Database
from kadesk.tables import metadata
from tickets import escalations
from tickets.desk import Desk
from tickets.rungs import DUE
from tickets.tables import (
    Agent,
    Buyer,
    Clock,
    Conversation,
    Cycle,
    Escalation,
    Identity,
    Metric,
    Notice,
    Outgoing,
    SlaPolicy,
    Ticket,
)

NOW = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)
HANDLING = timedelta(hours=24)
STAFF = 3
PAGE = 10_000
PAIRS = 301
# What the other desks do on this class of machine, when they are not installed: tickets a second.
PEERS = {
    "helpdesk": ("django-helpdesk escalate_tickets", 190.0, 50.0),
    "escalated": ("escalated-django check_sla", 500.0, 18.0),
}


def run(tickets: int = 1_000_000) -> dict[str, Any]:
    """The bench object: {bench, machine, rows: [{what, value, unit, against, against_value, ratio, target, met}]}."""
    with tempfile.TemporaryDirectory(prefix="kadesk-bench-") as folder:
        rows = asyncio.run(_measure(f"sqlite:///{Path(folder) / 'kadesk.db'}", tickets))
    return {"bench": "sweep", "machine": _machine(), "tickets": tickets, "rows": rows}


async def _measure(url: str, tickets: int) -> list[dict[str, Any]]:
    database = Database(url)
    try:
        await _fill(database, tickets)
        desk = Desk(Phrases())
        started = time.perf_counter()
        swept = await escalations.sweep(database, lambda: NOW, desk)
        seconds = time.perf_counter() - started
        due = tickets // 100
        await _check(database, swept.escalated, due)
        speed = due / seconds
        rows = [_row("tickets escalated", speed, "tickets/s", "10,000 tickets/s", 10_000.0, 1.0)]
        rows += [_against_peer(speed, module, *peer) for module, peer in PEERS.items()]
        rows.append(await _idle(database, desk))
        return rows
    finally:
        await database.close()


async def _check(database: Database, escalated: int, due: int) -> None:
    """Fast and wrong is no result: every due ticket has its rows, and only those."""
    async with database.reading() as session:
        for table, count in ((Escalation, due), (AuditRow, due), (Outgoing, due), (Notice, due * STAFF)):
            found = (await session.exec(select(func.count()).select_from(table))).one()
            if found != count or escalated != due:
                raise AssertionError(f"{table.__name__}: {found} rows of {count}; {escalated} escalated of {due}")


async def _idle(database: Database, desk: Desk) -> dict[str, Any]:
    """An idle tick beside a bare indexed look at the same table, in turns."""
    bare = select(Clock.id).where(*escalations.unacted()).order_by(col(Clock.wake_at)).limit(1)
    ticks, looks, ratios = [], [], []
    for _ in range(PAIRS):
        started = time.perf_counter()
        await escalations.sweep(database, lambda: NOW, desk)
        ticked = time.perf_counter()
        async with database.reading() as session:
            await session.exec(bare)
        ended = time.perf_counter()
        ticks.append(ticked - started)
        looks.append(ended - ticked)
        ratios.append(ticks[-1] / looks[-1])
    tick, look = statistics.median(ticks) * 1e6, statistics.median(looks) * 1e6
    ratio = statistics.median(ratios)
    row = _row("idle tick", tick, "µs", "SELECT … LIMIT 1 on the same index", look, 3.0)
    return row | {"ratio": round(ratio, 2), "met": ratio <= 3.0}


def _row(what: str, value: float, unit: str, against: str, against_value: float, target: float) -> dict[str, Any]:
    ratio = value / against_value
    return {
        "what": what,
        "value": round(value, 1),
        "unit": unit,
        "against": against,
        "against_value": round(against_value, 1),
        "ratio": round(ratio, 2),
        "target": target,
        "met": ratio >= target,
    }


def _against_peer(speed: float, module: str, name: str, known: float, target: float) -> dict[str, Any]:
    """Beside another desk. Its package is not among ours: it is measured where somebody has installed it."""
    if importlib.util.find_spec(module) is None:
        row = _row("tickets escalated", speed, "tickets/s", name, known, target)
        return row | {
            "note": f"not run: the package {module} is not installed; {known:.0f} tickets/s is its known speed"
        }
    row = _row("tickets escalated", speed, "tickets/s", name, known, target)
    return row | {"note": f"not run: no driver for {module} is written yet; {known:.0f} tickets/s is its known speed"}


def _machine() -> str:
    return f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()}"


async def _fill(database: Database, tickets: int) -> None:
    async with database.engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
    await _insert(database, Agent, [_agent(number) for number in range(1, STAFF + 1)])
    await _insert(database, SlaPolicy, [{"id": 1, "metric": Metric.HANDLING, "target": HANDLING, "since": NOW}])
    for first in range(1, tickets + 1, PAGE):
        numbers = range(first, min(first + PAGE, tickets + 1))
        for table, rows in _desk_rows(numbers):
            await _insert(database, table, rows)


async def _insert(database: Database, table: type[SQLModel], rows: list[dict[str, Any]]) -> None:
    async with database.writing() as session:
        await (await session.connection()).execute(insert(table), rows)


def _agent(number: int) -> dict[str, Any]:
    name = f"agent {number}"
    return {
        "id": number,
        "login": name,
        "name": name,
        "role": "agent",
        "password_hash": "-",
        "is_active": True,
        "created_at": NOW,
    }


def _desk_rows(numbers: range) -> Iterator[tuple[type[SQLModel], list[dict[str, Any]]]]:
    """Buyers with one open ticket each; the due ones lie anywhere between the others."""
    began = {n: _began(n) for n in numbers}
    place = {"channel": "web", "account": "main"}
    yield Buyer, [{"id": n, "name": "b", "tier": "normal", "language": "zh", "created_at": began[n]} for n in numbers]
    yield Identity, [{"id": n, "buyer_id": n, **place, "address": f"a{n}", "created_at": began[n]} for n in numbers]
    yield (
        Conversation,
        [
            {"id": n, "identity_id": n, "buyer_id": n, **place, "address": f"a{n}", "created_at": began[n]}
            for n in numbers
        ],
    )
    yield Ticket, [_ticket(n, began[n]) for n in numbers]
    yield Cycle, [{"id": n, "ticket_id": n, "ordinal": 1, "opened_at": began[n]} for n in numbers]
    yield Clock, [_clock(n, began[n]) for n in numbers]


def _began(number: int) -> datetime:
    if number % 100 == 0:
        return NOW - HANDLING - timedelta(milliseconds=number % 997 + 1)
    return NOW - timedelta(seconds=number * 7919 % 72_000)  # less than the 20 hours after which staff are warned


def _ticket(number: int, began: datetime) -> dict[str, Any]:
    return {
        "id": number,
        "number": f"K-{number:06d}",
        "conversation_id": number,
        "buyer_id": number,
        "category": "claim",
        "subject": "卡密无效",
        "status": "open",
        "phase": "open",
        "level": 0,
        "waiting_since": began,
        "rank_at": began,
        "hurries": 0,
        "created_at": began,
        "version": 1,
    }


def _clock(number: int, began: datetime) -> dict[str, Any]:
    due_at = began + HANDLING
    is_due = due_at < NOW
    return {
        "id": number,
        "ticket_id": number,
        "cycle_id": number,
        "metric": Metric.HANDLING,
        "ordinal": 1,
        "policy_id": 1,
        "started_at": began,
        "due_at": due_at,
        "rung": DUE if is_due else 0,
        "wake_at": due_at if is_due else due_at - timedelta(hours=4),
    }
