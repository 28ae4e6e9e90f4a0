"""Long polling: an offset is confirmed only after its updates are committed, and one process looks at a time."""

import asyncio
import logging
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Any

from bot.channels.botapi.line import Elected, Line
from bot.channels.botapi.looks import Looks
from bot.channels.botapi.marks import Mark, find_mark, number_of
from bot.channels.port import Accept

log = logging.getLogger(__name__)

ELECT_EVERY = 2.0  # seconds between tries to become the process that looks
AHEAD_EVERY = 0.5  # seconds between looks at what else came while the store is slow
COUNT_EVERY = 60.0  # seconds between questions how much waits at the server


class Poller:
    """Looks for the updates of one bot."""

    def __init__(self, line: Line, poll: timedelta) -> None:
        self._line = line
        self._server = line.server
        self._seconds = max(1, round(poll.total_seconds()))
        self._is_ready = False
        self._mark: Mark | None = None

    async def run(self, accept: Accept, elected: Elected) -> None:
        """Look for updates until cancelled, whenever this process is the one that does.

        Any error gives the office up: another process, whose network or database may be well, goes on.
        """
        while True:
            try:
                async with elected(f"poller {self._line.channel}:{self._line.account}") as is_ours:
                    if is_ours:
                        await self._receive(accept)
                await asyncio.sleep(ELECT_EVERY)
            except Exception as error:
                self._is_ready = self._is_ready and self._server.judge(error).problem != "conflict"
                await self._line.patience.sit_out(error)

    async def _receive(self, accept: Accept) -> None:
        if not self._is_ready:
            await self._prepare()
            self._is_ready = True
        counting = asyncio.create_task(self._count())
        try:
            looks = Looks()
            while True:
                await looks.again(partial(self.look, accept))
                self._line.patience.renew()
        finally:
            counting.cancel()

    async def _prepare(self) -> None:
        """Check the token; a webhook that is still set would refuse our looks, and we would be back here."""
        name = await self._server.name()
        try:
            await self._server.remove_webhook()
        except Exception:  # not every server knows webhooks
            log.warning("%s: the webhook could not be removed", self._line.place)
        self._line.note(name=name, mode="polling", error="")
        log.info("%s: polling as @%s", self._line.place, name)

    async def look(self, accept: Accept, offset: int | None, seconds: int | None = None) -> int | None:
        """One look: store what came, and only then return the offset that confirms it."""
        found = await self._server.look(offset, self._seconds if seconds is None else seconds)
        raw = sorted(found, key=lambda one: number_of(one) or 0)  # as it happened, however the server lists it
        if not raw:
            return offset
        if offset is None:
            self._mark = Mark.read(await self._line.recall())
            if self._mark is not None and self._mark.is_after(raw):
                log.info("%s: the server begins with what we have; we go on after that", self._line.place)
                return self._mark.number + 1
        came: list[Any] = []
        while raw:
            came += raw
            known = set(map(number_of, came))
            raw = [one for one in await self._keep(accept, offset, raw) if number_of(one) not in known]
        numbers = [number for one in came if (number := number_of(one)) is not None]
        if not numbers:
            raise ValueError("updates without numbers")  # they cannot be confirmed: come back to them, slowly
        self._mark = find_mark(came, self._mark)
        self._line.note(**self._mark.facts if self._mark else {})
        return max(numbers) + 1

    async def _keep(self, accept: Accept, offset: int | None, raw: list[Any]) -> list[Any]:
        """Store these; what came meanwhile, to be stored as well. While the store is slow no button is to spin."""
        keeping, ahead = asyncio.create_task(self._line.arrivals.keep(accept, raw)), list[Any]()
        try:
            while not (await asyncio.wait({keeping}, timeout=AHEAD_EVERY))[0]:
                ahead = await self._look_ahead(offset) or ahead
            await keeping
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)
        return ahead

    async def _look_ahead(self, offset: int | None) -> list[Any]:
        """What has come by now, without confirming anything; its presses are answered."""
        if offset is None:  # not every server begins at the same update again
            return []
        with suppress(Exception):
            ahead = await self._server.look(offset, 0)
            self._line.arrivals.answer(ahead)
            return ahead
        return []

    async def _count(self) -> None:
        """How much waits at the server. It is told for the light only: whoever cannot say is not asked again."""
        with suppress(Exception):
            while (info := await self._server.webhook()) is not None:
                self._line.note(pending=info.get("pending_update_count"))
                await asyncio.sleep(COUNT_EVERY)
