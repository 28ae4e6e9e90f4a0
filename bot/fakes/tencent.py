"""What both stand-ins for Tencent's platforms do alike: tokens that run out, files, faults in their order, a server."""

from abc import ABC, abstractmethod
from collections import Counter, defaultdict, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import httpx
from aiohttp import web

BODY_LIMIT = 20 * 1024 * 1024  # bytes


class Platform(ABC):
    """Answers what the desk asks for; `answer_in` says what follows of each path."""

    base: str  # the address, while it serves
    clock: Callable[[], float]
    client: httpx.AsyncClient  # that it calls the desk with
    calls: Counter[str]  # by path

    def _begin(self) -> None:
        self._tokens: dict[str, float] = {}  # → until when each is good
        self._media: dict[str, bytes] = {}
        self._faults: dict[str, deque[int | str]] = defaultdict(deque)

    def next_fault(self, path: str, fault: int | str) -> None:
        """For the next call of this path: an error code, "lost" (done, but not answered) or "cut" (not done)."""
        self._faults[path].append(fault)

    def expire_tokens(self) -> None:
        self._tokens.clear()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        path = request.path
        self.calls[path] += 1
        fault = self._faults[path].popleft() if self._faults[path] else None
        if isinstance(fault, int):
            return error(fault)
        if fault == "cut":
            return _hang_up(request)
        result = await self.answer_in(request, path)
        return _hang_up(request) if fault == "lost" else result

    @abstractmethod
    async def answer_in(self, request: web.Request, path: str) -> web.StreamResponse:
        """Do what is asked for."""

    def _has_token(self, request: web.Request) -> bool:
        return self._tokens.get(request.query.get("access_token", ""), 0) > self.clock()

    def _give_media(self, request: web.Request) -> web.Response:
        media = self._media.get(request.query.get("media_id", ""))
        return web.Response(body=media) if media is not None else error(40007)


def error(code: int) -> web.Response:
    return web.json_response({"errcode": code, "errmsg": "ok" if not code else f"error hint {code}"})


def _hang_up(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.close()
    return web.Response()


Served = TypeVar("Served", bound=Platform)


@asynccontextmanager
async def serving(fake: Served, port: int = 0) -> AsyncIterator[Served]:
    """Listen, on a free port by default; `fake.base` is the address."""
    app = web.Application(client_max_size=BODY_LIMIT)
    app.router.add_route("*", "/cgi-bin/{path:.+}", fake.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    fake.base = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield fake
    finally:
        await fake.client.aclose()
        await runner.cleanup()
