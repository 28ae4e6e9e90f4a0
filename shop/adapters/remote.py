"""What all shops have in common that are asked over HTTP.

An answer comes within its time and size, from where the settings say and nowhere else, or it is `ShopDown`. Errors and
logs say what was wrong with it, never what stood in it or in the question.
"""

import asyncio
import ipaddress
import json
import ssl
import time
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from typing import Any, TypeVar

import httpx
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from shop.adapters.foreign import ForeignShop, Ground
from shop.errors import BadCredentials, BadShopSite, NothingToSignIn, ShopDown, StrangeAnswer
from shop.port import Answer, Power, Reply

SECONDS = 5.0  # that an answer may take
LARGEST = 2_000_000  # bytes of an answer
TRIES = 2  # of a read
CONNECTIONS = 8
PAUSE = 60.0  # seconds without signing in, after a shop that did not let us in: most lock who tries on
_AWAY = (502, 503, 504)  # what stands before the shop says that it is not there just now
_LOCAL = (".local", ".lan", ".internal", ".localhost")
Shape = TypeVar("Shape", bound="Wire")


class Wire(BaseModel):
    """Something as a shop writes it in JSON: what is null there is as if it were not there, unknown fields are left."""

    model_config = ConfigDict(frozen=True, coerce_numbers_to_str=True, hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, content: Any) -> Any:
        return {k: v for k, v in content.items() if v is not None} if isinstance(content, dict) else content


@dataclass(frozen=True, slots=True)
class Heard:
    """What a shop answered."""

    shop: str
    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    def json(self) -> Any:
        """The body, sums exact. Raises `StrangeAnswer`."""
        try:
            return json.loads(self.body, parse_float=Decimal)
        except (ValueError, RecursionError):
            raise StrangeAnswer(shop=self.shop, problem=f"no JSON, with status {self.status}") from None

    def as_a(self, shape: type[Shape], content: Any) -> Shape:
        """A part of the JSON in the form that it has to have. Raises `StrangeAnswer` that names the fields."""
        try:
            return shape.model_validate(content)
        except (ValidationError, RecursionError) as error:
            wrong = error.errors(include_input=False, include_url=False) if isinstance(error, ValidationError) else []
            names = {".".join(map(str, one["loc"])) or "all" for one in wrong} or {"too deep"}
            raise StrangeAnswer(shop=self.shop, problem=f"not as known: {', '.join(sorted(names)[:5])}") from None


