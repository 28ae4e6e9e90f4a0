"""Words that go into a topic with their pictures, or with a word for those that Telegram does not take."""

import logging

from bot.channels.botapi.lengths import CAPTION_LIMIT, shortened
from bot.errors import Refused, TopicGone
from bot.staff.calls import Place, StaffBot
from bot.staff.rules import Room
from bot.transactions import Transactions
from tickets import pictures

log = logging.getLogger(__name__)


class Screenshots:
    """Shows what buyers, and agents in the console, sent."""

    def __init__(self, database: Transactions, room: Room, bot: StaffBot) -> None:
        self._database = database
        self._room = room
        self._bot = bot

    async def send(self, place: Place, text: str, shown: tuple[int, ...]) -> tuple[int, tuple[int, ...]]:
        """The number of the message, and the pictures in it: a strip, as of a long page, Telegram does not take."""
        drawn = await self._read(shown)
        if drawn:
            try:
                return await self._bot.send_pictures(place, drawn, shortened(text, CAPTION_LIMIT)), shown
            except TopicGone:
                raise
            except Refused as error:
                log.info("staff: topic %s takes no picture: %s", place.thread_id, error)
                text = f"{text} {self._room.words('media.pictures', count=len(drawn))}"
        return await self._bot.send(place, text), ()

    async def _read(self, shown: tuple[int, ...]) -> list[bytes]:
        drawn = []
        async with self._database.reading() as session:
            for number in shown:
                if (picture := await pictures.find_picture(session, number)) is not None:
                    drawn.append(pictures.read(self._room.vault, picture))
        return drawn
