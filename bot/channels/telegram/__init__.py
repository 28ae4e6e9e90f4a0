"""Telegram for buyers. All that is Telegram's stops here: its addresses, limits, errors and shapes.

Updates are read as plain JSON, not through aiogram's types: one update of a new or odd shape must not hold up the rest.
What comes twice is dropped at the door.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from aiogram import Bot
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.utils.token import TokenValidationError

from bot.channels.port import Accept, Inbound, Update
from bot.channels.telegram import reading
from bot.channels.telegram.polling import Poller
from bot.channels.telegram.sending import Sender
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
        poll: timedelta = timedelta(seconds=25),  # how long Telegram holds a look open while nothing happens
        first_wait: timedelta = timedelta(seconds=1),  # before the second look after an error; it doubles
    ) -> None:
        """Raises BadToken."""
        server = TelegramAPIServer.from_base(api_base)
        try:
            self._bot = Bot(token, session=AiohttpSession(api=server))
        except TokenValidationError:
            raise BadToken from None
        self.account = str(self._bot.id)
        self._poller = Poller(self._bot, self.name, self.account, poll, first_wait)
        self._sender = Sender(self._bot)

    async def run(self, accept: Accept) -> None:
        """Look for updates until cancelled."""
        await self._poller.run(accept)

    async def look(self, accept: Accept, offset: int | None) -> int | None:
        """One look: store what came, and only then return the offset that confirms it."""
        return await self._poller.look(accept, offset)

    def take(self, raw: Mapping[str, Any]) -> Update | None:
        """The update to store; None when it is not a buyer speaking to us in private."""
        return reading.take(self.name, self.account, raw)

    def read(self, update: Update) -> Inbound:
        return reading.read(update)

    async def deliver(self, outgoing: Outgoing, message: Message) -> str:
        """Send the message, in parts when it is long; a part that went out before an error is not sent again."""
        return await self._sender.deliver(outgoing, message)
