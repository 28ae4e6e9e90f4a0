"""Kill -9 while Telegram tells what buyers say, by webhook and by polling: nothing is lost, doubled or out of order.

The stand-in for Telegram has Telegram's rules: a chat's next update comes when the one before was acknowledged, what
was not comes again, and one reader at a time polls. `TELEGRAM_UPDATES` and `TELEGRAM_KILLS` are the size of one run.
"""

import asyncio
import itertools
import json
import os
import random
import shutil
import signal
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel import col, select

from bot.fakes.telegram import TOKEN, FakeTelegram, serving
from bot.tables import InboxRow, InboxState
from kadesk.database import Database
from kadesk.settings import SHIPPED
from tests.stories.conftest import share_cache
from tickets.tables import Author, Conversation, Message, Outgoing, Sending

UPDATES = int(os.environ.get("TELEGRAM_UPDATES", "160"))
KILLS = int(os.environ.get("TELEGRAM_KILLS", "6"))  # half of them while Telegram calls us, half while we poll
CHATS = max(12, UPDATES // 60)
QUESTIONS = ("能退款吗", "怎么查我买的东西", "多久到账")  # each has one sure answer
POISONED = 0.01
WAITS = "" if UPDATES > 2_000 else " hasty"  # what fails is tried again twenty times sooner in a small run


@dataclass
class Family:
    """Serving Kadesks on one database, each on a port of its own."""

    nursery: asyncio.subprocess.Process
    fake: FakeTelegram
    database_url: str
    settings: dict[str, str]
    ports: list[int]
    living: dict[int, int] = field(default_factory=dict)  # port → process id

    async def birth(self, port: int, receive: str, faults: str) -> None:
        wish = {"KADESK_WEB__PORT": str(port), "KADESK_TELEGRAM__RECEIVE": receive, "TEST_FAULTS": faults}
        assert self.nursery.stdin is not None
        assert self.nursery.stdout is not None
        self.nursery.stdin.write(json.dumps(self.settings | wish).encode() + b"\n")
        self.living[port] = int(await self.nursery.stdout.readline())
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=1) as client:
            for _ in range(800):
                with suppress(httpx.HTTPError):
                    if (await client.get("/healthz")).status_code == 200:
                        return
                await asyncio.sleep(0.05)
        raise TimeoutError(port)

    async def hears(self) -> None:
        """Wait until something is acknowledged: it is in the midst of its work then."""
        waiting = self.fake.bot.updates.pending
        async with asyncio.timeout(60):
            while self.fake.bot.updates.pending >= waiting:  # noqa: ASYNC110  # others work
                await asyncio.sleep(0.01)

    def kill(self, port: int) -> None:
        os.kill(self.living.pop(port), signal.SIGKILL)


class Balancer:
    """Sends each call of Telegram's to the next process, whether it lives or not."""

    def __init__(self, client: Any, ports: list[int]) -> None:
        self._client, self._ports = client, itertools.cycle(ports)

    def post(self, url: str, **options: Any) -> Any:
        return self._client.post(f"http://127.0.0.1:{next(self._ports)}/telegram/{TOKEN.partition(':')[0]}", **options)


@pytest.fixture(scope="module")
async def nursery(tmp_path_factory: pytest.TempPathFactory, matcher_cache: Path) -> AsyncIterator[Any]:
    folder = tmp_path_factory.mktemp("nursery") / "data"
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


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def server(request: pytest.FixtureRequest) -> str:
    """The URL of a PostgreSQL server, or nothing."""
    return request.getfixturevalue("postgres_url") if request.param == "postgres" else ""


@pytest.fixture
async def family(
    server: str, nursery: Any, tmp_path: Path, matcher_cache: Path, unused_tcp_port_factory: Any
) -> AsyncIterator[Family]:
    """One process on SQLite, three on a PostgreSQL database of their own."""
    folder, url, count = tmp_path / "data", f"sqlite:///{tmp_path / 'data' / 'kadesk.db'}", 1
    share_cache(folder, matcher_cache)
    if server:
        url, count = await _fresh_database(server), 3
    ports = [unused_tcp_port_factory() for _ in range(count)]
    fake = FakeTelegram()
    fake.first_wait, fake.longest_wait, fake.longest_poll = 0.05, 0.4, 1
    async with serving(fake):
        fake.client = Balancer(fake.client, ports)  # type: ignore[assignment]
        settings = {
            "KADESK_DATA__DIR": str(folder),
            "KADESK_DATA__URL": url,
            "KADESK_WEB__PUBLIC_URL": f"http://127.0.0.1:{ports[0]}",
            "KADESK_TELEGRAM__TOKEN": TOKEN,
            "KADESK_TELEGRAM__API_BASE": fake.base,
        }
        family = Family(nursery, fake, url, settings, ports)
        yield family
        for port in list(family.living):
            family.kill(port)


