"""One bot's ear: polling, or the webhook where there is a hook."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from fastapi import APIRouter

from bot.channels.botapi.hook import Hook
from bot.channels.botapi.line import Elected, Line
from bot.channels.botapi.menus import Menu, set_menus
from bot.channels.botapi.polling import Poller
from bot.channels.botapi.webhook import Webhook
from bot.channels.port import Accept

POLL = timedelta(seconds=25)  # how long the server holds a look open while nothing happens


class Receiver:
    """Hears by the one way that was chosen, and shows what can be said."""

    def __init__(self, line: Line, hook: Hook | None, poll: timedelta = POLL, menus: Sequence[Menu] = ()) -> None:
        self._line = line
        self._menus = menus
        self._poller = Poller(line, poll)
        self._webhook = Webhook(line, hook) if hook else None

    async def run(self, accept: Accept, elected: Elected) -> None:
        """Receive until cancelled."""
        beside = asyncio.create_task(set_menus(self._line.server, self._line.place, self._menus))
        try:
            if self._webhook:
                await self._webhook.run(elected)
            else:
                await self._poller.run(accept, elected)
        finally:
            beside.cancel()
            await asyncio.gather(beside, return_exceptions=True)

    def router(self, accept: Accept) -> APIRouter:
        """The door that the server calls; without one where we poll."""
        return self._webhook.router(accept) if self._webhook else APIRouter()

    async def look(self, accept: Accept, offset: int | None, seconds: int | None = None) -> int | None:
        """One look by hand, see `Poller.look`."""
        return await self._poller.look(accept, offset, seconds)
