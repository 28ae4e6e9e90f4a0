"""The sweep at a million open tickets: how fast it moves what is due, and what it costs when nothing is.

`run(tickets)` builds a desk of that many open tickets on SQLite in a fresh folder. The one in a hundred that is due is
the oldest, as tickets come; an hour later as many are due that lie anywhere between the others, which is the worst that
a mix of promises can do. The commands of other desks (`benchmarks/peers`) run in the same run on as many due tickets,
with no others beside them.
"""

import asyncio
import importlib.util
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from sqlmodel import SQLModel, col, func, select

from audit import rows
from audit.tables import AuditRow
from benchmarks._result import at_least, at_most, machine, seen
from bot.phrases import Phrases
from kadesk.database import Database
from kadesk.tables import metadata
from tickets import escalations
from tickets.desk import Desk
from tickets.routing import GENERAL
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

HOME = Path(__file__).parent.parent
NOW = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)
HANDLING = timedelta(hours=24)
STAFF = 3
PAGE = 10_000
PAIRS = 301
MILLISECOND = timedelta(milliseconds=1)
WARM = 10  # tickets before the stop-watch runs: a process compiles each statement once
LATER = NOW + timedelta(hours=1)


class Peer(NamedTuple):
    """Another desk's command."""

    name: str
    package: str
    recorded: float  # tickets a second, measured in November 2026 on two shared cores; said to be so where it is used
    target: float  # how many times as fast we want to be


PEERS = {
    "helpdesk": Peer("django-helpdesk escalate_tickets", "django-helpdesk", 190.0, 50.0),
    "escalated": Peer("escalated-django check_sla", "escalated-django", 500.0, 18.0),
}


def run(tickets: int = 1_000_000) -> dict[str, Any]:
    """The bench object: {bench, machine, rows: [{what, value, unit, against, against_value, ratio, target, met}]}."""
    with tempfile.TemporaryDirectory(prefix="kadesk-bench-") as folder:
        found = asyncio.run(_measure(f"sqlite:///{Path(folder) / 'kadesk.db'}", tickets))
    return {"bench": "sweep", "machine": machine(), "tickets": tickets, "rows": found}


async def _measure(url: str, tickets: int) -> list[dict[str, Any]]:
    database, due = Database(url), tickets // 100
    try:
        await _fill(database, tickets)
        desk, watch = Desk(Phrases()), Watch(database)
        await _sweep(watch, desk, NOW - MILLISECOND * (due - WARM), WARM)
        speed = await _sweep(watch, desk, NOW, due - WARM)
        await _check(database, due)
        scattered = await _sweep(watch, desk, LATER, due)
        await _check(database, 2 * due)
        found = [_against_peer(speed, due, module, peer) for module, peer in PEERS.items()]
        note = "the due tickets lie anywhere between the others: each dirties pages of its own"
        found.append(seen("tickets escalated, scattered", scattered, "tickets/s", "those that lie together", speed))
        found[-1]["note"] = note
        found.append(
            at_most("longest hold of the writer", watch.longest * 1e3, "ms", "what others can wait", 250.0, 1.0)
        )
        found.append(await _idle(database, desk))
        return found
    finally:
        await database.close()


@dataclass
class Watch:
    """A database that knows the longest time for which its writer was held."""

    database: Database
    longest: float = 0.0

    @property
    def reading(self) -> Any:
        return self.database.reading

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[Any]:
        started = time.perf_counter()
        async with self.database.writing() as session:
            yield session
        self.longest = max(self.longest, time.perf_counter() - started)


async def _sweep(watch: Watch, desk: Desk, now: datetime, due: int) -> float:
    """Tickets escalated a second, by one sweep that must handle them all."""
    started = time.perf_counter()
    swept = await escalations.sweep(watch, lambda: now, desk)
    seconds = time.perf_counter() - started
    if swept.escalated != due:
        raise AssertionError(f"{swept.escalated} escalated of {due}")
    return due / seconds


async def _check(database: Database, due: int) -> None:
    """Fast and wrong is no result: every due ticket has its rows, and only those."""
    async with database.reading() as session:
        for table, count in ((Escalation, due), (AuditRow, due), (Outgoing, due), (Notice, due * STAFF)):
            found = (await session.exec(select(func.count()).select_from(table))).one()
            if found != count:
                raise AssertionError(f"{table.__name__}: {found} rows of {count}")


