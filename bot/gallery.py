"""Pictures on their way out: unsealed when they are sent, and known by the names that messengers gave them."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from bot.channels.port import Photo
from bot.errors import Refused
from bot.transactions import Transactions
from shop.errors import SealBroken
from shop.vault import Vault
from tickets import pictures
from tickets.tables import Message, Picture


class Gallery:
    """Those of all messages."""

    def __init__(self, database: Transactions, vault: Vault, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock

    def of(self, message: Message) -> Sequence[Photo]:
        return [Kept(self._database, self._vault, self._clock, number) for number in numbers_of(message)]


class Kept:
    """A picture by its number; see `bot.channels.port.Photo`."""

    def __init__(self, database: Transactions, vault: Vault, clock: Callable[[], datetime], number: int) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock
        self._number = number

    async def jpeg(self) -> bytes:
        try:
            return await asyncio.to_thread(pictures.read, self._vault, await self._find())
        except SealBroken:
            raise _gone() from None

    async def name(self, within: timedelta) -> str:
        picture = await self._find()
        is_good = picture.handed_at is not None and self._clock() - picture.handed_at < within
        return picture.known_as or "" if is_good else ""

    async def call(self, name: str) -> None:
        async with self._database.writing() as session:
            await pictures.name(session, self._clock(), self._number, name)

    async def _find(self) -> Picture:
        async with self._database.reading() as session:
            picture = await pictures.find_picture(session, self._number)
        if picture is None:
            raise _gone()
        return picture


def numbers_of(message: Message) -> list[int]:
    """The pictures that go out with a message."""
    return [int(one["picture"]) for one in message.attachments if "picture" in one]


def _gone() -> Refused:
    return Refused(reason="the picture is not there any more")
