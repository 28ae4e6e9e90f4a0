"""Looks for the updates of the staff bot: an offset is confirmed only after its updates are committed.

The library's own updater is not used: it confirms what it has in memory alone.
"""

import asyncio
import logging
import time
from contextlib import suppress

from bot.channels.looks import LASTED, Looks
from bot.channels.port import Accept, Inbound, Update
from bot.errors import DeliveryError, Refused
from bot.faults import place_of
from bot.staff import reading
from bot.staff.calls import StaffBot
from bot.staff.presses import Presses
from bot.staff.rules import CHANNEL
from bot.transactions import Transactions
from tickets.tables import Message, Outgoing

log = logging.getLogger(__name__)

POLL = 25  # seconds that Telegram holds a look open while nothing happens
FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0  # seconds after an error; it doubles
ELECT_EVERY = 2.0  # seconds between tries to become the process that looks


class StaffChannel:
    """The channel `staff`, as the inbox knows it. Nobody is written to through the outbox here."""

    name = CHANNEL

    def __init__(self, account: str) -> None:
        self.account = account

    def read(self, update: Update) -> Inbound:
        return reading.read(update)

    async def deliver(self, outgoing: Outgoing, message: Message) -> str:
        raise Refused(reason="no buyer is on this channel")


class Poller:
    """One process of all looks at a time."""

    def __init__(self, database: Transactions, bot: StaffBot, presses: Presses, accept: Accept) -> None:
        self._database = database
        self._bot = bot
        self._presses = presses
        self._accept = accept
        self._is_ready = False

    async def run(self) -> None:
        """Look until cancelled; any error gives the office up, for another process to try."""
        wait = FIRST_WAIT
        while True:
            begun = time.monotonic()
            try:
                async with self._database.elected(f"poller {CHANNEL}:{self._bot.account}") as is_ours:
                    looks = Looks()
                    while is_ours:
                        await looks.again(self.look)
                        wait = FIRST_WAIT
                await asyncio.sleep(ELECT_EVERY)
            except Exception as error:
                self._is_ready = False
                log.warning(
                    "staff: no updates now (%s)", error if isinstance(error, DeliveryError) else place_of(error)
                )
                if time.monotonic() - begun >= LASTED:  # a look that was held open for longer than we wait
                    wait = FIRST_WAIT
                pause = error.retry_after if isinstance(error, DeliveryError) else None
                await asyncio.sleep(pause.total_seconds() if pause else wait)
                wait = min(wait * 2, LONGEST_WAIT)

    async def look(self, offset: int | None, seconds: int = POLL) -> int | None:
        """One look: store what came, and only then return the offset that confirms it."""
        if not self._is_ready:
            log.info("staff: polling as @%s", await self._bot.name())
            with suppress(DeliveryError):  # not every server knows webhooks; where one stays set, our looks are refused
                await self._bot.forget_webhook()
            self._is_ready = True
        raw = await self._bot.look(offset, seconds)
        await self.keep(raw)
        numbers = [int(str(one["update_id"])) for one in raw if str(one.get("update_id")).isdecimal()]
        return max(numbers) + 1 if numbers else offset

    async def keep(self, raw: list[dict[str, object]]) -> None:
        """Commit what somebody said to us; what was pressed is answered from then on."""
        updates = [update for one in raw if (update := reading.take(self._bot.account, one)) is not None]
        await self._accept(*updates)
        for update in updates:
            if query := reading.read(update).query_id:
                self._presses.receive(query)
