"""Answers to presses of buyers: bare, and at once, so that no button spins."""

import asyncio
import logging

from aiogram import Bot
from aiogram.exceptions import AiogramError, TelegramBadRequest

from bot.channels.telegram.methods import AnswerCallbackQuery

log = logging.getLogger(__name__)

AGAIN_AFTER = 1.0  # seconds to the second and last try
TIMEOUT = 10  # seconds that Telegram may take to hear that a press was seen


class Presses:
    """Of one bot."""

    def __init__(self, bot: Bot) -> None:
        self._bot = bot
        self._side: set[asyncio.Task[None]] = set()

    def receive(self, query_id: str) -> None:
        """A press was heard: answer it meanwhile."""
        task = asyncio.create_task(self._answer(query_id))
        self._side.add(task)
        task.add_done_callback(self._side.discard)

    async def close(self) -> None:
        """Leave presses unanswered: an answer would open the connection again."""
        for task in self._side:
            task.cancel()
        await asyncio.gather(*self._side, return_exceptions=True)

    async def _answer(self, query_id: str) -> None:
        """Stop the button's spinner. That the query is too old to be answered harms nothing."""
        for wait in (AGAIN_AFTER, None):
            try:
                await self._bot(AnswerCallbackQuery(callback_query_id=query_id), request_timeout=TIMEOUT)
            except AiogramError as error:
                log.info("telegram %s: a press was not answered (%s)", self._bot.id, type(error).__name__)
                if wait is None or isinstance(error, TelegramBadRequest):
                    return
                await asyncio.sleep(wait)
            else:
                return
