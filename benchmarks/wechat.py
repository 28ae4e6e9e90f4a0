"""How soon WeChat's calls are acknowledged: 公众号 and 微信客服, both at a fixed rate, by a whole Kadesk on SQLite.

`run(seconds)` lets 500 buyers of each platform ask what the seed answers know, 200 calls a second. A 公众号's call may
wait for its answer (`wechat.patience`), so that its wait is what the buyer waits for; after five seconds WeChat would
call again. The stand-ins for the platforms run in this process, Kadesk in its own.
"""

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import httpx
from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector
from sqlalchemy import text

from benchmarks._load import free_port, open_loop, questions, until
from benchmarks._result import at_most, machine, seen
from bot.fakes.tencent import Platform, serving
from bot.fakes.wecom import CORP_ID, OPEN_KFID, FakeWeCom
from bot.fakes.weixin import AES_KEY, APP_ID, SECRET, TOKEN, FakeWeixin
from kadesk.database import Database

HOME = Path(__file__).parent.parent
RATE = 200
BUYERS = 500
PATIENCE = 1_000.0  # milliseconds within which 99 % are acknowledged
DONE = text("SELECT count(*) FROM inbox WHERE state = 'done'")


def run(seconds: int = 10) -> dict[str, Any]:
    """The bench object: {bench, machine, rows: [{what, value, unit, against, against_value, ratio, target, met}]}."""
    with tempfile.TemporaryDirectory(prefix="kadesk-bench-") as folder:
        rows = asyncio.run(_measure(Path(folder), seconds))
    return {"bench": "wechat", "machine": machine(), "seconds": seconds, "load": os.getloadavg(), "rows": rows}


async def _measure(folder: Path, seconds: int) -> list[dict[str, Any]]:
    asked, port = questions(), free_port()
    base = f"http://127.0.0.1:{port}"
    weixin = FakeWeixin(clock=time.time, url=f"{base}/wechat/{APP_ID}")
    wecom = FakeWeCom(clock=time.time, url=f"{base}/wecom/{CORP_ID}")
    async with _calling(weixin), _calling(wecom), _kadesk(folder, port, _settings(weixin, wecom)) as database:

        async def call_wechat(number: int) -> None:
            if await weixin.say(f"o{number % BUYERS}", asked[number % len(asked)]) is None:
                raise AssertionError("a call was not answered")

        async def call_wecom(number: int) -> None:
            await wecom.say(f"w{number % BUYERS}", asked[number % len(asked)])

        rows: list[dict[str, Any]] = []
        for what, call in (("公众号", call_wechat), ("微信客服", call_wecom)):
            before = await _count(database)
            waits = await open_loop(call, RATE, seconds)
            p99 = waits[int(len(waits) * 0.99)]
            rows.append(at_most(f"{what}: acknowledged, p99 at {RATE}/s, SQLite", p99, "ms", "limit", PATIENCE))
            rows.append(seen(f"{what}: acknowledged, median", median(waits), "ms", "limit", PATIENCE))
            await until(lambda: _count(database), before + RATE * seconds)
        passive = sum(one.passive for shown in weixin.shown.values() for one in shown)
        rows.append(seen("公众号: answered in the call itself", passive, "answers", "calls", RATE * seconds))
        return rows


def _settings(weixin: FakeWeixin, wecom: FakeWeCom) -> dict[str, str]:
    secrets = {"SECRET": SECRET, "TOKEN": TOKEN, "AES_KEY": AES_KEY}
    wechat = {"APP_ID": APP_ID, "API_BASE": weixin.base} | secrets
    company = {"CORP_ID": CORP_ID, "ACCOUNTS": OPEN_KFID, "API_BASE": wecom.base} | secrets
    settings = {f"KADESK_WECHAT__{name}": value for name, value in wechat.items()}
    return settings | {f"KADESK_WECOM__{name}": value for name, value in company.items()}


@dataclass(frozen=True, slots=True)
class Answer:
    """As httpx gives it."""

    status_code: int
    content: bytes


class Caller:
    """A quicker client for a stand-in: its own would take a core at this rate."""

    def __init__(self, session: ClientSession) -> None:
        self._session = session

    async def post(self, url: str, params: Mapping[str, str], content: bytes, timeout: float) -> Answer:  # noqa: ASYNC109  # as httpx has it
        limit = ClientTimeout(total=timeout)
        try:
            async with self._session.post(url, params=params, data=content, timeout=limit) as answer:
                return Answer(answer.status, await answer.read())
        except (ClientError, TimeoutError) as error:
            raise httpx.ReadTimeout("not answered") from error  # the platform calls again, and the wait goes on

    async def aclose(self) -> None:
        await self._session.close()


@asynccontextmanager
async def _calling(fake: Platform) -> AsyncIterator[None]:
    await fake.client.aclose()
    # The platform opens as many connections as it has calls; a client's own limit would be a queue of ours.
    fake.client = Caller(ClientSession(connector=TCPConnector(limit=0)))  # type: ignore[assignment]
    async with serving(fake):
        yield


@asynccontextmanager
async def _kadesk(folder: Path, port: int, settings: Mapping[str, str]) -> AsyncIterator[Database]:
    """Serving; its database."""
    environment = {"KADESK_DATA__DIR": str(folder / "data"), "KADESK_WEB__PORT": str(port), **settings}
    with (folder / "log").open("w") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "kadesk", "serve"), cwd=HOME, env={**os.environ, **environment}, stdout=log
        )
    database = Database(f"sqlite:///{folder / 'data' / 'kadesk.db'}")
    try:
        await _up(process, port)
        yield database
    finally:
        await database.close()
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _up(process: asyncio.subprocess.Process, port: int) -> None:
    async with ClientSession() as client:
        for _ in range(1_200):
            if process.returncode is not None:
                raise RuntimeError("Kadesk did not start")
            with suppress(ClientError):
                async with client.get(f"http://127.0.0.1:{port}/healthz") as answer:
                    if answer.status == 200:
                        return
            await asyncio.sleep(0.1)
    raise TimeoutError("Kadesk did not start")


async def _count(database: Database) -> int:
    async with database.engine.connect() as connection:
        return int((await connection.execute(DONE)).scalar_one())
