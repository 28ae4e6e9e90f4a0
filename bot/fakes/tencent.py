"""What both stand-ins for Tencent's platforms do alike: tokens that run out, files, faults in their order, a server."""

import asyncio
import secrets
import time
from abc import ABC, abstractmethod
from collections import Counter, defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import httpx
from aiohttp import web

BODY_LIMIT = 20 * 1024 * 1024  # bytes
MEDIA_LIMIT = 10 * 1024 * 1024  # bytes of a picture
MEDIA_KEPT = 3 * 86400  # seconds
TRIES = 3
Answer = TypeVar("Answer")


class Platform(ABC):
    """Answers what the desk asks for; `answer_in` says what follows of each path."""

    base: str  # the address, while it serves
    clock: Callable[[], float]
    client: httpx.AsyncClient  # that it calls the desk with
    calls: Counter[str]  # by path
    patience: float  # seconds that it waits for an answer, and from one call to the next

    def _begin(self) -> None:
        self._tokens: dict[str, float] = {}  # → until when each is good
        self._media: dict[str, tuple[bytes, float]] = {}  # a file's name → what it is, and until when it is kept
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

    async def _insist(self, call: Callable[[], Awaitable[Answer | None]]) -> tuple[int, Answer] | None:
        """The number of the call that was answered, and the answer; None: three were not."""
        for number in range(1, TRIES + 1):
            begun = time.monotonic()
            answer = await call()
            if answer is not None:
                return number, answer
            if number < TRIES:
                await asyncio.sleep(begun + self.patience - time.monotonic())
        return None

    def _has_token(self, request: web.Request) -> bool:
        return self._tokens.get(request.query.get("access_token", ""), 0) > self.clock()

    def _give_media(self, request: web.Request) -> web.Response:
        name = request.query.get("media_id", "")
        if not self._has_media(name):
            return error(40007)
        named = {"Content-Disposition": f'attachment; filename="{name}"'}
        return web.Response(body=self._media[name][0], headers=named)

    async def _take_media(self, request: web.Request) -> web.Response:
        """A picture, kept for three days."""
        if request.query.get("type") != "image":
            return error(40004)
        part = (await request.post()).get("media")
        if not isinstance(part, web.FileField):
            return error(41005)
        content = part.file.read()
        if not part.filename.endswith((".jpg", ".png")) or not content.startswith((b"\xff\xd8\xff", b"\x89PNG")):
            return error(40005)
        if len(content) > MEDIA_LIMIT:
            return error(40006)
        facts = {"type": "image", "media_id": self._keep(content), "created_at": int(self.clock())}
        return web.json_response(facts)

    def _keep(self, content: bytes) -> str:
        name = secrets.token_urlsafe(24)
        self._media[name] = content, self.clock() + MEDIA_KEPT
        return name

    def _has_media(self, name: str) -> bool:
        return self._media.get(name, (b"", 0.0))[1] > self.clock()

    def forget_media(self) -> None:
        """Before their time is over."""
        self._media.clear()


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
    app.router.add_route("*", "/{path:.+}", fake.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    fake.base = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield fake
    finally:
        await fake.client.aclose()
        await runner.cleanup()
