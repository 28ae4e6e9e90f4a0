"""Keeps the topics as the tickets are: made, filled, closed and opened again, one call after the other.

What a topic lacks is derived from the tickets each time; only how far it was shown is written down. So nothing is lost
with the group gone, and when it is back its topics go on with a summary. A call whose answer was lost is made again,
later each time.
"""

import logging
from collections.abc import Callable, Sequence
from datetime import datetime

from sqlalchemy import delete, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from audit.trail import record
from bot import topics
from bot.channels.botapi.lengths import width
from bot.errors import Ambiguous, DeliveryError, Refused, TopicGone
from bot.faults import place_of
from bot.staff import buttons, cards, views
from bot.staff.calls import UNNAMED, Place, StaffBot
from bot.staff.cards import Line
from bot.staff.pacing import Doubts, Pacing
from bot.staff.rules import Room
from bot.staff.screenshots import Screenshots
from bot.staff.tables import Mirrored, StaffButton
from bot.staff.views import View
from bot.staff.watch import Watch
from bot.tables import Topic, TopicState
from bot.transactions import Transactions
from tickets.lifecycle import is_active
from tickets.tables import Ticket, id_of

log = logging.getLogger(__name__)

ALBUM = 10  # pictures of one message
EDITS, LOST_AT_ONCE = 2, 20  # which fit into one message, whatever they say
_CARD_GONE = ("message to edit not found", "message_id_invalid", "message can't be edited")


class NotYet(Exception):
    """What is left of this ticket is done later."""


class OutOfBudget(NotYet):
    """The group takes no more for now, or no more topics."""

    def __init__(self, budget: str) -> None:
        super().__init__(budget)
        self.budget = budget


