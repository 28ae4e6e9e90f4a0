"""Several serving Kadesks on one database, which a story kills and bears again while buyers write."""

import asyncio
import itertools
import json
import os
import random
import secrets
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from sqlalchemy import func, text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel import select

from bot.tables import InboxRow, InboxState
from kadesk.database import Database
from kadesk.settings import SHIPPED
from tickets.tables import Outgoing, Sending

QUESTIONS = ("能退款吗", "怎么查我买的东西", "多久到账")  # each has one sure answer


def share_cache(folder: Path, cache: Path) -> None:
    folder.mkdir(mode=0o700, exist_ok=True)
    if not (folder / "cache").exists():
        (folder / "cache").symlink_to(cache)


@dataclass
class Family:
    """Serving Kadesks on one database, each on a port of its own."""

    nursery: asyncio.subprocess.Process
    database_url: str
    settings: dict[str, str]
    ports: list[int]
    living: dict[int, int] = field(default_factory=dict)  # port → process id
    serving: dict[int, int] = field(default_factory=dict)  # the same, of those that said that they are ready

    async def birth(self, port: int, faults: str = "", **wishes: str) -> None:
        wish = {**self.settings, "KADESK_WEB__PORT": str(port), "TEST_FAULTS": faults, **wishes}
        assert self.nursery.stdin is not None
        assert self.nursery.stdout is not None
        self.nursery.stdin.write(json.dumps(wish).encode() + b"\n")
        self.living[port] = int(await self.nursery.stdout.readline())
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=1) as client:
            for _ in range(800):
                with suppress(httpx.HTTPError):
                    if (await client.get("/healthz")).status_code == 200:
                        self.serving[port] = self.living[port]
                        return
                await asyncio.sleep(0.05)
        raise TimeoutError(port)

    def kill(self, port: int) -> None:
        self.serving.pop(port, None)
        os.kill(self.living.pop(port), signal.SIGKILL)

    def kill_all(self) -> None:
        for port in list(self.living):
            self.kill(port)

    async def replace(self, chance: random.Random, faults: str = "", **wishes: str) -> None:
        """Now one dies, now another, in the midst of its work; another takes its place."""
        await asyncio.sleep(chance.uniform(0, 0.3))
        port = chance.choice(self.ports)
        self.kill(port)
        await asyncio.sleep(chance.uniform(0, 0.1))
        await self.birth(port, faults, **wishes)

    @asynccontextmanager
    async def settled(self, is_over: Callable[[], bool], seconds: float) -> AsyncIterator[Database]:
        """The database, once `is_over` and nothing is under way anywhere."""
        database = Database(self.database_url)
        try:
            async with asyncio.timeout(seconds):
                while not is_over() or await unfinished(database):  # noqa: ASYNC110  # others work
                    await asyncio.sleep(0.2)
            yield database
        finally:
            await database.close()


class Balancer:
    """Sends each call of a platform's to the next process, whether it lives or not."""

    def __init__(self, client: Any, ports: list[int]) -> None:
        self._client, self._ports = client, itertools.cycle(ports)

    def post(self, url: str, **options: Any) -> Any:
        return self._client.post(f"http://127.0.0.1:{next(self._ports)}{urlsplit(url).path}", **options)

    async def aclose(self) -> None:
        await self._client.aclose()


async def unfinished(database: Database) -> int:
    """How many updates wait to take effect, and how many messages to be sent."""
    stored = select(func.count()).select_from(InboxRow).where(InboxRow.state == InboxState.PENDING)
    queued = select(func.count()).select_from(Outgoing).where(Outgoing.state == Sending.QUEUED)
    async with database.reading() as session:
        return (await session.exec(stored)).one() + (await session.exec(queued)).one()


async def wait_for(happened: Callable[[], bool], seconds: float = 60) -> None:
    """In another process, which rings no bell here."""
    async with asyncio.timeout(seconds):
        while not happened():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@asynccontextmanager
async def open_nursery(folder: Path, matcher_cache: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process that forks serving Kadesks, see `tests/stories/nursery.py`."""
    share_cache(folder, matcher_cache)
    shutil.copy(SHIPPED, folder.parent / "settings.toml")
    environment = os.environ | {
        "KADESK_SETTINGS": str(folder.parent / "settings.toml"),
        "KADESK_DATA__DIR": str(folder),
        "KADESK_FAQ__ENCODER": "false",
        "KADESK_LOG__LEVEL": "error",
        "KADESK_BOT__RATE": "100000",
        "KADESK_TELEGRAM__PER_SECOND": "10000",
        "KADESK_TELEGRAM__CHAT_EVERY": "1 ms",
        "PYTHONPATH": str(Path(__file__).parent.parent.parent),
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(Path(__file__).parent / "nursery.py")),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=environment,
    )
    yield process
    assert process.stdin is not None
    process.stdin.close()
    await process.wait()


@asynccontextmanager
async def open_family(
    nursery: asyncio.subprocess.Process, server: str, folder: Path, find_port: Callable[[], int]
) -> AsyncIterator[Family]:
    """One process on SQLite; three on a database of their own where `server` is the URL of a PostgreSQL server."""
    url = await _fresh_database(server) if server else f"sqlite:///{folder / 'kadesk.db'}"
    ports = [find_port() for _ in range(3 if server else 1)]
    settings = {
        "KADESK_DATA__DIR": str(folder),
        "KADESK_DATA__URL": url,
        "KADESK_WEB__PUBLIC_URL": f"http://127.0.0.1:{ports[0]}",
    }
    family = Family(nursery, url, settings, ports)
    try:
        yield family
    finally:
        family.kill_all()


async def _fresh_database(url: str) -> str:
    name = f"family_{secrets.token_hex(8)}"
    engine = create_async_engine(url, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.execute(text(f"CREATE DATABASE {name}"))
    await engine.dispose()
    return make_url(url).set(database=name).render_as_string(hide_password=False)
