"""The web chat's door: a session (`web_session`), messages in, server-sent events out.

POST /chat/api/messages
    {"id": "k3J…", "text": "…"} | {"id": "…", "handle": "…"} | {"id": "…", "start": true}, each + "language": "zh"|"en"
    `id` is made by the page, 1–64 of [A-Za-z0-9_-]; the same id again is the same message, so a page may repeat it
    until it hears 202. `handle` presses a button, `start` asks for the greeting; with it, `text` may be the payload
    of a link from the shop's own page of an order (`shop.deep_links`).
    → 202 {"id": "k3J…"}
    → 400, 413, 429 {"error": "bad_request"|"too_large"|"too_fast", "text": "a sentence for the buyer"};
      429 with Retry-After. 403 from a page of another site, 415 for what is not called application/json.
GET /chat/api/history
    → 200 {"messages": [message, …]}: the last 100, oldest first; with ?after=17 of those that came after it.
      Makes the session if there is none: call it first.
GET /chat/api/events
    → an event stream, resumed by Last-Event-ID (or ?after=17); 401 without a session; 429 "too_many" when this address
      or this process holds as many streams as it may.
    An event: "id: 17" and "data: message".
    A message may come again after a reconnect, and rarely after a younger one: keep them by id, show them in its order.

message: {"id": 17, "author": "buyer"|"bot"|"agent"|"system", "name": "小林", "text": "…", "client_id": "k3J…",
          "buttons": [{"handle": "…", "text": "…"}], "attachments": [{"kind": "photo", "picture": 17}],
          "at": "2026-03-02T04:00:00Z"}
    `name` is an agent's, else ""; `client_id` is the buyer's own `id`, else ""; `picture` is there where it was kept,
    to be had as `bot.channels.web_pictures` says.
Text is plain text: show it with textContent. The buyer's own messages come back as they are stored, with codes masked:
let them replace what was typed. A link in the text of the bot or an agent may be made clickable.
"""

import asyncio
import json
import re
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from bot.channels import web_pictures
from bot.channels.body import read_body
from bot.channels.pace import Pace
from bot.channels.port import Accept, Inbound, Kind, Photo, Update
from bot.channels.web_session import WebSession, address_of, is_own_page
from bot.errors import UpdateTooLarge
from bot.transactions import Transactions
from tickets.drawing import Drawing
from tickets.errors import NoPicture, PictureTooLarge
from tickets.links import Links
from tickets.outbox import Say
from tickets.pixels import Pixels
from tickets.tables import Agent, Conversation, Message, Outgoing

BODY_LIMIT = 64 * 1024  # bytes
HISTORY = 100  # messages
LOOK_EVERY = 2.0  # seconds between looks for messages that another process wrote
PING_EVERY = 15  # looks between comments that keep proxies from closing a quiet stream
# Two transactions may commit in the other order than their messages were numbered: look back this far for late ones.
LOOK_BACK = 50
BUYERS_PER_SOURCE = 10  # who may write at full pace from one address: an office, a mobile network
STREAMS_PER_SOURCE = 60
STREAMS = 2000  # of this process

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


