"""Who writes in the web chat: a session, by a cookie on our own page, by a header in a frame of a shop's page.

Browsers hold a cookie like that back from a frame of another site. The page keeps its session itself there, where the
browser gives it storage, and names it in `X-Kadesk-Session`; an empty one asks for a session, which comes back in the
same header. Over https it comes as a second cookie too, partitioned by the shop's site, for browsers that give the
frame no storage. That one counts only beside the empty header, which no page of another site can send: a browser asks
us before it does, and we do not answer. The first cookie never counts beside the header. "-" is no session either, and
has nothing to do with cookies.
"""

import hashlib
import re
import secrets
from datetime import timedelta
from urllib.parse import urlsplit

from fastapi import Request, Response

COOKIE = "kadesk_chat"
SECURE_COOKIE = f"__Host-{COOKIE}"  # no neighbour domain and no plain http page can set this one
COOKIE_AGE = timedelta(days=180)
FRAMED_COOKIE = "__Host-kadesk_framed"
HEADER = "x-kadesk-session"

_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")


class WebSession:
    """How requests are told apart. `is_secure`: the pages are served over https."""

    def __init__(self, is_secure: bool) -> None:
        self._is_secure = is_secure
        self._cookie = SECURE_COOKIE if is_secure else COOKIE

    def token_of(self, request: Request) -> str | None:
        token = request.headers.get(HEADER)
        if not token:
            token = request.cookies.get(self._cookie if token is None else FRAMED_COOKIE, "")
        return token if _TOKEN.fullmatch(token) else None

    def keep(self, request: Request, response: Response, token: str | None) -> str:
        """The session's address; a session is made if there is none."""
        token = token or secrets.token_urlsafe(32)
        asked = request.headers.get(HEADER)
        if asked is None:
            self._set_cookie(response, self._cookie, token, "lax" + "; Secure" * self._is_secure)
            return address_of(token)
        response.headers[HEADER] = token
        if asked == "" and self._is_secure:
            self._set_cookie(response, FRAMED_COOKIE, token, "none; Secure; Partitioned")
        return address_of(token)

    def _set_cookie(self, response: Response, name: str, token: str, site: str) -> None:
        """By hand: the standard library knows no Partitioned before Python 3.14."""
        age = int(COOKIE_AGE.total_seconds())
        response.headers.append("set-cookie", f"{name}={token}; HttpOnly; Max-Age={age}; Path=/; SameSite={site}")


def address_of(token: str) -> str:
    """What is stored of a session: who reads the database cannot take it over."""
    return hashlib.sha256(token.encode()).hexdigest()


def is_own_page(request: Request) -> bool:
    """Whether the browser, where it says, was on a page of ours: another site must not replace a buyer's session."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc.lower() == request.headers.get("host", "").lower()
