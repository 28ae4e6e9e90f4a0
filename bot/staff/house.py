"""The staff bot at work: what it hears goes through the inbox, what it shows follows from the desk, in one loop."""

import logging
from collections.abc import Callable
from datetime import datetime

from fastapi import APIRouter

from bot.bell import Bell
from bot.channels.botapi.hook import Hook
from bot.channels.botapi.line import Recall, nothing
from bot.channels.botapi.receiver import Receiver
from bot.channels.noting import Note, unheard
from bot.channels.port import Accept
from bot.faults import place_of
from bot.staff import CHANNEL
from bot.staff.calls import StaffBot
from bot.staff.menu import menus
from bot.staff.mirror import Mirror
from bot.staff.news import News
from bot.staff.pacing import Pacing
from bot.staff.posts import Posts
from bot.staff.presses import Presses
from bot.staff.receiving import StaffChannel, open_line
from bot.staff.rules import Room
from bot.staff.talk import Talk
from bot.transactions import Transactions

log = logging.getLogger(__name__)

LOOK_EVERY = 1.0  # seconds between looks for what changed


class StaffHouse:
    """Everything of one staff bot, joined."""

    def __init__(
        self,
        database: Transactions,
        room: Room,
        bot: StaffBot,
        accept: Accept,
        clock: Callable[[], datetime],
        bell: Bell,
        *,
        hook: Hook | None = None,  # None: we poll
        note: Note = unheard,
        recall: Recall = nothing,
    ) -> None:
        self._database = database
        self._bot = bot
        self._accept = accept
        self._clock = clock
        self._bell = bell
        self._note = note
        self.channel = StaffChannel(bot)
        self.talk = Talk(room)
        self._presses = Presses(bot)
        self.line = open_line(bot, self._presses, note, recall)
        self._receiver = Receiver(self.line, hook, menus=menus(room))
        self._pacing = pacing = Pacing(room.rules.per_minute)
        self._news = News(database, room, clock)
        self._posts = Posts(database, bot, self._presses, pacing, clock)
        self._mirror = Mirror(database, room, bot, pacing, clock)

    async def receive(self) -> None:
        """Hear until cancelled; of several processes one looks, or all are called."""
        await self._receiver.run(self._accept, self._database.elected)

    def router(self) -> APIRouter:
        """The door that Telegram calls; without one where we poll."""
        return self._receiver.router(self._accept)

    async def look(self, offset: int | None) -> int | None:
        """One look by hand that waits for nothing; the offset that confirms what came."""
        return await self._receiver.look(self._accept, offset, 0)

    async def run(self) -> None:
        """Show and tell until cancelled; of several processes one does."""
        try:
            while True:
                try:
                    async with self._database.elected(f"writer {CHANNEL}:{self._bot.account}") as is_ours:
                        if is_ours:
                            await self.work()
                except Exception as error:  # the database is away: weather, not a reason to stop
                    log.error("the staff bot stumbled: %s", place_of(error))
                await self._bell.wait(LOOK_EVERY)
        finally:
            self.close()
            await self._bot.close()

    def close(self) -> None:
        """Leave presses unanswered; `run` does so at its end."""
        self._presses.close()

    async def work(self) -> int:
        """What can be done now, answers to people first."""
        done = await self._posts.drain() + await self._mirror.look()
        done += await self._news.collect() + await self._news.digest()  # which lead to the topics
        done += await self._posts.drain()
        self._note(group_problem=self._pacing.problem(self._clock()))
        return done
