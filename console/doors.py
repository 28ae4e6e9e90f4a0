"""What is asked of a request before a page hears it, and what every answer of ours carries.

Against forged requests the console asks each writing request for its origin: browsers name it on every POST, no page
can set it, and it needs no state that could be lost or leak. The shell's signed token is checked besides, cookies are
SameSite=Lax, and no GET changes anything.
"""

from collections.abc import Awaitable, Callable, Iterable
from urllib.parse import urlsplit

from starlette.datastructures import FormData, Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from console.words import preferred, words
from tickets.enclosing import MOST
from tickets.pixels import BYTES

FORM_LIMIT = 256 * 1024  # bytes; the longest reply has about 40 kB
PICTURES_LIMIT = MOST * BYTES + FORM_LIMIT  # bytes of a form that has pictures; it is held in memory while it comes
TOKEN_HEADER = b"x-csrftoken"  # the shell's
READING = frozenset({"GET", "HEAD", "OPTIONS"})

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; "
)
# Buyers' pages never turn text into HTML, so they get no policy that could.
BUYER_POLICY = _POLICY + "trusted-types 'none'"
_ALONE = "frame-ancestors 'none'"
# live.js parses pages of our own server; nothing else may.
CONSOLE_POLICY = _POLICY + "trusted-types kadesk-live"

_HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}


def framed_by(origins: Iterable[str]) -> dict[str, str]:
    """The headers of a buyers' page that may stand in a frame of these sites; of none, where there are none."""
    allowed = " ".join(origins) or "'none'"
    policy = BUYER_POLICY.replace(_ALONE, f"frame-ancestors {allowed}")
    return {"content-security-policy": policy, "cross-origin-resource-policy": "cross-origin"}


def typed(form: FormData, name: str, limit: int = 100_000) -> str:
    """A field of a form as text. Without zero bytes, which no person types and PostgreSQL does not store."""
    value = form.get(name)
    return value.replace("\x00", "")[:limit] if isinstance(value, str) else ""


class SecureHeaders:
    """Gives every answer under the pages of this room its security headers; a page may set a stricter one itself.

    An address with a zero byte is no address of ours, and must not reach the database.
    """

    def __init__(self, app: ASGIApp, is_secure: bool) -> None:
        self.app = app
        self.is_secure = is_secure

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if scope["type"] != "http" or not (path == "/console" or path.startswith(("/console/", "/chat", "/r/"))):
            await self.app(scope, receive, send)
            return

        if "\x00" in path or b"%00" in scope["query_string"]:
            await PlainTextResponse("Bad request", status_code=400)(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._add(path, MutableHeaders(scope=message))
            await send(message)

        await self.app(scope, receive, send_with_headers)

    def _add(self, path: str, headers: MutableHeaders) -> None:
        for name, value in _HEADERS.items():
            headers.setdefault(name, value)
        headers.setdefault("content-security-policy", CONSOLE_POLICY if path.startswith("/console") else BUYER_POLICY)
        if "frame-ancestors http" not in headers["content-security-policy"]:
            headers.setdefault("x-frame-options", "DENY")  # for browsers that do not know frame-ancestors
        if self.is_secure:
            headers.setdefault("strict-transport-security", "max-age=31536000")
        if path.startswith("/console/static/"):
            headers["cache-control"] = "public, max-age=31536000, immutable"  # the address holds the content's hash
        else:
            headers.setdefault("cache-control", "no-store")


def is_same_origin(headers: Headers) -> bool:
    """Whether a page of this very site sent the request. Browsers without Sec-Fetch-Site still send Origin."""
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    return urlsplit(headers.get("origin", "")).netloc == headers.get("host")


class OwnForms:
    """Lets a writing request in only when a page of ours sent it, and when it says that it is no longer than a form.

    Pictures may come with the forms of those whom `is_staff` finds signed in: nobody else is given so much memory.
    """

    def __init__(self, app: ASGIApp, is_staff: Callable[[Request], Awaitable[bool]]) -> None:
        self.app = app
        self._is_staff = is_staff

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] not in READING:
            headers = Headers(scope=scope)
            say = words(preferred(headers.get("accept-language", "")))
            length = headers.get("content-length", "0" if "transfer-encoding" not in headers else "")
            if not length.isdecimal() or (int(length) > FORM_LIMIT and not await self._may_be(int(length), scope)):
                await PlainTextResponse(say("error.too_large"), status_code=413)(scope, receive, send)
                return
            if not is_same_origin(headers):
                await PlainTextResponse(say("error.origin"), status_code=403)(scope, receive, send)
                return
        await self.app(scope, receive, send)

    async def _may_be(self, length: int, scope: Scope) -> bool:
        """Whether a form that is too long for words alone may have pictures in it."""
        request = Request(scope)
        is_multipart = request.headers.get("content-type", "").startswith("multipart/form-data")
        return is_multipart and length <= PICTURES_LIMIT and await self._is_staff(request)


class FormToken:
    """Hands the shell the token of a form with files as scripts do.

    It would read the form itself, and leave its files open. Behind `OwnForms`, for the form is held in memory.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] not in READING:
            request = Request(scope, receive)
            if request.headers.get("content-type", "").startswith("multipart/form-data"):
                body = await request.body()
                headers = [header for header in scope["headers"] if header[0] != TOKEN_HEADER]
                scope = {**scope, "headers": [*headers, (TOKEN_HEADER, await _token_of(request))]}
                receive = _again(body, receive)
        await self.app(scope, receive, send)


async def _token_of(request: Request) -> bytes:
    try:
        async with request.form() as form:
            return typed(form, "csrftoken", 1000).encode("latin-1", "replace")
    except (HTTPException, MultiPartException):  # what is no form has none
        return b""


def _again(body: bytes, receive: Receive) -> Receive:
    """What was read is there to be read."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def read() -> Message:
        return waiting.pop() if waiting else await receive()

    return read
