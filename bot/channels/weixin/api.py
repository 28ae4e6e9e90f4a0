"""Calls to Tencent's APIs: JSON over https with an access token, errors as decisions.

The token, or a key of a file, stands in each address, so that no address is ever written to a log or into an error.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple, Protocol, TypeVar

import httpx

from bot.channels.weixin.errors import OK, SPENT, STALE_TOKEN, AnswerTooLong, decide
from bot.channels.weixin.quota import Quota
from bot.errors import Ambiguous, ChannelDown, DeliveryError, MediaGone

SECONDS = 10.0
LARGEST = 2_000_000  # bytes of an answer in JSON
Found = TypeVar("Found")
ROOT = "/cgi-bin/"  # stands before the name of each interface
VIDEO = "video_url"  # in the answer of a 公众号's platform where another gives the file


class Answer(NamedTuple):
    """What came back."""

    status: int
    content: bytes
    is_file: bool  # says the platform of a file, and of nothing else: a buyer's may read like an answer of its own


class Tokens(Protocol):
    """Where the access token of an account is had."""

    async def get(self) -> str:
        """One that should be good. Raises `DeliveryError`."""

    async def renew(self, refused: str) -> str:
        """Another than this, which the platform does not take. Raises `DeliveryError`."""


class Api:
    """One of the platform's hosts."""

    def __init__(self, base: str, quota: Quota, *, seconds: float = SECONDS) -> None:
        self._quota = quota
        self._client = httpx.AsyncClient(
            base_url=base, timeout=seconds, trust_env=False, follow_redirects=False, headers={"User-Agent": "kadesk"}
        )

    async def close(self) -> None:
        await self._client.aclose()

    async def ask(self, method: str, path: str, **parts: Any) -> dict[str, Any]:
        """The answer to one call; `parts` are of `httpx.AsyncClient.request`. Raises `DeliveryError`."""
        answer = _as_object((await self._exchange(method, path, LARGEST, **parts)).content)
        if answer is None:
            raise Ambiguous
        if (code := _code(answer)) != OK:
            raise await self._decide(path, code)
        return answer

    async def call(
        self, tokens: Tokens, path: str, body: Mapping[str, Any] | None = None, **params: str
    ) -> dict[str, Any]:
        """POST (GET without `body`) with the account's token; asked once more when the token was stale."""
        return await self._with_token(
            tokens, path, lambda token: self._call(path, body, params | {"access_token": token})
        )

    async def fetch(self, tokens: Tokens, path: str, largest: int, **params: str) -> bytes:
        """A file. Raises `DeliveryError`, and `AnswerTooLong` for one of more bytes."""

        async def get(token: str) -> tuple[int, tuple[bytes, str]]:
            _, content, is_file = await self._exchange("GET", path, largest, params=params | {"access_token": token})
            answer = {} if is_file else _as_object(content) or {}
            address = answer.get(VIDEO)
            return _code(answer), (content, address if isinstance(address, str) else "")

        content, address = await self._with_token(tokens, path, get)
        return await self._watch(address, largest) if address else content

    async def _watch(self, address: str, largest: int) -> bytes:
        """A video stands where the platform says, on no host of its own, and is had without a token."""
        try:
            status, content, _ = await self._read("GET", address, largest)
        except httpx.InvalidURL:
            raise MediaGone(reason="the platform names no address of the video") from None
        if status != httpx.codes.OK:
            raise MediaGone(reason=f"the video is not to be had, status {status}")
        return content

    async def upload(self, tokens: Tokens, path: str, jpeg: bytes, **params: str) -> str:
        """Hand a picture over; the platform's name of it. Raises `DeliveryError`, and never `Ambiguous`."""
        file = {"files": {"media": ("picture.jpg", jpeg, "image/jpeg")}}
        try:
            answer = await self._with_token(
                tokens, path, lambda token: self._post(path, params | {"access_token": token}, file)
            )
            return str(answer["media_id"])
        except (Ambiguous, KeyError):  # nobody was shown anything: it may be handed over again
            raise ChannelDown(reason="the platform did not say that it has the picture") from None

    async def _with_token(self, tokens: Tokens, path: str, ask: Callable[[str], Awaitable[tuple[int, Found]]]) -> Found:
        token = await tokens.get()
        code, found = await ask(token)
        if code in STALE_TOKEN:  # then nothing was done, so that it may be asked again
            code, found = await ask(await tokens.renew(token))
        if code != OK:
            raise await self._decide(path, code)
        return found

    async def _decide(self, path: str, code: int) -> DeliveryError:
        return await self._quota.refuse(_interface(path)) if code == SPENT else decide(code)

    async def _call(
        self, path: str, body: Mapping[str, Any] | None, params: Mapping[str, str]
    ) -> tuple[int, dict[str, Any]]:
        # The platform takes "\\u4f60" for those six characters: Chinese is sent as it is.
        sent = {} if body is None else {"content": json.dumps(body, ensure_ascii=False).encode(errors="replace")}
        return await self._post(path, params, sent, "GET" if body is None else "POST")

    async def _post(
        self, path: str, params: Mapping[str, str], sent: Mapping[str, Any], method: str = "POST"
    ) -> tuple[int, dict[str, Any]]:
        answer = _as_object((await self._exchange(method, path, LARGEST, params=params, **sent)).content)
        if answer is None:
            raise Ambiguous
        return _code(answer), answer

    async def _exchange(self, method: str, path: str, largest: int, **parts: Any) -> Answer:
        await self._quota.count(_interface(path))
        return await self._read(method, path, largest, **parts)

    async def _read(self, method: str, address: str, largest: int, **parts: Any) -> Answer:
        try:
            async with self._client.stream(method, address, **parts) as response:
                if response.status_code in (502, 503, 504) or response.status_code == 429:
                    raise ChannelDown(reason=f"the platform answers with status {response.status_code}")
                content = bytearray()
                async for part in response.aiter_bytes():
                    content += part
                    if len(content) > largest:
                        raise AnswerTooLong
                is_file = "attachment" in response.headers.get("content-disposition", "")
                return Answer(response.status_code, bytes(content), is_file)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise ChannelDown(reason="the platform cannot be reached") from error
        except httpx.HTTPError as error:
            raise Ambiguous from error


def _interface(path: str) -> str:
    return path.removeprefix(ROOT)


def _as_object(content: bytes) -> dict[str, Any] | None:
    try:
        answer = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return answer if isinstance(answer, dict) else None


def _code(answer: Mapping[str, Any]) -> int:
    code = answer.get("errcode", OK)
    return code if isinstance(code, int) else OK