class ShopSite:
    """One shop's address."""

    def __init__(self, shop: str, url: str, *, seconds: float = SECONDS) -> None:
        self.shop = shop
        self._base = _read_url(shop, url)
        self._seconds = seconds
        self._client = httpx.AsyncClient(
            verify=_tls(),
            trust_env=False,  # neither a proxy nor a password of the environment
            follow_redirects=False,
            timeout=seconds,
            limits=httpx.Limits(max_connections=CONNECTIONS),
            headers={"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "kadesk"},
        )

    async def read(self, method: str, path: str, **parts: Any) -> Heard:
        """An answer to what changes nothing there: asked once more when the connection or the shop is away.

        `parts` are of `httpx.AsyncClient.build_request`. Raises `ShopDown`.
        """
        for left in reversed(range(TRIES)):
            try:
                heard = await self._exchange(method, path, **parts)
            except httpx.TimeoutException:
                break
            except httpx.TransportError:
                continue
            if heard.status not in _AWAY or not left:
                return self._judge(heard)
        raise ShopDown(shop=self.shop)

    async def write(self, method: str, path: str, **parts: Any) -> Heard:
        """As `read`, but asked once: after a `ShopDown` nobody knows whether it was done."""
        try:
            return self._judge(await self._exchange(method, path, **parts))
        except httpx.TransportError:
            raise ShopDown(shop=self.shop) from None

    async def close(self) -> None:
        await self._client.aclose()

    async def _exchange(self, method: str, path: str, **parts: Any) -> Heard:
        request = self._client.build_request(method, self._base + path, **parts)
        try:
            async with asyncio.timeout(self._seconds):
                response = await self._client.send(request, stream=True)
                try:
                    body = await self._body(response)
                finally:
                    await response.aclose()
        except TimeoutError:
            raise httpx.ReadTimeout("") from None
        return Heard(self.shop, response.status_code, response.headers, body)

    async def _body(self, response: httpx.Response) -> bytes:
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise StrangeAnswer(shop=self.shop, problem="packed, though asked not to")
        body = bytearray()
        async for piece in response.aiter_raw():
            body += piece
            if len(body) > LARGEST:
                raise StrangeAnswer(shop=self.shop, problem=f"more than {LARGEST:,} bytes")
        return bytes(body)

    def _judge(self, heard: Heard) -> Heard:
        if heard.status >= 500 or heard.status == 429:
            raise ShopDown(shop=self.shop)
        if 300 <= heard.status < 400:
            raise StrangeAnswer(shop=self.shop, problem="it sends us elsewhere; put its last address into the settings")
        return heard


class Door:
    """The door of a shop that lets in who signed in: its token serves until the shop knows it no more."""

    def __init__(self, shop: str, sign_in: Callable[[], Awaitable[str]]) -> None:
        self._shop = shop
        self._sign_in = sign_in
        self._token = ""
        self._closed_until = 0.0
        self._one = asyncio.Lock()

    async def enter(self, ask: Callable[[str], Awaitable[Heard]], is_unknown: Callable[[Heard], bool]) -> Heard:
        """What `ask` hears with our token; once more with a new one when the shop `is_unknown`-s the old."""
        token = self._token or await self._renew("")
        heard = await ask(token)
        if is_unknown(heard):
            heard = await ask(await self._renew(token))
        if is_unknown(heard):
            raise BadCredentials(shop=self._shop, problem="it does not know its own token")
        return heard

    def keep(self, token: str) -> None:
        """A new token that came with an answer; "" is none. Raises `StrangeAnswer` for what no header can carry."""
        if not (token.isascii() and token.isprintable()):
            raise StrangeAnswer(shop=self._shop, problem="a token that is none")
        self._token = token or self._token

    async def _renew(self, old: str) -> str:
        async with self._one:
            if self._token != old:
                return self._token  # somebody did it meanwhile
            if time.monotonic() < self._closed_until:
                raise BadCredentials(shop=self._shop, problem="it did not let us in a moment ago")
            try:
                token = await self._sign_in()
            except BadCredentials:
                self._closed_until = time.monotonic() + PAUSE
                raise
            self.keep(token)
            return self._token


class RemoteShop(ForeignShop):
    """A foreign shop that is asked over HTTP. `writes` are the powers that its owner switched on."""

    refunded_by = ""  # what a person has to do there to pay back
    writable: frozenset[Power] = frozenset()  # what it can do once it is switched on

    def __init__(self, ground: Ground, site: ShopSite, writes: Collection[str] = ()) -> None:
        super().__init__(ground)
        self.site = site
        self.writes = frozenset(map(Power, writes))
        self.powers = self.powers | (self.writes & self.writable)

    async def refund(self, order_no: str, amount: int, key: str) -> Reply[str]:
        return Reply(Answer.MANUAL, note=self.refunded_by)

    async def close(self) -> None:
        await self.site.close()


class SignedInShop(RemoteShop):
    """A shop that shows its pages for staff to an account of Kadesk's own."""

    def __init__(
        self,
        ground: Ground,
        url: str,
        user: str,
        password: str,
        *,
        writes: Collection[str] = (),
        seconds: float = SECONDS,
    ) -> None:
        if not (user and password):
            raise NothingToSignIn(shop=ground.name, names="user and password")
        super().__init__(ground, ShopSite(ground.name, url, seconds=seconds), writes)
        self._user, self._password = user, password
        self._door = Door(ground.name, self._sign_in)

    @abstractmethod
    async def _sign_in(self) -> str:
        """A new token. Raises `ShopDown`, `BadCredentials` when the account is refused."""


@cache
def _tls() -> ssl.SSLContext:
    return httpx.create_ssl_context()


def _read_url(shop: str, text: str) -> str:
    try:
        url = httpx.URL(text.strip())
    except (httpx.InvalidURL, ValueError):
        raise BadShopSite(shop=shop) from None
    is_fit = url.scheme == "https" or (url.scheme == "http" and _is_near(url.host))
    if not (is_fit and url.host) or url.userinfo or url.query or url.fragment:
        raise BadShopSite(shop=shop)
    return str(url).rstrip("/")


def _is_near(host: str) -> bool:
    """Whether what is said to this host in clear passes no strangers."""
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return "." not in host or host.endswith(_LOCAL)
