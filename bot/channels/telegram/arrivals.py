"""What arrives, by whichever way: made safe to store, kept, and presses answered once that is committed."""

import asyncio
import hashlib
import json
import logging
from collections.abc import Sequence
from typing import Protocol

from aiogram import Bot
from aiogram.exceptions import AiogramError

from bot.channels.port import Accept, Update
from bot.channels.telegram import reading
from bot.channels.telegram.methods import AnswerCallbackQuery
from bot.faults import place_of

log = logging.getLogger(__name__)

PRESS_TIMEOUT = 10  # seconds that Telegram may take to hear that a press was seen


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
        """The update to store; None when it is nothing of a buyer's. It never raises: one must not hold up the rest."""
        if not isinstance(raw, dict) or "update_id" not in raw:
            log.warning("telegram %s: something came that is no update", self._account)
            return None
        try:
            return reading.take(self._channel, self._account, raw)
        except Exception as error:  # our own fault: it is kept for a person, in a thread of its own, as a dead letter
            log.error("telegram %s: an update was not understood: %s", self._account, place_of(error))
        number = hashlib.sha256(str(raw["update_id"]).encode(errors="replace")).hexdigest()[:32]
        return Update(self._channel, self._account, number, f"?{number}", json.dumps(raw))

    async def _answer_press(self, query_id: str) -> None:
        """Stop the button's spinner. It is stored already; that the query is too old to be answered harms nothing."""
        try:
            await self._bot(AnswerCallbackQuery(callback_query_id=query_id), request_timeout=PRESS_TIMEOUT)
        except AiogramError as error:
            log.info("telegram %s: a press was not answered (%s)", self._account, type(error).__name__)


def _press_of(raw: object) -> str:
    query = raw.get("callback_query") if isinstance(raw, dict) else None
    return str(query.get("id") or "") if isinstance(query, dict) else ""