class WebChat:
    """The channel `web`: its messages are read from the database, so that delivering one only rings a bell."""

    name = "web"

    def __init__(
        self,
        database: Transactions,
        accept: Accept,
        say: Say,
        clock: Callable[[], datetime],
        *,
        links: Links,
        account: str = "shop",
        rate: int = 40,  # messages a minute of one buyer, and of all strangers at one address together
        source_rate: int | None = None,  # messages a minute from one address; in proportion to `rate` if not given
        streams_per_source: int = STREAMS_PER_SOURCE,
        streams: int = STREAMS,
        is_secure: bool = False,  # the pages are served over https
    ) -> None:
        self.account = account
        self._links = links
        self._drawing = Drawing()
        self._database = database
        self._accept = accept
        self._say = say
        self._clock = clock
        self._pace = Pace(rate)
        self._strangers = Pace(rate)  # by address: a session that nobody knows yet costs its sender nothing
        self._sources = Pace(source_rate or rate * BUYERS_PER_SOURCE)
        self._streams_from: Counter[str] = Counter()
        self._streams_per_source, self._streams = streams_per_source, streams
        self._session = WebSession(is_secure)
        self._listeners: dict[str, set[asyncio.Event]] = defaultdict(set)
        self._is_closing = False

    @property
    def router(self) -> APIRouter:
        router = APIRouter(prefix="/chat/api")
        router.add_api_route("/messages", self._post_message, methods=["POST"], response_model=None)
        router.add_api_route("/pictures", self._post_picture, methods=["POST"], response_model=None)
        router.add_api_route("/pictures/{number}", self._get_picture, methods=["GET"], response_model=None)
        router.add_api_route("/history", self._get_history, methods=["GET"], response_model=None)
        router.add_api_route("/events", self._get_events, methods=["GET"], response_model=None)
        return router

    def read(self, update: Update) -> Inbound:
        body = json.loads(update.raw)
        kinds = {"handle": Kind.PRESS, "start": Kind.START, "picture": Kind.PHOTO}
        kind = next((kinds[name] for name in kinds if name in body), Kind.TEXT)
        return Inbound(
            channel=update.channel,
            account=update.account,
            address=update.address,
            update_id=update.update_id,
            message_id=body["id"],
            kind=kind,
            sent_at=datetime.fromisoformat(body["at"]),
            text=body.get("text", ""),
            handle=body.get("handle", ""),
            language=body.get("language", ""),
            pictures=(Pixels.from_json(body["picture"]),) if kind == Kind.PHOTO else (),
        )

    async def deliver(self, outgoing: Outgoing, message: Message) -> str:
        """The message stands in the database, from where pages read it, now or when the buyer comes back."""
        self._wake(outgoing.address)
        return str(message.id)

    async def deliver_pictures(self, outgoing: Outgoing, message: Message, photos: Sequence[Photo]) -> str:
        """They stand there as well: a page asks for each by its number."""
        return await self.deliver(outgoing, message)

    def close(self) -> None:
        """End all streams, so that the server can stop; pages reconnect to its successor."""
        self._is_closing = True
        for address in list(self._listeners):
            self._wake(address)

    def _wake(self, address: str) -> None:
        for event in self._listeners.get(address, ()):
            event.set()

    async def _post_message(self, request: Request) -> Response:
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            return self._refuse(request, 415, "bad_request", "web.bad_request")
        if not is_own_page(request):
            return self._refuse(request, 403, "bad_request", "web.bad_request")
        try:
            body = _check(json.loads(await read_body(request, BODY_LIMIT)))
        except UpdateTooLarge:
            return self._refuse(request, 413, "too_large", "web.too_large")
        except (ValueError, RecursionError):  # the latter from brackets nested by the thousand
            return self._refuse(request, 400, "bad_request", "web.bad_request")
        token = self._session.token_of(request)
        if refusal := await self._slow_down(request, token):
            return refusal
        return await self._store(request, token, body | {"at": self._clock().isoformat()})

    async def _post_picture(self, request: Request) -> Response:
        picture_id, language = (request.query_params.get(name, "") for name in ("id", "language"))
        if not is_own_page(request):
            return self._refuse(request, 403, "bad_request", "web.bad_request")
        if not web_pictures.is_picture(request):
            return self._refuse(request, 415, "no_picture", "web.no_picture")
        if not _ID.fullmatch(picture_id):
            return self._refuse(request, 400, "bad_request", "web.bad_request")
        token = self._session.token_of(request)
        if refusal := await self._slow_down(request, token):
            return refusal
        try:
            pixels = await self._drawing.draw(await read_body(request, web_pictures.LIMIT))
        except (UpdateTooLarge, PictureTooLarge):
            return self._refuse(request, 413, "too_large", "web.picture_too_large", megabytes=web_pictures.LIMIT >> 20)
        except NoPicture:
            return self._refuse(request, 415, "no_picture", "web.no_picture")
        body = web_pictures.body_of(picture_id, language, pixels, self._clock())
        return await self._store(request, token, body)

    async def _get_picture(self, request: Request, number: str) -> Response:
        token = self._session.token_of(request)
        place = self.name, self.account, address_of(token) if token else ""
        return await web_pictures.show_own(self._database, self._links.vault, number, place)

    async def _store(self, request: Request, token: str | None, body: dict[str, Any]) -> Response:
        """Acknowledge what is committed."""
        response = JSONResponse({"id": body["id"]}, 202)
        address = self._session.keep(request, response, token)
        raw = json.dumps(body, ensure_ascii=False)
        await self._accept(Update(self.name, self.account, f"{address}:{body['id']}", address, raw))
        return response

    async def _slow_down(self, request: Request, token: str | None) -> Response | None:
        if not (wait := await self._wait_for(_source_of(request), token)):
            return None
        seconds = max(1, round(wait.total_seconds()))
        refusal = self._refuse(request, 429, "too_fast", "web.too_fast", seconds=seconds)
        refusal.headers["Retry-After"] = str(seconds)
        return refusal

    async def _wait_for(self, source: str, token: str | None) -> timedelta:
        """How long this sender must wait; zero, and the message is counted, when they need not."""
        now = self._clock()
        if wait := self._sources.wait_for(source, now):
            return wait
        if token and await self._is_known(address_of(token)):
            return self._pace.wait_for(token, now)
        return self._strangers.wait_for(source, now)

    async def _is_known(self, address: str) -> bool:
        """Whether a conversation is held in this session: anybody can invent a token."""
        held = select(Conversation.id).where(Conversation.channel == self.name, Conversation.account == self.account)
        async with self._database.reading() as session:
            return (await session.exec(held.where(Conversation.address == address).limit(1))).first() is not None

    async def _get_history(self, request: Request) -> Response:
        if not is_own_page(request):
            return self._refuse(request, 403, "bad_request", "web.bad_request")
        token = self._session.token_of(request)
        address, after = address_of(token or ""), _number(request.query_params.get("after")) - LOOK_BACK
        async with self._database.reading() as session:
            messages = await self._messages(session, address, after=after, newest=HISTORY) if token else []
        response = JSONResponse({"messages": messages})
        response.headers["Cache-Control"] = "no-store"
        self._session.keep(request, response, token)
        return response

    async def _get_events(self, request: Request) -> Response:
        token = self._session.token_of(request)
        if token is None:
            return self._refuse(request, 401, "no_session", "web.bad_request")
        source = _source_of(request)
        if self._streams_from[source] >= self._streams_per_source or self._streams_from.total() >= self._streams:
            return self._refuse(request, 429, "too_many", "web.too_many")
        after = _number(request.headers.get("last-event-id") or request.query_params.get("after"))
        return StreamingResponse(
            self.events(address_of(token), after, source),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )

    async def events(self, address: str, after: int, source: str = "") -> AsyncGenerator[str, None]:
        """The messages of one session after the given one, for as long as the page listens."""
        bell = asyncio.Event()
        self._listeners[address].add(bell)
        self._streams_from[source] += 1
        try:
            yield "retry: 2000\n\n"
            sent: set[int] = set()
            looks = 0
            while not self._is_closing:
                bell.clear()
                async with self._database.reading() as session:
                    fresh = await self._messages(session, address, after=after - LOOK_BACK)
                for message in fresh:
                    if message["id"] not in sent:
                        sent.add(message["id"])
                        after = max(after, message["id"])
                        yield f"id: {message['id']}\ndata: {json.dumps(message, ensure_ascii=False)}\n\n"
                sent = {number for number in sent if number > after - LOOK_BACK}
                looks += 1
                if looks % PING_EVERY == 0:
                    yield ": still here\n\n"
                await _wait(bell, LOOK_EVERY)
        finally:
            self._streams_from[source] -= 1
            self._streams_from += Counter()  # forgets who has none
            self._listeners[address].discard(bell)
            if not self._listeners[address]:
                del self._listeners[address]

    async def _messages(
        self, session: AsyncSession, address: str, *, after: int = 0, newest: int | None = None
    ) -> list[dict[str, Any]]:
        """What the buyer may see, oldest first: never a note."""
        found = (
            select(Message, Agent.name)
            .join(Conversation, col(Conversation.id) == col(Message.conversation_id))
            .join(Agent, col(Agent.id) == col(Message.agent_id), isouter=True)
            .where(Conversation.channel == self.name, Conversation.account == self.account)
            .where(Conversation.address == address, col(Message.is_note).is_(False), col(Message.id) > after)
            .order_by(col(Message.id).desc() if newest else col(Message.id))
            .limit(newest or HISTORY)
        )
        rows = (await session.exec(found)).all()
        texts = await self._links.texts(session, self._clock(), [message for message, _ in rows])
        shown = [_as_json(message, text, name) for (message, name), text in zip(rows, texts, strict=True)]
        return shown[::-1] if newest else shown

    def _refuse(self, request: Request, status: int, error: str, key: str, **facts: object) -> JSONResponse:
        language = "en" if request.headers.get("accept-language", "").lower().startswith("en") else "zh"
        return JSONResponse({"error": error, "text": self._say(language, key, **facts)}, status)


