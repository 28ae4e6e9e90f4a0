"""What arrives, by whichever way: made safe to store, kept, and presses answered once that is committed."""

import asyncio
import hashlib
import json
import logging
import re
from collections.abc import Sequence
from typing import Any, Protocol

from aiogram import Bot
from aiogram.exceptions import AiogramError

from bot.channels.port import Accept, Update
from bot.channels.telegram import reading
from bot.channels.telegram.methods import AnswerCallbackQuery
from bot.faults import place_of

log = logging.getLogger(__name__)

PRESS_TIMEOUT = 10  # seconds that Telegram may take to hear that a press was seen
_PLAIN = re.compile(r"[\w:/.@+-]{1,100}", re.ASCII)  # update ids and addresses that any database stores


class Note(Protocol):
    """Where a bot leaves what it knows of itself; `bot.health.Pulse.note` is one."""

    def __call__(self, *instants: str, **facts: object) -> None:
        """`instants` name what happened just now."""


def unheard(*_instants: str, **_facts: object) -> None:
    """For a bot that nobody watches."""


class Arrivals:
    """Keeps the updates of one bot."""

    def __init__(self, bot: Bot, channel: str, account: str, note: Note) -> None:
        self._bot = bot
        self._channel, self._account = channel, account
        self._note = note
        self._side: set[asyncio.Task[None]] = set()

    async def keep(self, accept: Accept, raw: Sequence[object]) -> None:
        """Return when all that a buyer said or did is committed; presses are answered meanwhile, never before it."""
        updates = [update for one in raw if (update := self.take(one)) is not None]
        await accept(*updates)
        if updates:
            self._note("seen_at")
        for query_id in filter(None, map(_press_of, raw)):
            task = asyncio.create_task(self._answer_press(query_id))
            self._side.add(task)
            task.add_done_callback(self._side.discard)

    def take(self, raw: object) -> Update | None:
        """The update to store; None when it is nothing of a buyer's. It never raises.

        What cannot be understood is kept all the same, each in a thread of its own, and ends as a dead letter.
        """
        if not isinstance(raw, dict) or "update_id" not in raw:
            log.warning("telegram %s: something came that is no update", self._account)
            return None
        try:
            update = reading.take(self._channel, self._account, raw)
            if update is None or _is_storable(update):
                return update
        except Exception as error:
            log.warning("telegram %s: an update of an odd shape (%s)", self._account, place_of(error))
        return self._odd(raw)

    def _odd(self, raw: dict[Any, Any]) -> Update:
        number = str(raw["update_id"])
        try:
            text = json.dumps(raw)
        except (ValueError, RecursionError):
            text = json.dumps({"update_id": number})
        own = number if _PLAIN.fullmatch(number) else hashlib.sha256(text.encode()).hexdigest()
        return Update(self._channel, self._account, own, f"?{own}", text)

    async def _answer_press(self, query_id: str) -> None:
        """Stop the button's spinner. It is stored already; that the query is too old to be answered harms nothing."""
        try:
            await self._bot(AnswerCallbackQuery(callback_query_id=query_id), request_timeout=PRESS_TIMEOUT)
        except AiogramError as error:
            log.info("telegram %s: a press was not answered (%s)", self._account, type(error).__name__)


def _press_of(raw: object) -> str:
    query = raw.get("callback_query") if isinstance(raw, dict) else None
    return str(query.get("id") or "") if isinstance(query, dict) else ""


def _is_storable(update: Update) -> bool:
    """Whether every database takes it: half a character, say, is none that can be written."""
    try:
        update.raw.encode()
    except UnicodeEncodeError:
        return False
    return all(_PLAIN.fullmatch(name) for name in (update.update_id, update.address))
