"""Kill -9 in the middle of conversations, fifty times: no acknowledged message is lost, none is answered twice."""

import asyncio
import os
import random
import re
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

import httpx
import pytest
from sqlmodel import col, select

from bot.tables import InboxRow, InboxState
from kadesk.database import Database
from tests.stories.family import share_cache
from tickets.tables import Author, Message, Outgoing, Sending

KILLS = int(os.environ.get("TEST_KILLS", "50"))
BUYERS = 4
QUESTIONS = ("怎么查我买的东西", "能退款吗", "where is my order", "多久到账", "订单在哪看")  # each has one sure answer


@dataclass
class Nursery:
    """Serving Kadesks on one data folder, one after another."""

    process: asyncio.subprocess.Process
    url: str
    folder: Path

    @property
    def database_url(self) -> str:
        return f"sqlite:///{self.folder / 'kadesk.db'}"

    async def birth(self) -> int:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(b"\n")
        return int(await self.process.stdout.readline())

    async def buried(self) -> int:
        """Wait for the end of the last one; its wait status."""
        assert self.process.stdout is not None
        return int(await self.process.stdout.readline())

    async def is_up(self) -> bool:
        async with httpx.AsyncClient(base_url=self.url, timeout=1) as client:
            for _ in range(400):
                with suppress(httpx.HTTPError):
                    if (await client.get("/healthz")).status_code == 200:
                        return True
                await asyncio.sleep(0.05)
        return False


@pytest.fixture
async def nursery(tmp_path: Path, unused_tcp_port: int, matcher_cache: Path) -> AsyncIterator[Nursery]:
    share_cache(tmp_path / "data", matcher_cache)
    environment = os.environ | {
        "KADESK_DATA__DIR": str(tmp_path / "data"),
        "KADESK_WEB__PORT": str(unused_tcp_port),
        "KADESK_FAQ__ENCODER": "false",
        "KADESK_LOG__LEVEL": "error",
        "KADESK_BOT__RATE": "100000",
        "PYTHONPATH": str(Path(__file__).parent.parent.parent),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(Path(__file__).parent / "nursery.py"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=environment,
    )
    try:
        yield Nursery(process, f"http://127.0.0.1:{unused_tcp_port}", tmp_path / "data")
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()


@dataclass
class Talker:
    """A buyer whose page repeats each message until it is acknowledged."""

    number: int
    url: str
    random: random.Random
    asked: dict[str, str] = field(default_factory=dict)  # client id → text, acknowledged
    cookies: httpx.Cookies = field(default_factory=httpx.Cookies)

    async def talk(self, is_over: asyncio.Event) -> None:
        async with httpx.AsyncClient(base_url=self.url, timeout=5) as client:
            await self._insist(client, "GET", "/chat/api/history")
            while not is_over.is_set():
                client_id, text = f"{self.number}-{len(self.asked)}", self.random.choice(QUESTIONS)
                await self._insist(client, "POST", "/chat/api/messages", {"id": client_id, "text": text})
                self.asked[client_id] = text
                await asyncio.sleep(self.random.uniform(0, 0.05))

    async def _insist(self, client: httpx.AsyncClient, method: str, path: str, body: object = None) -> None:
        while True:
            with suppress(httpx.HTTPError):
                response = await client.request(method, path, json=body)
                if response.is_success:
                    return
            await asyncio.sleep(0.02)


async def unfinished(database: Database) -> int:
    async with database.reading() as session:
        pending = (await session.exec(select(InboxRow.id).where(InboxRow.state == InboxState.PENDING))).all()
        queued = (await session.exec(select(Outgoing.id).where(Outgoing.state == Sending.QUEUED))).all()
    return len(pending) + len(queued)


@pytest.mark.slow
@pytest.mark.alone
async def test_no_message_is_lost_or_answered_twice(nursery: Nursery) -> None:
    seed = random.Random(20260302)
    talkers = [Talker(number, nursery.url, random.Random(number)) for number in range(BUYERS)]
    is_over = asyncio.Event()
    talking: asyncio.Task[list[None]] | None = None

    for number in range(KILLS):
        child = await nursery.birth()
        assert await nursery.is_up(), f"it did not come up after {number} kills"
        talking = talking or asyncio.ensure_future(asyncio.gather(*(one.talk(is_over) for one in talkers)))
        await asyncio.sleep(seed.uniform(0, 0.6))
        os.kill(child, signal.SIGKILL)
        assert os.WTERMSIG(await nursery.buried()) == signal.SIGKILL
    child = await nursery.birth()
    assert await nursery.is_up()
    is_over.set()
    assert talking is not None
    await talking
    database = Database(nursery.database_url)
    for _ in range(600):
        if not await unfinished(database):
            break
        await asyncio.sleep(0.1)
    os.kill(child, signal.SIGTERM)
    assert os.waitstatus_to_exitcode(await nursery.buried()) in (0, -signal.SIGTERM)

    await check(database, talkers)
    await database.close()


async def check(database: Database, talkers: list[Talker]) -> None:
    async with database.reading() as session:
        rows = (await session.exec(select(InboxRow))).all()
        messages = (await session.exec(select(Message).order_by(col(Message.conversation_id), col(Message.id)))).all()
        unsent = (await session.exec(select(Outgoing).where(Outgoing.state != Sending.SENT))).all()
    acknowledged = sum(len(talker.asked) for talker in talkers)
    assert acknowledged >= KILLS  # they did talk between the kills
    assert len(rows) == acknowledged, f"{len(rows)} rows of {acknowledged} messages that were acknowledged"
    assert {row.state for row in rows} == {InboxState.DONE}
    assert unsent == []
    said = [message for message in messages if message.author == Author.BUYER]
    heard, asked = (
        Counter(texts)
        for texts in ((one.text for one in said), (text for one in talkers for text in one.asked.values()))
    )
    assert {"lost": asked - heard, "doubled": heard - asked} == {"lost": {}, "doubled": {}}
    letters = {Author.BUYER: "?", Author.BOT: "!"}
    for _, thread in groupby(messages, key=lambda message: message.conversation_id):
        spoken = "".join(letters[Author(message.author)] for message in thread)
        # The bot introduces itself once; then every question has its answer, and only one.
        assert re.fullmatch(r"\?!!(\?!)*", spoken), spoken
