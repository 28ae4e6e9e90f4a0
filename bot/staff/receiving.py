"""The channel `staff`: what is said to the staff bot, as the inbox knows it, and how it is heard.

The library's own updater is not used: it confirms what it has in memory alone.
"""

from datetime import timedelta

from bot.channels.botapi.arrivals import Arrivals
from bot.channels.botapi.line import Line, Recall, nothing
from bot.channels.botapi.patience import Patience
from bot.channels.noting import Note, unheard
from bot.channels.port import Inbound, Update
from bot.errors import Refused
from bot.staff import CHANNEL, reading
from bot.staff.calls import StaffBot
from bot.staff.fetching import Fetching
from bot.staff.presses import Presses
from tickets.tables import Message, Outgoing

FIRST_WAIT = timedelta(seconds=1)  # after an error; it doubles


class StaffChannel:
    """Nobody is written to through the outbox here."""

    name = CHANNEL

    def __init__(self, bot: StaffBot) -> None:
        self.account = bot.account
        self.fetch = Fetching(bot).fetch

    def read(self, update: Update) -> Inbound:
        return reading.read(update)

    async def deliver(self, outgoing: Outgoing, message: Message) -> str:
        raise Refused(reason="no buyer is on this channel")


def open_line(bot: StaffBot, presses: Presses, note: Note = unheard, recall: Recall = nothing) -> Line:
    """This bot hears as those of buyers do."""
    place = (CHANNEL, bot.account)
    arrivals = Arrivals(*place, note, lambda raw: reading.take(bot.account, raw, bot.username), presses.receive)
    return Line(bot, *place, arrivals, Patience(*place, FIRST_WAIT, note, bot.judge), note, recall)
