"""Runs everything in one process: web, channels, inbox, delivery and the scheduler, until it is told to stop."""

import asyncio
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import uvicorn
from fastapi import APIRouter

from bot.channels.incident import IncidentChannel
from bot.channels.port import Channel
from bot.channels.web import WebChat
from kadesk.errors import SettingsError
from kadesk.event_door import EventDoor
from kadesk.jobs import jobs
from kadesk.shops import choose_events
from kadesk.staff_bot import open_staff_bot
from kadesk.telegram import open_bots
from kadesk.tencent import telling_managers
from kadesk.watchman import keep_watch
from kadesk.web import create_app
from kadesk.wechat import open_wechat
from kadesk.wecom import open_wecom
from kadesk.wiring import Kadesk, clock
from kadesk.workers import Worker
from scheduler import schedule

GRACE = 5  # seconds for requests under way when it stops
SENDER = "delivery"


def open_socket(host: str, port: int) -> socket.socket:
    """Listen on host and port; SettingsError says why not."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=1024)
    except OSError as error:
        problem = f"Cannot listen on {host}:{port}: {error.strerror}; set KADESK_WEB__PORT to another port."
        raise SettingsError(problem=problem) from error


@dataclass(frozen=True, slots=True)
class Opened:
    """What of Kadesk is to run."""

    channels: Sequence[Channel]
    workers: Sequence[Worker]
    doors: Sequence[APIRouter]


async def serve(kadesk: Kadesk, listener: socket.socket, on_ready: Callable[[], None] = lambda: None) -> None:
    """Serve until SIGINT or SIGTERM; what was acknowledged is in the database, whenever this ends."""
    web = open_web(kadesk)
    opened = open_all(kadesk, web)
    server = _Server(create_app(kadesk, opened.doors), web, on_ready)
    alarms = schedule(jobs(kadesk))
    alarms.start()
    kadesk.workers.start(Worker(SENDER, kadesk.delivery(opened.channels).run), *opened.workers)
    try:
        await server.serve(sockets=[listener])
    finally:
        alarms.shutdown(wait=False)
        # First: what is on its way may arrive while the channels can still hear of it.
        await kadesk.workers.stop(SENDER)
        await kadesk.workers.stop()
        await kadesk.close()


def open_web(kadesk: Kadesk) -> WebChat:
    return WebChat(
        kadesk.database,
        kadesk.door.accept,
        kadesk.phrases,
        clock,
        links=kadesk.claims.links,
        rate=kadesk.settings.bot.rate,
        is_secure=kadesk.settings.public_url.startswith("https://"),
    )


def open_all(kadesk: Kadesk, web: WebChat) -> Opened:
    """Every channel that the settings name, and what works for it."""
    settings, accept = kadesk.settings, kadesk.door.accept
    bots = open_bots(settings.telegram, settings.public_url, kadesk.database, kadesk.vault, clock, kadesk.phrases)
    wechat = open_wechat(settings.wechat, kadesk.database, kadesk.vault, clock, telling_managers(kadesk.desk))
    company = open_wecom(settings.wecom, kadesk.database, kadesk.vault, clock, kadesk.desk)
    staff = open_staff_bot(kadesk)
    channels: list[Channel] = [web, IncidentChannel(), *(one.telegram for one in bots)]
    channels += [*(one.wechat for one in wechat), *company.accounts]
    workers = [worker for one in bots for worker in one.workers(accept, kadesk.database.elected)]
    workers += [*(worker for one in wechat for worker in one.workers), *company.workers(accept)]
    workers += [*staff.workers, Worker("inbox", kadesk.inbox(channels).run)]
    workers.append(Worker("watchman", partial(keep_watch, kadesk)))
    events = EventDoor(kadesk.database, clock, choose_events(settings.shop))
    doors = [web.router, events.router, *(one.telegram.router(accept) for one in bots), *staff.routers]
    doors += [*(one.wechat.router(accept) for one in wechat), *company.routers]
    return Opened(channels, workers, doors)


class _Server(uvicorn.Server):
    """uvicorn that ends the chat's endless streams first, since it would wait for them."""

    def __init__(self, app: Any, web: WebChat, on_ready: Callable[[], None]) -> None:
        super().__init__(
            uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=GRACE)
        )
        self._web = web
        self._on_ready = on_ready

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop on Ctrl-C and SIGTERM without raising them again: being stopped is no failure."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._web.close()
        await super().shutdown(sockets)
