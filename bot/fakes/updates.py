"""One bot's updates: read by long polls, or pushed to a webhook, each chat's in order and until it says 2XX."""

import asyncio
import json
from collections import OrderedDict, deque
from collections.abc import Callable
from itertools import islice
from typing import Any

from aiohttp import ClientError, ClientSession, ClientTimeout

from bot.fakes.refusal import Refusal

KINDS = (
    *("message", "edited_message", "channel_post", "edited_channel_post", "callback_query", "inline_query"),
    *("business_connection", "business_message", "edited_business_message", "deleted_business_messages"),
    *("my_chat_member", "chat_member", "message_reaction", "message_reaction_count", "chat_join_request", "poll"),
)
ON_REQUEST = frozenset({"chat_member", "message_reaction", "message_reaction_count"})


class Updates:
    """The queue of one bot."""

    def __init__(self, clock: Callable[[], float], first: int) -> None:
        self.offsets: list[int | None] = []  # of every getUpdates
        self.pusher: Pusher | None = None
        self.allowed: tuple[str, ...] = ()
        self.clock = clock
        self._next = first
        self._waiting: OrderedDict[int, dict[str, Any]] = OrderedDict()  # by id(), in the order of their numbers
        self._news = asyncio.Event()
        self._reader: asyncio.Future[str] | None = None  # resolved when another takes the place of this poll

    def push(self, update: dict[str, Any]) -> dict[str, Any]:
        """Queue an update; one that the bot did not ask for is dropped."""
        update = {"update_id": self._next} | update
        self._next += 1
        if self._wants(update):
            self._waiting[id(update)] = update
            self._news.set()
            if self.pusher:
                self.pusher.feed(update)
        return update

    def _wants(self, update: dict[str, Any]) -> bool:
        kinds = set(update) & set(KINDS)
        return not kinds or bool(kinds & set(self.allowed) if self.allowed else kinds - ON_REQUEST)

    @property
    def pending(self) -> int:
        return len(self._waiting)

    def allow(self, kinds: Any) -> None:
        """Which kinds are queued from now on; None leaves it as it was, an empty list is the default again."""
        if kinds is not None:
            self.allowed = tuple(kinds)

    async def get(self, offset: int | None, limit: int, seconds: float) -> list[dict[str, Any]]:
        """What getUpdates answers. Raises Refusal when a webhook is set, or another reader came meanwhile."""
        if self.pusher:
            raise Refusal(409, "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook first")
        self.end_poll("terminated by other getUpdates request; make sure that only one bot instance is running")
        self.offsets.append(offset)
        if offset is not None and offset < 0:
            self._forget(len(self._waiting) + offset)
        elif offset is not None:
            self._forget(len(self._waiting), before=offset)
        if not self._waiting and seconds > 0:
            await self._wait(seconds)
        return list(islice(self._waiting.values(), min(max(limit, 1), 100)))

    def _forget(self, most: int, before: int | None = None) -> None:
        for _ in range(most):
            update = next(iter(self._waiting.values()))
            if before is not None and int(update["update_id"]) >= before:
                return
            self._waiting.popitem(last=False)

    async def _wait(self, seconds: float) -> None:
        self._news.clear()
        ended = self._reader = asyncio.get_running_loop().create_future()
        news = asyncio.ensure_future(self._news.wait())
        try:
            await asyncio.wait((news, ended), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if ended.done():
                raise Refusal(409, f"Conflict: {ended.result()}")
        finally:
            news.cancel()
            if self._reader is ended:
                self._reader = None

    def end_poll(self, reason: str) -> None:
        """Answer the poll that is open with 409."""
        if self._reader and not self._reader.done():
            self._reader.set_result(reason)
        self._reader = None

    def drop(self, update: dict[str, Any]) -> None:
        """It was taken."""
        self._waiting.pop(id(update), None)

    def forget(self) -> None:
        self._waiting.clear()

    def set_pusher(self, pusher: "Pusher | None") -> None:
        if self.pusher:
            self.pusher.close()
        self.pusher = pusher
        if pusher:
            self.end_poll("terminated by setWebhook request")
            for update in self._waiting.values():
                pusher.feed(update)


class Pusher:
    """Posts the updates to a webhook. `first_wait` (seconds) doubles up to `longest_wait` while it is refused."""

    def __init__(
        self,
        updates: Updates,
        client: ClientSession,
        url: str,
        *,
        secret: str = "",
        max_connections: int = 40,
        first_wait: float = 1.0,
        longest_wait: float = 60.0,
        timeout: float = 60.0,
        answer: Callable[[dict[str, Any]], Any] | None = None,  # runs a method that stands in an answer
        is_lost: Callable[[], bool] = lambda: False,  # whether this 200 never reaches us
    ) -> None:
        self.url, self.secret, self.max_connections = url, secret, max_connections
        self.last_error: tuple[float, str] | None = None  # when, and what
        self.pushes: list[tuple[int, int]] = []  # (update id, status; 0 for none) of every try
        self._updates, self._client, self._answer, self._is_lost = updates, client, answer, is_lost
        self._first_wait, self._longest_wait, self._timeout = first_wait, longest_wait, timeout
        self._room = asyncio.Semaphore(max_connections)
        self._lanes: dict[str, deque[dict[str, Any]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def feed(self, update: dict[str, Any]) -> None:
        chat = _chat_of(update)
        if chat in self._lanes:
            self._lanes[chat].append(update)
            return
        self._lanes[chat] = deque([update])
        task = asyncio.get_running_loop().create_task(self._walk(chat))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _walk(self, chat: str) -> None:
        lane, wait = self._lanes[chat], self._first_wait
        while lane:
            async with self._room:
                is_taken = await self._push(lane[0])
            if is_taken:
                self._updates.drop(lane.popleft())
                wait = self._first_wait
            else:
                await asyncio.sleep(wait)
                wait = min(2 * wait, self._longest_wait)
        del self._lanes[chat]

    async def _push(self, update: dict[str, Any]) -> bool:
        headers = {"X-Telegram-Bot-Api-Secret-Token": self.secret} if self.secret else {}
        status, problem, answer = 0, "", b""
        try:
            limit = ClientTimeout(self._timeout)
            async with self._client.post(self.url, json=update, headers=headers, timeout=limit) as response:
                status, reason, answer = response.status, response.reason, await response.read()
            if not 200 <= status < 300:
                problem = f"Wrong response from the webhook: {status} {reason}"
            elif self._is_lost():
                problem = "Read timeout expired"
        except TimeoutError:
            problem = "Read timeout expired"
        except (ClientError, OSError) as error:
            problem = "Connection refused" if "onnect" in type(error).__name__ else "Connection reset by peer"
        self.pushes.append((int(update["update_id"]), status))
        if problem:
            self.last_error = (self._updates.clock(), problem)
        elif self._answer and answer[:1] == b"{" and "method" in (call := json.loads(answer)):
            await self._answer(call)
        return not problem

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()


def _chat_of(update: dict[str, Any]) -> str:
    """Updates of one chat come one after the other."""
    for kind in KINDS:
        body = update.get(kind)
        if isinstance(body, dict):
            chat = body.get("chat") or (body.get("message") or {}).get("chat") or body.get("from") or {}
            return str(chat.get("id", ""))
    return ""