async def _fresh_database(url: str) -> str:
    engine = create_async_engine(url, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.execute(text("DROP DATABASE IF EXISTS telegram WITH (FORCE)"))
        await connection.execute(text("CREATE DATABASE telegram"))
    await engine.dispose()
    return make_url(url).set(database="telegram").render_as_string(hide_password=False)


@dataclass
class Crowd:
    """Buyers who write without waiting for answers."""

    fake: FakeTelegram
    chance: random.Random
    said: dict[int, list[str]] = field(default_factory=lambda: defaultdict(list))  # chat → message ids, in order
    poison: set[str] = field(default_factory=set)

    def say(self, count: int) -> None:
        for _ in range(count):
            is_poison = self.chance.random() < POISONED
            words = "poison" if is_poison else self.chance.choice(QUESTIONS)
            chat = self.chance.randrange(1, CHATS + 1)
            number = str(self.fake.say(chat, words)["message"]["message_id"])
            self.said[chat].append(number)
            if is_poison:
                self.poison.add(number)

    @property
    def expected(self) -> dict[int, list[str]]:
        """What must take effect, by chat."""
        return {chat: [one for one in numbers if one not in self.poison] for chat, numbers in self.said.items()}


async def live_through(family: Family, crowd: Crowd, receive: str, faults: str, kills: int, updates: int) -> None:
    """Buyers write, and now one process dies, now another."""
    for port in family.ports:
        await family.birth(port, receive, faults)
    for _ in range(kills):
        crowd.say(updates // kills)
        await family.hears()
        await asyncio.sleep(crowd.chance.uniform(0, 0.3))
        port = crowd.chance.choice(family.ports)
        family.kill(port)
        await asyncio.sleep(crowd.chance.uniform(0, 0.1))
        await family.birth(port, receive, faults)


@dataclass
class Found:
    """What a run left in the database and at Telegram."""

    heard: dict[int, list[str]]  # chat → message ids that took effect, in order
    answers: dict[int, int]  # chat → what the bot said
    dead: int
    unsent: int
    inverted: int  # chats to which messages were not sent in their order

    @classmethod
    async def read(cls, database: Database) -> "Found":
        async with database.reading() as session:
            met = (await session.exec(select(Conversation).where(Conversation.channel == "telegram"))).all()
            chats = {one.id: int(one.address) for one in met}
            here = col(Message.conversation_id).in_(chats)
            messages = (await session.exec(select(Message).where(here).order_by(col(Message.id)))).all()
            there = Outgoing.channel == "telegram"
            outgoing = (await session.exec(select(Outgoing).where(there).order_by(col(Outgoing.id)))).all()
            dead = (await session.exec(select(InboxRow.id).where(InboxRow.state == InboxState.DEAD))).all()
        heard, answers, numbers = defaultdict[int, Any](list), defaultdict[int, int](int), defaultdict[int, Any](list)
        for message in messages:
            if message.author == Author.BUYER:
                heard[chats[message.conversation_id]].append(message.foreign_id or "")
            else:
                answers[chats[message.conversation_id]] += 1
        for row in outgoing:
            if row.state == Sending.SENT:
                numbers[chats[row.conversation_id]].append(int(row.foreign_id or 0))
        unsent = sum(row.state not in (Sending.SENT, Sending.UNKNOWN) for row in outgoing)
        return cls(heard, answers, len(dead), unsent, sum(some != sorted(some) for some in numbers.values()))


async def settle(family: Family) -> Found:
    """Wait until nothing is under way anywhere; what was left."""
    database = Database(family.database_url)
    try:
        async with asyncio.timeout(60 + UPDATES / 5):
            while family.fake.bot.updates.pending or await _unfinished(database):  # noqa: ASYNC110  # others work
                await asyncio.sleep(0.2)
        return await Found.read(database)
    finally:
        await database.close()


async def _unfinished(database: Database) -> int:
    async with database.reading() as session:
        pending = (await session.exec(select(InboxRow.id).where(InboxRow.state == InboxState.PENDING))).all()
        queued = (await session.exec(select(Outgoing.id).where(Outgoing.state == Sending.QUEUED))).all()
    return len(pending) + len(queued)


def problems(crowd: Crowd, found: Found) -> Iterator[str]:
    for chat, expected in crowd.expected.items():
        heard = found.heard.get(chat, [])
        poisoned = len(crowd.said[chat]) - len(expected)
        if lost := set(expected) - set(heard):
            yield f"chat {chat}: {len(lost)} lost"
        elif heard != expected:
            yield f"chat {chat}: doubled or not in order: {expected} became {heard}"
        elif found.answers[chat] != len(expected) + poisoned + 1:  # it introduces itself, and says sorry for poison
            yield f"chat {chat}: {found.answers[chat]} answers to {len(expected)}"
    if found.dead != len(crowd.poison):
        yield f"{found.dead} dead letters of {len(crowd.poison)} poisoned"
    if found.unsent or found.inverted:
        yield f"{found.unsent} not sent, {found.inverted} chats out of order"


@pytest.mark.slow
@pytest.mark.alone
async def test_no_update_is_lost_doubled_or_overtaken(family: Family) -> None:
    crowd = Crowd(family.fake, random.Random(len(family.ports)))

    for receive in ("webhook", "polling"):  # the owner changes it while much is under way
        for port in list(family.living):
            family.kill(port)
        await live_through(family, crowd, receive, "poison" + WAITS, KILLS // 2, UPDATES // 2)

    assert list(problems(crowd, await settle(family))) == []


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.parametrize("server", ["sqlite"], indirect=True)
async def test_a_broken_twin_that_acknowledges_before_it_commits_loses_some(family: Family) -> None:
    crowd = Crowd(family.fake, random.Random(7))

    await live_through(family, crowd, "webhook", "early poison hasty", 3, 60)

    assert any("lost" in problem for problem in problems(crowd, await settle(family)))