def _check(body: Any) -> dict[str, Any]:
    """The fields that are known and well formed; ValueError when it is no message."""
    if not isinstance(body, dict) or not isinstance(body.get("id"), str) or not _ID.fullmatch(body["id"]):
        raise ValueError("no id")
    kept: dict[str, Any] = {"id": body["id"]}
    if body.get("language") in ("zh", "en"):
        kept["language"] = body["language"]
    if body.get("start") is True:
        payload = body.get("text")
        is_payload = isinstance(payload, str) and _ID.fullmatch(payload)
        return kept | {"start": True} | ({"text": payload} if is_payload else {})
    for name in ("handle", "text"):
        if isinstance(body.get(name), str) and body[name].strip():
            # Half of a surrogate pair can be written in JSON, and nowhere else.
            return kept | {name: body[name].encode(errors="replace").decode()}
    raise ValueError("nothing said")


def _number(text: str | None) -> int:
    """Of the message that a page has seen last; 0 for what is none."""
    return int(text) if text and text.isdecimal() and len(text) < 19 else 0


def _source_of(request: Request) -> str:
    """Where it comes from. A header that claims another address is not believed."""
    return request.client.host if request.client else ""


def _as_json(message: Message, text: str, agent_name: str | None) -> dict[str, Any]:
    return {
        "id": message.id,
        "author": message.author,
        "name": agent_name or "",
        "text": text,
        "client_id": message.foreign_id or "",
        "buttons": message.buttons,
        "attachments": [_attached(one) for one in message.attachments],
        "at": message.created_at.isoformat(),
    }


def _attached(attachment: Mapping[str, Any]) -> dict[str, Any]:
    """What a page may know of it: never a messenger's own ids."""
    kept = {"picture": attachment["picture"]} if "picture" in attachment else {}
    return {"kind": attachment.get("kind", "other")} | kept


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
