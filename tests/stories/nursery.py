"""A process that gives birth to serving Kadesks: one fork per line on standard input, with the settings in it as JSON.

Everything is imported, and a server was once made elsewhere, before the first fork, so that a test can kill -9 a real
server, with its real door and database, every second.
"""

import asyncio
import gc
import importlib
import json
import os
import socket
import sys
import tempfile
from pathlib import Path
from typing import Any

import asyncpg  # noqa: F401  # it takes a second to import: each child would wait for it

from bot import inbox
from bot.channels.botapi.arrivals import Arrivals
from bot.dialogue import Dialogue
from kadesk.errors import SettingsError
from kadesk.logs import set_up_logs
from kadesk.serve import open_socket, serve
from kadesk.settings import Settings
from kadesk.web import create_app
from kadesk.wiring import wire


def plant(faults: str) -> None:
    """Break what a story wants broken, in words such as "poison hasty"."""
    answer, keep, put_back, side = Dialogue.answer, Arrivals.keep, inbox.Inbox._put_back, set()

    async def stumble(self: Any, session: Any, now: Any, inbound: Any, looked: Any) -> None:
        if "poison" in inbound.text:
            raise ValueError
        await answer(self, session, now, inbound, looked)

    async def keep_later(self: Any, accept: Any, raw: Any) -> None:
        async def work() -> None:
            await asyncio.sleep(0.5)
            await keep(self, accept, raw)

        task = asyncio.create_task(work())
        side.add(task)
        task.add_done_callback(side.discard)

    async def stay(self: Any, row: Any, *problem: Any) -> None:
        await put_back(self, row, *problem)
        await asyncio.sleep(inbox.BACKOFF[min(row.attempts, len(inbox.BACKOFF) - 1)].total_seconds())

    if "poison" in faults:
        Dialogue.answer = stumble  # type: ignore[method-assign]
    if "hasty" in faults:
        inbox.BACKOFF = tuple(wait / 20 for wait in inbox.BACKOFF)
    if "stubborn" in faults:
        inbox.LANES, inbox.Inbox._put_back = 2, stay  # type: ignore[method-assign]
    if "early" in faults:
        Arrivals.keep = keep_later  # type: ignore[method-assign]


async def listen(settings: Settings) -> socket.socket:
    """The one that was killed may hold the port a moment longer."""
    for _ in range(100):
        try:
            return open_socket(settings.web.host, settings.web.port)
        except SettingsError:
            await asyncio.sleep(0.1)
    return open_socket(settings.web.host, settings.web.port)


async def live(settings: Settings) -> None:
    with await listen(settings) as listener:
        await serve(await wire(settings), listener)


async def rehearse(settings: Settings) -> None:
    """What a process works out once, such as its mappers, its children need not."""
    with tempfile.TemporaryDirectory() as folder:
        place = settings.data.model_copy(update={"dir": Path(folder)})
        (Path(folder) / "cache").symlink_to((settings.data.dir / "cache").resolve())
        kadesk = await wire(settings.model_copy(update={"data": place}))
        create_app(kadesk, [])
        await kadesk.close()


def learn_telegram() -> None:
    """aiogram takes 2 seconds to import, and only some stories need it."""
    if "bot.channels.telegram" not in sys.modules:
        importlib.import_module("bot.channels.telegram")
        gc.freeze()


def main() -> None:
    settings = Settings.load()
    set_up_logs(settings)
    asyncio.run(rehearse(settings))
    gc.freeze()  # else the first collection of each child copies all that it shares with us
    for line in sys.stdin:
        wish = json.loads(line) if line.strip() else {}
        if "KADESK_TELEGRAM__TOKEN" in wish:
            learn_telegram()
        child = os.fork()
        if child == 0:
            os.environ.update(wish)
            plant(os.environ.get("TEST_FAULTS", ""))
            asyncio.run(live(Settings.load()))
            os._exit(0)
        print(child, flush=True)  # noqa: T201  # the test reads it
        if wish:
            continue  # several at a time: nobody waits for the end of one
        _, status = os.waitpid(child, 0)
        print(status, flush=True)  # noqa: T201


main()
