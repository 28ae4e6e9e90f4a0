"""Small HTTP servers that speak as shops do, in threads of their own, and misbehave when they are told to."""

import json
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit


@dataclass
class Asked:
    """A request as a shop sees it."""

    method: str
    path: str  # without its query
    query: dict[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body or b"{}")


@dataclass
class Says:
    """An answer. JSON when it is no text."""

    content: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def body(self) -> bytes:
        return self.content.encode() if isinstance(self.content, str) else json.dumps(self.content).encode()


USER, PASSWORD = "kadesk@example.com", "let me in"  # of shops that are signed in to
Mood = Callable[["Handler"], None]  # what a server does instead of answering


class Site(ThreadingHTTPServer):
    """A shop: `answer` says what it answers, after the `moods`, which serve for one request each."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, answer: Callable[[Asked], Says] | None = None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answer = answer or (lambda asked: Says({"message": "hello"}))
        self.moods: deque[Mood] = deque()
        self.asked: list[Asked] = []
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()

    def forget(self) -> None:
        self.moods.clear()
        self.asked.clear()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet
    server: Site

    def take(self) -> None:
        url = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        asked = Asked(self.command, url.path, dict(parse_qsl(url.query)), self.headers, body)  # type: ignore[arg-type]
        self.server.asked.append(asked)
        if self.server.moods:
            self.server.moods.popleft()(self)
        else:
            self.say(self.server.answer(asked))

    do_GET = do_POST = do_PUT = do_PATCH = take

    def say(self, says: Says) -> None:
        self.send_response(says.status)
        for name, value in {"Content-Length": str(len(says.body)), **says.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(says.body)

    def log_message(self, *_: Any) -> None:
        """Tests are quiet."""


def answers(content: Any = "<h1>Maintenance</h1>", status: int = 200, **headers: str) -> Mood:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda handler: handler.say(Says(content, status, named))


def hangs_up(handler: Handler) -> None:
    """The connection ends without an answer."""
    handler.close_connection = True
    handler.connection.shutdown(2)


def hangs_up_when_done(handler: Handler) -> None:
    """What was asked is done, and nobody hears of it."""
    handler.server.answer(handler.server.asked[-1])
    hangs_up(handler)


def breaks_off(handler: Handler) -> None:
    """The connection ends in the middle of an answer."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"data": ')
    handler.wfile.flush()
    hangs_up(handler)


def says_nothing(handler: Handler) -> None:
    threading.Event().wait(0.5)
    handler.close_connection = True


@cache
def any_site() -> Site:
    """One server for whoever needs no more, closed with the process."""
    return Site()
