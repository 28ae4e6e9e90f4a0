"""Telegram for buyers. All that is Telegram's stops here: its addresses, limits, errors and shapes.

Updates are read as plain JSON, not through aiogram's types: one update of a new or odd shape must not hold up the rest.
What comes twice is dropped at the door.
"""

import asyncio
from dataclasses import replace
from datetime import timedelta

from aiogram import Bot
from aiogram.client.telegram import TelegramAPIServer
from aiogram.utils.token import TokenValidationError
from fastapi import APIRouter

from bot.channels.port import Accept, Inbound, Update
from bot.channels.telegram import reading
from bot.channels.telegram.arrivals import Arrivals, Note, unheard
from bot.channels.telegram.files import Files
from bot.channels.telegram.menu import Menus, set_menus
from bot.channels.telegram.patience import Patience
from bot.channels.telegram.polling import Elected, Poller
from bot.channels.telegram.sending import Sender
from bot.channels.telegram.session import Session
from bot.channels.telegram.webhook import Hook, Webhook
from bot.errors import BadToken
from tickets.tables import Message, Outgoing


class Telegram:
    """The channel `telegram`: one bot."""

    name = "telegram"

    def __init__(
        self,
        token: str,
        api_base: str = "https://api.telegram.org",
        *,
        hook: Hook | None = None,  # None: we poll
        language: str = "",  # of its phrases, until a buyer's own words are in another; "": that of the buyer's app
        menus: Menus | None = None,
        note: Note = unheard,
        poll: timedelta = timedelta(seconds=25),  # how long Telegram holds a look open while nothing happens
        first_wait: timedelta = timedelta(seconds=1),  # before the second look after an error; it doubles
    ) -> None:
        """Raises BadToken."""
        server = TelegramAPIServer.from_base(api_base)
        try:
            self._bot = Bot(token, session=Session(api=server))
        except TokenValidationError:
            raise BadToken from None
        self.account = str(self._bot.id)
        self._language = language
        self._menus = menus or {}
        self._note = note
        self._sender = Sender(self._bot)
        self._files = Files(self._bot)
        place = (self._bot, self.name, self.account)
        arrivals, patience = Arrivals(*place, note), Patience(self.account, first_wait, note)
        self._poller = Poller(*place, arrivals, poll, patience, note)
        self._webhook = Webhook(*place, arrivals, hook, patience, note) if hook else None

    async def run(self, accept: Accept, elected: Elected) -> None:
        """Receive until cancelled."""
        showing = asyncio.create_task(set_menus(self._bot, self._menus))
        try:
            if self._webhook:
                await self._webhook.run(elected)
            else:
                await self._poller.run(accept, elected)
        finally:
            showing.cancel()
            await self.close()

    async def close(self) -> None:
        """Hang up; `run` does so by itself."""
        await self._bot.session.close()

    def router(self, accept: Accept) -> APIRouter:
        """The door that Telegram calls; without one where we poll."""
        return self._webhook.router(accept) if self._webhook else APIRouter()

    async def look(self, accept: Accept, offset: int | None) -> int | None:
        """One look: store what came, and only then return the offset that confirms it."""
        return await self._poller.look(accept, offset)

    def read(self, update: Update) -> Inbound:
        inbound = reading.read(update)
        return replace(inbound, language=self._language) if self._language else inbound

    async def fetch(self, inbound: Inbound, *, is_last: bool) -> Inbound:
        """See `bot.channels.port.Fetches`."""
        return await self._files.fetch(inbound, is_last=is_last)

    async def deliver(self, outgoing: Outgoing, message: Message) -> str:
        """Send the message, in parts when it is long; a part that went out before an error is not sent again."""
        foreign_id = await self._sender.deliver(outgoing, message)
        self._note("sent_at")
        return foreign_id
