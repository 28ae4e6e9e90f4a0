"""What arrives, by whichever way: made safe to store, kept, and presses answered so that no button spins."""

import asyncio
import hashlib
import json
import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bot.channels.noting import Note
from bot.channels.port import Accept, Update
from bot.faults import place_of

log = logging.getLogger(__name__)

REMEMBERED = 1_000  # presses that were answered
PATIENCE = 0.3  # seconds that a press waits for the store before it is answered: whoever presses sees it spin


class Arrivals:
    """Keeps the updates of one bot."""

    def __init__(
        self,
        channel: str,
        account: str,
        note: Note,
        read: Callable[[Mapping[str, Any]], Update | None],  # the update to store; None: it is nobody's
        on_press: Callable[[str], None],  # told the number of each press that is to be answered; does not wait
    ) -> None:
        self._channel, self._account = channel, account
        self._note = note
        self._read = read
        self._on_press = on_press
        self._answered: OrderedDict[str, None] = OrderedDict()

    async def keep(self, accept: Accept, raw: Sequence[object]) -> None:
        """Return when all that somebody said or did is committed.

        Presses are answered then, or when that takes long: an answer confirms no update, so that it comes again.
        """
        updates = [update for one in raw if (update := self.take(one)) is not None]
        late = asyncio.get_running_loop().call_later(PATIENCE, self.answer, raw)
        try:
            await accept(*updates)
        finally:
            late.cancel()
        if updates:
            self._note("seen_at")
        self.answer(raw)

    def answer(self, raw: Sequence[object]) -> None:
        """Have the presses among these answered, each once."""
        for query_id in filter(None, map(_press_of, raw)):
            if query_id not in self._answered:
                self._answered[query_id] = None
                self._on_press(query_id)
        while len(self._answered) > REMEMBERED:
            self._answered.popitem(last=False)

    def take(self, raw: object) -> Update | None:
        """The update to store; None when it is nothing of ours. It never raises: one must not hold up the rest."""
        if not isinstance(raw, dict) or "update_id" not in raw:
            log.warning("%s %s: something came that is no update", self._channel, self._account)
            return None
        try:
            return self._read(raw)
        except Exception as error:  # our own fault: it is kept for a person, in a thread of its own, as a dead letter
            log.error("%s %s: an update was not understood: %s", self._channel, self._account, place_of(error))
        number = hashlib.sha256(str(raw["update_id"]).encode(errors="replace")).hexdigest()[:32]
        return Update(self._channel, self._account, number, f"?{number}", json.dumps(raw))


def _press_of(raw: object) -> str:
    query = raw.get("callback_query") if isinstance(raw, dict) else None
    return str(query.get("id") or "") if isinstance(query, dict) else ""
