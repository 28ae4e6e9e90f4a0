"""Calls to Tencent's APIs: JSON over https with an access token, errors as decisions.

The token stands in each address, so that no address is ever written to a log or into an error.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any, Protocol, TypeVar

import httpx

from bot.channels.weixin.errors import OK, STALE_TOKEN, decide
from bot.errors import Ambiguous, ChannelDown

SECONDS = 10.0
LARGEST = 2_000_000  # bytes of an answer in JSON
LARGEST_FILE = 20_000_000  # bytes of a picture or voice
Found = TypeVar("Found")
BEIJING = timezone(timedelta(hours=8))  # where the platform's day ends


class Tokens(Protocol):
    """Where the access token of an account is had."""

    async def get(self) -> str:
        """One that should be good. Raises `DeliveryError`."""

    async def renew(self, refused: str) -> str:
        """Another than this, which the platform does not take. Raises `DeliveryError`."""


class Api:
    """One of the platform's hosts."""

    def __init__(self, base: str, clock: Callable[[], datetime], *, seconds: float = SECONDS) -> None:
        self._clock = clock
        self._client = httpx.AsyncClient(
            base_url=base, timeout=seconds, trust_env=False, follow_redirects=False, headers={"User-Agent": "kadesk"}
        )

    async def close(self) -> None:
        await self._client.aclose()

    async def ask(self, method: str, path: str, **parts: Any) -> dict[str, Any]:
        """The answer to one call; `parts` are of `httpx.AsyncClient.request`. Raises `DeliveryError`."""
        content = await self._exchange(method, path, LARGEST, **parts)
        answer = _as_object(content)
        if answer is None:
            raise Ambiguous
        if (code := _code(answer)) != OK:
            raise decide(code, until_tomorrow=self._until_tomorrow())
        return answer

    async def call(
        self, tokens: Tokens, path: str, body: Mapping[str, Any] | None = None, **params: str
    ) -> dict[str, Any]:
        """POST (GET without `body`) with the account's token; asked once more when the token was stale."""
        return await self._with_token(tokens, lambda token: self._call(path, body, params | {"access_token": token}))

    async def fetch(self, tokens: Tokens, path: str, **params: str) -> bytes:
        """A file. Raises `DeliveryError`."""

        async def get(token: str) -> tuple[int, bytes]:
            content = await self._exchange("GET", path, LARGEST_FILE, params=params | {"access_token": token})
            answer = _as_object(content)
            return (_code(answer) if answer is not None else OK), content

        return await self._with_token(tokens, get)

    async def _with_token(self, tokens: Tokens, ask: Callable[[str], Awaitable[tuple[int, Found]]]) -> Found:
        token = await tokens.get()
        code, found = await ask(token)
        if code in STALE_TOKEN:  # then nothing was done, so that it may be asked again
            code, found = await ask(await tokens.renew(token))
        if code != OK:
            raise decide(code, until_tomorrow=self._until_tomorrow())
        return found

    async def _call(
        self, path: str, body: Mapping[str, Any] | None, params: Mapping[str, str]
    ) -> tuple[int, dict[str, Any]]:
        # The platform takes "\\u4f60" for those six characters: Chinese is sent as it is.
        sent = {} if body is None else {"content": json.dumps(body, ensure_ascii=False).encode(errors="replace")}
        content = await self._exchange("GET" if body is None else "POST", path, LARGEST, params=params, **sent)
        answer = _as_object(content)
        if answer is None:
            raise Ambiguous
        return _code(answer), answer

    async def _exchange(self, method: str, path: str, largest: int, **parts: Any) -> bytes:
        try:
            async with self._client.stream(method, path, **parts) as response:
                if response.status_code in (502, 503, 504) or response.status_code == 429:
                    raise ChannelDown(reason=f"the platform answers with status {response.status_code}")
                content = bytearray()
                async for part in response.aiter_bytes():
                    content += part
                    if len(content) > largest:
                        raise Ambiguous
                return bytes(content)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise ChannelDown(reason="the platform cannot be reached") from error
        except httpx.HTTPError as error:
            raise Ambiguous from error

    def _until_tomorrow(self) -> timedelta:
        here = self._clock().astimezone(BEIJING)
        return here.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1) - here


def _as_object(content: bytes) -> dict[str, Any] | None:
    try:
        answer = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return answer if isinstance(answer, dict) else None


def _code(answer: Mapping[str, Any]) -> int:
    code = answer.get("errcode", OK)
    return code if isinstance(code, int) else OK
