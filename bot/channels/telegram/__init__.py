"""Telegram for buyers. All that is Telegram's stops here: its addresses, limits, errors and shapes.

Updates are read as plain JSON, not through aiogram's types: one update of a new or odd shape must not hold up the rest.
What comes twice is dropped at the door.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from aiogram import Bot
from aiogram.client.telegram import TelegramAPIServer
from aiogram.utils.token import TokenValidationError
from fastapi import APIRouter

from bot.channels.botapi.arrivals import Arrivals
from bot.channels.botapi.hook import Hook
from bot.channels.botapi.line import Elected, Line, Recall, nothing
from bot.channels.botapi.menus import IN_PRIVATE, Menu
from bot.channels.botapi.patience import Patience
from bot.channels.botapi.receiver import POLL, Receiver
from bot.channels.noting import Note, unheard
from bot.channels.port import Accept, Inbound, Photo, Update
from bot.channels.telegram import reading
from bot.channels.telegram.files import Files
from bot.channels.telegram.presses import Presses
from bot.channels.telegram.sending import Sender
from bot.channels.telegram.server import Server
from bot.channels.telegram.session import Session
from bot.channels.telegram.topics import Topics
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
        menus: Mapping[str, Mapping[str, str]] | None = None,  # language, "" for others → command → what it does
        note: Note = unheard,
        recall: Recall = nothing,
        poll: timedelta = POLL,
        first_wait: timedelta = timedelta(seconds=1),  # before the second look after an error; it doubles
        open_topics: Callable[[Bot], Topics] | None = None,  # of buyers' own chats; None: there are none
    ) -> None:
        """Raises BadToken."""
        server = TelegramAPIServer.from_base(api_base)
        try:
            self._bot = Bot(token, session=Session(api=server))
        except TokenValidationError:
            raise BadToken from None
        self.account = str(self._bot.id)
        self._language = language
        self._note = note
        self.topics = open_topics(self._bot) if open_topics else None
        self._sender = Sender(self._bot, self.topics)
        self._files = Files(self._bot)
        self._presses = Presses(self._bot)
        shown = [Menu(IN_PRIVATE, reader, commands) for reader, commands in (menus or {}).items()]
        self._receiver = Receiver(self._line(first_wait, note, recall), hook, poll, shown)

    def _line(self, first_wait: timedelta, note: Note, recall: Recall) -> Line:
        place, server = (self.name, self.account), Server(self._bot)
        arrivals = Arrivals(*place, note, lambda raw: reading.take(*place, raw), self._presses.receive)
        return Line(server, *place, arrivals, Patience(*place, first_wait, note, server.judge), note, recall)

    async def run(self, accept: Accept, elected: Elected) -> None:
        """Receive until cancelled."""
        beside = [asyncio.create_task(self.topics.run(elected))] if self.topics else []
        try:
            await self._receiver.run(accept, elected)
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
            await self.close()

    async def close(self) -> None:
        """Hang up; `run` does so by itself."""
        await self._presses.close()
        await self._bot.session.close()

    def router(self, accept: Accept) -> APIRouter:
        """The door that Telegram calls; without one where we poll."""
        return self._receiver.router(accept)

    async def look(self, accept: Accept, offset: int | None) -> int | None:
        """One look: store what came, and only then return the offset that confirms it."""
        return await self._receiver.look(accept, offset)

    def read(self, update: Update) -> Inbound:
        inbound = reading.read(update)
        return replace(inbound, language=self._language) if self._language else inbound

    async def fetch(self, inbound: Inbound, *, is_last: bool, file_limit: int = 0) -> Inbound:
        """See `bot.channels.port.Fetches`."""
        return await self._files.fetch(inbound, is_last=is_last, file_limit=file_limit)

    async def deliver(self, outgoing: Outgoing, message: Message) -> str:
        """Send the message, in parts when it is long; a part that went out before an error is not sent again."""
        return await self.deliver_pictures(outgoing, message, ())

    async def deliver_pictures(self, outgoing: Outgoing, message: Message, photos: Sequence[Photo]) -> str:
        """The same, of a message that has some: they go first, together, with the words below them."""
        foreign_id = await self._sender.deliver(outgoing, message, photos)
        self._note("sent_at")
        return foreign_id