async def _idle(database: Database, desk: Desk) -> dict[str, Any]:
    """An idle tick beside a bare indexed look at the same table, in turns."""
    bare = select(Clock.id).where(*escalations.unacted()).order_by(col(Clock.wake_at)).limit(1)
    ticks, looks, ratios = [], [], []
    for _ in range(PAIRS):
        started = time.perf_counter()
        await escalations.sweep(database, lambda: LATER, desk)
        ticked = time.perf_counter()
        async with database.reading() as session:
            await session.exec(bare)
        ended = time.perf_counter()
        ticks.append(ticked - started)
        looks.append(ended - ticked)
        ratios.append(ticks[-1] / looks[-1])
    tick, look = statistics.median(ticks) * 1e6, statistics.median(looks) * 1e6
    ratio = statistics.median(ratios)
    row = at_most("idle tick", tick, "µs", "SELECT … LIMIT 1 on the same index", look, 3.0)
    return row | {"ratio": round(ratio, 2), "met": ratio <= 3.0}


def _against_peer(speed: float, due: int, module: str, peer: Peer) -> dict[str, Any]:
    """Beside another desk, run here where its package is installed; else beside a record, which proves nothing."""
    if importlib.util.find_spec(module) is None:
        row = at_least("tickets escalated", speed, "tickets/s", f"{peer.name}, recorded", peer.recorded, peer.target)
        note = f"not run: the package {peer.package} is not installed (uv sync --group bench)"
        return row | {"met": None, "note": f"{note}; {peer.recorded:.0f} tickets/s is a recorded figure"}
    command = [sys.executable, "-W", "ignore", "-m", f"benchmarks.peers.{module}", str(due)]
    done = subprocess.run(command, cwd=HOME, stdout=subprocess.PIPE, check=True, timeout=1_800)
    measured = json.loads(done.stdout)
    row = at_least(
        "tickets escalated", speed, "tickets/s", peer.name, measured["handled"] / measured["seconds"], peer.target
    )
    return row | {"note": f"{peer.package} {version(peer.package)}, {due} due of {due} open, in this run"}


async def _fill(database: Database, tickets: int) -> None:
    async with database.engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
    await _insert(database, Agent, [_agent(number) for number in range(1, STAFF + 1)])
    await _insert(
        database,
        SlaPolicy,
        [{"id": 1, "metric": Metric.HANDLING, "name": "", "calendar": "24×7", "target": HANDLING, "since": NOW}],
    )
    for first in range(1, tickets + 1, PAGE):
        numbers = range(first, min(first + PAGE, tickets + 1))
        for table, made in _desk_rows(numbers, tickets):
            await _insert(database, table, made)


async def _insert(database: Database, table: type[SQLModel], made: list[dict[str, Any]]) -> None:
    async with database.writing() as session:
        await rows.add(await session.connection(), table, made)


def _agent(number: int) -> dict[str, Any]:
    name = f"agent {number}"
    return {
        "id": number,
        "login": name,
        "name": name,
        "role": "agent",
        "password_hash": "-",
        "is_active": True,
        "is_away": False,
        "skills": [],
        "created_at": NOW,
    }


def _desk_rows(numbers: range, tickets: int) -> Iterator[tuple[type[SQLModel], list[dict[str, Any]]]]:
    """Buyers with one open ticket each; the due ones lie anywhere between the others."""
    began = {n: _began(n, tickets) for n in numbers}
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


def _due_at(number: int, tickets: int) -> datetime:
    """The oldest are due now, as many of the others, far apart, within the hour, and the rest much later."""
    due = tickets // 100
    if number <= due:
        return NOW - MILLISECOND * (due - number + 1)
    if (number - due) % 99 == 0:
        return LATER - MILLISECOND * (number % 997 + 1)
    return NOW + timedelta(hours=6, seconds=18 * 3600 * number / tickets)


def _began(number: int, tickets: int) -> datetime:
    return _due_at(number, tickets) - HANDLING


def _ticket(number: int, began: datetime) -> dict[str, Any]:
    return {
        "id": number,
        "number": f"K-{number:06d}",
        "conversation_id": number,
        "buyer_id": number,
        "category": "claim",
        "subject": "卡密无效",
        "queue": GENERAL,
        "fields": {},
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
    is_due = due_at < LATER
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
