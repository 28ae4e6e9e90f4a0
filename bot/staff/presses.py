"""Answers to presses: with what came of them where that is known in time, else bare, so that no button spins."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Coroutine
from typing import Any

from bot.errors import DeliveryError
from bot.staff.calls import StaffBot

log = logging.getLogger(__name__)

PATIENCE = 0.6  # seconds in which a press that was heard waits for what comes of it
REMEMBERED = 1_000


class Presses:
    """The presses that this process has received."""

    def __init__(self, bot: StaffBot) -> None:
        self._bot = bot
        self._answered: OrderedDict[str, None] = OrderedDict()
        self._side: set[asyncio.Task[None]] = set()

    def receive(self, query_id: str) -> None:
        """A press was heard: it is answered bare when nothing is known of it in time."""
        self._in_background(self._answer_late(query_id))

    async def answer(self, query_id: str, text: str, *, is_alert: bool) -> bool:
        """Show who pressed what came of it; False when it was answered before, or is too old."""
        if not self._claim(query_id):
            return False
        try:
            await self._bot.answer_press(query_id, text, is_alert=is_alert)
        except DeliveryError as error:
            log.info("staff: a press was not answered (%s)", type(error).__name__)
            if not error.is_permanent:  # whoever has something to say next tries once more
                self._answered.pop(query_id, None)
            return False
        return True

    async def _answer_late(self, query_id: str) -> None:
        await asyncio.sleep(PATIENCE)
        await self.answer(query_id, "", is_alert=False)

    def _claim(self, query_id: str) -> bool:
        is_first = query_id not in self._answered
        self._answered[query_id] = None
        while len(self._answered) > REMEMBERED:
            self._answered.popitem(last=False)
        return is_first

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._side.add(task)
        task.add_done_callback(self._side.discard)

    def close(self) -> None:
        for task in self._side:
            task.cancel()