class Mirror:
    """Of one bot."""

    def __init__(
        self, database: Transactions, room: Room, bot: StaffBot, pacing: Pacing, clock: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._room = room
        self._rules = room.rules
        self._bot = bot
        self._pacing = pacing
        self._clock = clock
        self._screenshots = Screenshots(database, room, bot)
        self._watch = Watch(room.rules)
        self._due: dict[int, None] = {}  # tickets to look at, in order
        self._budgets: dict[int, str] = {}  # of those that are due: what they wait for
        self._doubts = Doubts()  # by ticket

    async def look(self) -> int:
        """Do what is due and the groups' budgets allow; how many tickets are up to date now."""
        async with self._database.reading() as session:
            self._due |= dict.fromkeys(await self._watch.find(session, self._clock()))
        before, full = len(self._due), set[str]()
        if before > 1:  # what was said goes before cards that change, of whatever ticket
            await self._serve_all(full, is_urgent=True)
        await self._serve_all(full, is_urgent=False)
        return before - len(self._due)

    async def _serve_all(self, full: set[str], *, is_urgent: bool) -> None:
        """`full` are the budgets that are spent for this look."""
        for ticket_id in list(self._due):
            if self._budgets.get(ticket_id) in full or self._doubts.holds(ticket_id, self._clock()):
                continue
            try:
                await self._serve(ticket_id, is_urgent)
            except NotYet as error:
                if isinstance(error, OutOfBudget):
                    self._budgets[ticket_id] = error.budget
                    full.add(error.budget)
                continue
            except Exception as error:
                log.error("staff: the topic of ticket %s stumbled: %s", ticket_id, place_of(error))
            if not is_urgent:
                self._due.pop(ticket_id, None)
                self._budgets.pop(ticket_id, None)

    async def _serve(self, ticket_id: int, is_urgent: bool) -> None:
        """One step after the other, each from what stands in the database then. Raises NotYet."""
        while True:
            async with self._database.reading() as session:
                view = await views.read(session, self._clock(), self._bot.account, ticket_id)
            if view is None or not await self._step(view, is_urgent):
                return

    async def _step(self, view: View, is_urgent: bool) -> bool:
        """The next thing that the topic lacks; False when it lacks nothing."""
        topic = view.topic
        if topic is None or topic.thread_id is None:
            return await self._make(view)
        if is_active(view.ticket.phase) and self._rules.group_of(view.ticket.queue) not in (topic.chat_id, ""):
            await self._leave(topic)
            return True
        try:
            is_more = await self._fill(view, topic, is_urgent)
        except TopicGone:
            await self._lose(topic)
            return is_active(view.ticket.phase)
        except Refused as error:
            return await self._give_way(topic, error)
        except DeliveryError as error:
            raise self._put_off(view.ticket, topic.chat_id, error) from error
        if is_more:
            await self._settle(view.ticket, topic)
        return is_more

    def _put_off(self, ticket: Ticket, chat_id: str, error: DeliveryError) -> NotYet:
        """What may stand in the group is said again, later each time; what cannot be said waits with the group."""
        log.warning("staff: the topic of %s was not written: %s", ticket.number, error)
        if isinstance(error, Ambiguous):
            self._doubts.grow(id_of(ticket), self._clock())
            return NotYet()
        self._pacing.hold(chat_id, self._clock(), error)
        return OutOfBudget(chat_id)

    async def _settle(self, ticket: Ticket, topic: Topic) -> None:
        """Something arrived."""
        self._doubts.end(id_of(ticket))
        self._pacing.went_well(topic.chat_id)
        if topic.problem is not None:
            await self._write(topic, problem=None)

    async def _give_way(self, topic: Topic, error: Refused) -> bool:
        """A topic that a person closed is opened again, a card that was deleted sent anew, once for each such refusal.

        What else the group refuses waits for the next full look.
        """
        reason, is_first = str(error).lower(), topic.problem != str(error)
        log.warning("staff: topic %s refuses a message: %s", topic.thread_id, error)
        mended: dict[str, object] = {}
        if "topic_closed" in reason:
            mended = {"state": TopicState.CLOSED}
        elif any(words in reason for words in _CARD_GONE):
            mended = {"card_id": None, "card": ""}
        await self._write(topic, problem=str(error), **mended)
        return is_first and bool(mended)

    async def _fill(self, view: View, topic: Topic, is_urgent: bool) -> bool:
        if is_active(view.ticket.phase) and topic.state == TopicState.CLOSED:
            await self._open_or_close(view, topic)
        elif topic.card_id is None:
            await self._show_card(view, topic)
        elif view.news:
            await self._show_news(view, topic)
        elif view.edits:
            await self._show_edits(view, topic)
        elif view.lost:
            await self._show_lost(view, topic)
        elif is_urgent:
            return False
        elif await self._is_card_old(view, topic):
            await self._show_card(view, topic)
        elif is_active(view.ticket.phase) != (topic.state == TopicState.OPEN):
            await self._open_or_close(view, topic)
        elif topic.known_version != view.ticket.version:
            await self._write(topic, known_version=view.ticket.version)
            return False
        else:
            return False
        return True

    # The topic itself

    async def _make(self, view: View) -> bool:
        """Claim the row, then make the topic; of several processes one does."""
        ticket, now = view.ticket, self._clock()
        chat_id = self._rules.group_of(ticket.queue)
        if not chat_id or not is_active(ticket.phase) or ticket.level < self._rules.from_level:
            return False
        if view.topic is not None and not topics.may_make(view.topic, now):
            raise NotYet
        if not self._pacing.may_make_topic(chat_id, now):
            raise OutOfBudget(_topics_of(chat_id))
        self._spend(chat_id)
        self._pacing.topic_asked(now)
        async with self._database.writing() as session:
            topic = await topics.claim(session, now, self._bot.account, chat_id, id_of(ticket), view.topic)
        if topic is None:
            return True
        name = cards.topic_name(view.row)
        try:
            thread_id = await self._bot.create_topic(chat_id, name)
        except DeliveryError as error:
            is_lost = isinstance(error, Ambiguous)
            state = TopicState.UNKNOWN if is_lost else TopicState.GONE
            await self._write(topic, state=state, problem=str(error))
            raise self._put_off_topic(ticket, chat_id, error) from error
        self._pacing.topic_made(chat_id)
        await self._write(topic, thread_id=thread_id, state=TopicState.OPEN, name=name)
        await self._settle(ticket, topic)
        return True

    def _put_off_topic(self, ticket: Ticket, chat_id: str, error: DeliveryError) -> NotYet:
        """Those that stand are none the worse for it."""
        if isinstance(error, Ambiguous):
            return self._put_off(ticket, chat_id, error)
        log.warning("staff: the topic of %s was not made: %s", ticket.number, error)
        self._pacing.hold_topics(chat_id, self._clock(), error)
        return OutOfBudget(_topics_of(chat_id))

    async def _leave(self, topic: Topic) -> None:
        """The ticket belongs into another group now; who writes here all the same is told where it is."""
        assert topic.thread_id is not None
        self._spend(topic.chat_id)
        try:
            await self._bot.close_topic(topic.chat_id, topic.thread_id)
        except DeliveryError as error:  # the old group may be gone
            log.info("staff: topic %s was not closed: %s", topic.thread_id, error)
        await self._lose(topic)

    async def _lose(self, topic: Topic) -> None:
        """It was deleted in the group, or left: a new one begins with the end of the conversation."""
        async with self._database.writing() as session:
            await session.exec(delete(Mirrored).where(col(Mirrored.topic_id) == topic.id))
            gone = {"state": TopicState.GONE, "thread_id": None, "card_id": None, "card": "", "name": ""}
            same = (col(Topic.id) == topic.id, col(Topic.thread_id) == topic.thread_id)
            await session.exec(update(Topic).where(*same).values(**gone))
        log.info("staff: topic %s is no more", topic.thread_id)

    async def _open_or_close(self, view: View, topic: Topic) -> None:
        assert topic.thread_id is not None
        name, is_open = cards.topic_name(view.row), is_active(view.ticket.phase)
        self._spend(topic.chat_id)
        if is_open:
            await self._bot.reopen_topic(topic.chat_id, topic.thread_id)
        if name != topic.name:
            await self._bot.rename_topic(topic.chat_id, topic.thread_id, name)
            self._pacing.may_send(topic.chat_id, self._clock())
        if not is_open:
            await self._bot.close_topic(topic.chat_id, topic.thread_id)
        async with self._database.writing() as session:
            if not is_open:
                await buttons.forget(session, id_of(view.ticket))
        await self._write(topic, state=TopicState.OPEN if is_open else TopicState.CLOSED, name=name)

    # What stands in it

    async def _show_card(self, view: View, topic: Topic) -> None:
        text, acts = self._card(view), buttons.card_acts(view.ticket, view.claims)
        self._spend(topic.chat_id)
        labels = [(self._label(act, argument), act, argument) for act, argument in acts]
        async with self._database.writing() as session:
            keys = await buttons.offer(session, self._clock(), view.ticket, labels)
        if topic.card_id in (None, UNNAMED):  # one whose number we never learned cannot be changed: another follows it
            number = await self._bot.send(self._place(topic), text, keys)
        else:
            number = topic.card_id
            await self._bot.edit(topic.chat_id, number, text, keys)
        handles = [key["handle"] for key in keys]
        async with self._database.writing() as session:
            old = (col(StaffButton.ticket_id) == view.ticket.id, col(StaffButton.handle).in_(_handles(topic.card)))
            await session.exec(delete(StaffButton).where(*old))
        kept = "\n".join([",".join(handles), text])
        news = {} if view.news or topic.card_id is None else {"known_version": view.ticket.version}
        await self._write(topic, card_id=number, card=kept, **news)

    async def _is_card_old(self, view: View, topic: Topic) -> bool:
        if topic.card.partition("\n")[2] != self._card(view):
            return True
        async with self._database.reading() as session:
            return await buttons.pressed(session, _handles(topic.card))

    async def _show_news(self, view: View, topic: Topic) -> None:
        """As many messages as go together: a summary of a backlog, one with pictures, or lines joined."""
        if len(view.news) > cards.BACKLOG:
            lines, text = view.news, cards.summary(self._room, view.ticket.number, view.news)
            shown: tuple[int, ...] = ()
        else:
            lines = self._together(view.news)
            text = "\n".join(cards.line_text(self._room, line) for line in lines)
            shown = lines[-1].pictures[:ALBUM] if self._rules.pictures else ()
        self._spend(topic.chat_id, len(shown) or 1)
        number, shown = await self._screenshots.send(self._place(topic), text, shown)
        async with self._database.writing() as session:
            await self._keep(session, topic, lines, number)
            for picture in shown:  # it may show a code: who looks for who saw it finds the group
                after = {"topic": topic.id}
                record(session, self._clock(), "bot", "picture.shown_to_group", f"picture:{picture}", after=after)

    def _together(self, news: Sequence[Line]) -> Sequence[Line]:
        """The longest beginning that fits into one message; pictures come with their own message alone."""
        if news[0].pictures and self._rules.pictures:
            return news[:1]
        taken, size = 0, 0
        for line in news:
            size += width(cards.line_text(self._room, line)) + 1
            if taken and (size > cards.CHUNK or (line.pictures and self._rules.pictures)):
                break
            taken += 1
        return news[:taken]

    async def _keep(self, session: AsyncSession, topic: Topic, lines: Sequence[Line], number: int) -> None:
        """Shown; what an agent wrote in the topic meanwhile stands there already."""
        known = select(Mirrored.message_id).where(Mirrored.topic_id == topic.id)
        there = set((await session.exec(known)).all())
        for line in lines:
            if (message_id := id_of(line.message)) not in there:
                shown = Mirrored(topic_id=id_of(topic), message_id=message_id, telegram_id=number)
                shown.revision_id = line.revision
                session.add(shown)

    async def _show_edits(self, view: View, topic: Topic) -> None:
        self._spend(topic.chat_id)
        edits = view.edits[:EDITS]
        text = "\n".join(cards.edit_text(self._room, line) for line, _ in edits)
        first = edits[0][0].message
        await self._bot.send(self._place(topic), text, reply_to=await self._shown_as(topic, id_of(first)))
        async with self._database.writing() as session:
            for line, revision in edits:
                here = (col(Mirrored.topic_id) == topic.id, col(Mirrored.message_id) == line.message.id)
                await session.exec(update(Mirrored).where(*here).values(revision_id=revision))

    async def _show_lost(self, view: View, topic: Topic) -> None:
        self._spend(topic.chat_id)
        photo = self._room.words("media.photo")  # of what has no words
        lost = view.lost[:LOST_AT_ONCE]
        said = [cards.safe(self._room, one.text)[:80] or photo for one in lost]
        why = [self._why(one.problem) for one in lost]
        texts = [self._room.words("lost", text=text, problem=one) for text, one in zip(said, why, strict=True)]
        await self._bot.send(self._place(topic), "\n".join(texts), reply_to=lost[0].shown_as)
        async with self._database.writing() as session:
            ids = [one.message_id for one in lost]
            here = (col(Mirrored.topic_id) == topic.id, col(Mirrored.message_id).in_(ids))
            await session.exec(update(Mirrored).where(*here).values(is_lost_told=True))

    async def _shown_as(self, topic: Topic, message_id: int) -> int | None:
        async with self._database.reading() as session:
            row = await session.get(Mirrored, (topic.id, message_id))
        return row.telegram_id if row else None

    def _why(self, problem: str) -> str:
        return self._room.why_lost(self._rules.language, problem)

    def _card(self, view: View) -> str:
        return cards.card(self._room, view.row, view.product, view.claims)

    def _label(self, act: buttons.Act, argument: str) -> str:
        if argument and act in (buttons.Act.INSTRUCT, buttons.Act.REJECT):
            return self._room.words(f"act.{act}_one", number=argument)
        return self._room.words(f"act.{act}", count=argument)

    def _place(self, topic: Topic) -> Place:
        return Place(topic.chat_id, topic.thread_id)

    def _spend(self, chat_id: str, cost: int = 1) -> None:
        if not self._pacing.may_send(chat_id, self._clock(), cost):
            raise OutOfBudget(chat_id)

    async def _write(self, topic: Topic, **values: object) -> None:
        async with self._database.writing() as session:
            await session.exec(update(Topic).where(col(Topic.id) == topic.id).values(**values))


def _topics_of(chat_id: str) -> str:
    """The budget for new topics of a group."""
    return f"topics of {chat_id}"


def _handles(card: str) -> list[str]:
    """Of the buttons under a card as it was sent last."""
    return [handle for handle in card.partition("\n")[0].split(",") if handle]
