"""The bots that `benchmarks.bot` drives, each in a process of its own: `python -m benchmarks._bots KIND ARGUMENTS`.

`kadesk PORT SECRET` is ours: the webhook's door, the inbox and the dialogue, with what `kadesk serve` joins them from,
on the database of the environment. `echo BASE` and `row BASE FILE` are bare aiogram bots that poll: one answers, the
other stores a row of what came, durably, before it answers.
"""

import asyncio
import socket
import sys
from typing import Any

TOKEN = "123456789:AAH-token-of-the-bot-that-is-measured-00"
ROW = "INSERT INTO update_row (chat_id, update_id, text, received_at) VALUES (?, ?, ?, ?)"
TABLE = (
    "CREATE TABLE update_row (id INTEGER PRIMARY KEY, chat_id INTEGER, update_id INTEGER, text TEXT, received_at TEXT)"
)


def open_rows(path: str) -> Any:
    """A bare connection that syncs each commit, as ours does."""
    from kadesk.sqlite import sqlite_module

    connection = sqlite_module().connect(path, isolation_level=None)
    for pragma in ("journal_mode=WAL", "synchronous=FULL"):
        connection.execute(f"PRAGMA {pragma}")
    return connection


async def poll(base: str, rows: Any) -> None:
    """A bare bot, as its framework's first page writes it."""
    from aiogram import Bot, Dispatcher
    from aiogram.client.session.aiohttp import AiohttpSession
    from aiogram.client.telegram import TelegramAPIServer
    from aiogram.types import Message

    dispatcher = Dispatcher()

    @dispatcher.message()
    async def answer(message: Message) -> None:
        if rows is not None:
            rows.execute(ROW, (message.chat.id, message.message_id, message.text, message.date.isoformat()))
        await message.answer(message.text or "")

    bot = Bot(TOKEN, session=AiohttpSession(api=TelegramAPIServer.from_base(base)))
    print("ready", flush=True)
    await dispatcher.start_polling(bot, polling_timeout=5, handle_signals=False)


async def serve(port: int, secret: str) -> None:
    """Ours; any number of processes may listen on one port."""
    import uvicorn
    from fastapi import FastAPI

    from bot.channels.botapi.hook import Hook
    from bot.channels.telegram import Telegram
    from kadesk.settings import Settings
    from kadesk.wiring import wire

    kadesk = await wire(Settings.load())
    telegram = Telegram(TOKEN, hook=Hook(f"http://127.0.0.1:{port}/telegram/{TOKEN.partition(':')[0]}", secret))
    app = FastAPI()
    app.include_router(telegram.router(kadesk.door.accept))
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind(("127.0.0.1", port))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, lifespan="off"))
    working = asyncio.create_task(kadesk.inbox([telegram]).run())
    print("ready", flush=True)
    await server.serve(sockets=[listener])
    working.cancel()


def main(kind: str, *arguments: str) -> None:
    if kind == "kadesk":
        from kadesk import loop

        loop.run(serve(int(arguments[0]), arguments[1]))
        return
    base, *files = arguments
    rows = open_rows(files[0]) if files else None
    if rows is not None:
        rows.execute(TABLE)
    asyncio.run(poll(base, rows))


if __name__ == "__main__":
    main(*sys.argv[1:])
