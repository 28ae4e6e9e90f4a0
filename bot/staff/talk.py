"""What staff say and press, and what follows: one update, one transaction, one effect.

Who acts is found by number at the moment of the effect, with the account and the rights that they have then. Whoever is
not linked speaks to nobody: their words stay in the group.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from audit.errors import KadeskError
from audit.trail import record
from bot import topics
from bot.channels.port import Inbound, Kind
from bot.staff import buttons, commands
from bot.staff.asked import Asked, Said
from bot.staff.buttons import ASKS_FIRST, BARE_ASKS, SURE, Act
from bot.staff.commands import Command
from bot.staff.deeds import Deeds, find_by_number
from bot.staff.errors import (
    ButtonSpent,
    CommandOnPicture,
    EditOfUnsent,
    NotLinked,
    OnlyInTopic,
    OnlyPictures,
    PictureAway,
    TooLateToEdit,
)
from bot.staff.lists import Lists, link_to
from bot.staff.menu import help_text
from bot.staff.posts import say_once
from bot.staff.reading import FromStaff
from bot.staff.rules import Room
from bot.staff.tables import EDIT, Mirrored, StaffPost
from bot.tables import Topic, TopicState
from shop.port import Order
from tickets import staff_links
from tickets.enclosing import Enclosed
from tickets.errors import NoPicture, PictureTooLarge
from tickets.lifecycle import is_active
from tickets.pixels import BYTES
from tickets.tables import Agent, Author, Message, Ticket, id_of

EDIT_WITHIN = timedelta(minutes=15)  # an edit of a reply is sent on as a correction


@dataclass(frozen=True, slots=True)
class Scene:
    """What must be asked of the shop before an update takes effect."""

    order_ref: str | None = None


class Talk:
    """`bot.inbox.Dialogue` for staff."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._rules = room.rules
        self._deeds = Deeds(room)
        self._lists = Lists(room)
        self._see_below = room.words("see_below")

    async def set_scene(self, session: AsyncSession, now: datetime, inbound: Inbound) -> Scene:
        assert isinstance(inbound, FromStaff)
        topic = await self._find_topic(session, inbound)
        ticket_id = topic.ticket_id if topic else None
        if inbound.kind == Kind.PRESS:
            button = await buttons.find_button(session, inbound.handle)
            wants_refund = button is not None and button.act == Act.REFUND and button.argument.startswith(SURE)
            ticket_id = button.ticket_id if button else None
        else:
            wants_refund = _command_of(inbound) == Act.REFUND
        ticket = await session.get(Ticket, ticket_id) if wants_refund and ticket_id else None
        return Scene(ticket.order_ref if ticket else None)

    async def look_up(self, scene: Scene, inbound: Inbound) -> Order | KadeskError | None:
        if not scene.order_ref:
            return None
        shop, _, number = scene.order_ref.rpartition("/")
        try:
            order = await self._room.shop.find_order(number)
        except KadeskError as error:  # the shop is away: that is what the agent is told
            return error
        return order if order is not None and shop in ("", order.shop) else None

    async def answer(
        self, session: AsyncSession, now: datetime, inbound: Inbound, looked: Order | KadeskError | None
    ) -> None:
        """Decide, and write everything that follows into the caller's transaction; a refusal changes nothing else."""
        assert isinstance(inbound, FromStaff)
        if not inbound.is_private and not self._rules.is_group(inbound.chat_id):
            await self._in_strange_group(session, now, inbound)
            return
        agent = None if inbound.is_anonymous else await staff_links.find_linked(session, inbound.user_id)
        try:
            async with session.begin_nested():
                said = await self._act(session, now, inbound, agent, looked)
        except KadeskError as error:
            await self._tell(session, now, inbound, f"✋ {self._room.refusal(error)}", is_alert=True)
            return
        if said is not None and said.text:
            await self._report(session, now, inbound, said, agent)

    async def apologise(self, session: AsyncSession, now: datetime, inbound: Inbound) -> None:
        assert isinstance(inbound, FromStaff)
        await self._tell(session, now, inbound, f"✋ {self._room.words('laid_aside')}", is_alert=True)

    async def calm(self, session: AsyncSession, now: datetime, inbound: Inbound) -> None:
        """Staff are not told to slow down: what they said takes effect in its order."""

    async def _act(
        self,
        session: AsyncSession,
        now: datetime,
        said: FromStaff,
        agent: Agent | None,
        order: Order | KadeskError | None,
    ) -> Said | None:
        if said.kind == Kind.PRESS:
            return await self._press(session, now, said, agent, order)
        if said.has_closed:
            return await self._open_again(session, now, said, agent)
        command = commands.find_command(said.text) if said.kind == Kind.TEXT and not said.is_edit else None
        if command is not None and command.name in ("start", "help", "link", "unlink"):
            return await self._introduce(session, now, said, agent, command)
        topic = await self._find_topic(session, said)
        if agent is None:
            await self._tell_stranger(session, now, said, is_heard=command is not None or topic is not None)
            return None
        if topic is None:
            return await self._outside(session, now, said, agent, command)
        ticket = await session.get_one(Ticket, topic.ticket_id)
        if command is not None:
            known = set(Act)
            if command.name not in known:
                return await self._look(session, now, agent, command)
            asked = Asked(session, now, agent, ticket, topic, command.words, order)
            return await self._on_command(asked, said, Act(command.name))
        return await self._reply(session, now, said, agent, ticket, topic)

    async def _on_command(self, asked: Asked, said: FromStaff, act: Act) -> Said:
        if act == Act.NOTE:
            note = await self._room.desk.note(asked.session, asked.now, *asked.who, asked.words)
            self._show(asked.session, asked.topic, note, said.number)
            return Said("")
        if act in BARE_ASKS and not asked.words:
            return await self._deeds.preview(asked, act)
        return await self._deeds.do(asked, act)

    async def _reply(
        self, session: AsyncSession, now: datetime, said: FromStaff, agent: Agent, ticket: Ticket, topic: Topic
    ) -> Said | None:
        """Words and pictures in a topic go to the buyer, as if they had been sent from the console."""
        if said.is_edit and said.kind != Kind.TEXT:  # of what has no words: Telegram tells of changes that nobody sees
            return None
        text, enclosed = said.text, self._enclosed(said)
        if said.is_edit:
            corrected = await self._correction(session, said, agent, topic)
            if corrected is None:
                return None
            text = corrected
        was_seen = topic.known_version == ticket.version
        who = (id_of(ticket), id_of(agent))
        message = await self._room.desk.reply(session, now, *who, text, enclosed=enclosed)
        self._show(session, topic, message, said.number)
        await session.flush()
        if was_seen:
            topic.known_version = ticket.version
            session.add(topic)
        return Said(self._room.words("done.correction")) if said.is_edit else None

    def _enclosed(self, said: FromStaff) -> Enclosed | None:
        """The pictures that came along: all of them, or why none goes out."""
        if said.kind == Kind.TEXT:
            return None
        if said.text.startswith("/"):
            raise CommandOnPicture()
        problems = [one.get("problem", "") for one in said.attachments]
        if "too_large" in problems:
            raise PictureTooLarge(megabytes=BYTES >> 20)
        if "no_picture" in problems:
            raise NoPicture()
        if any(problems):
            raise PictureAway()
        if problems or not said.pictures:
            raise OnlyPictures()
        return Enclosed(self._room.vault, said.pictures)

    async def _correction(self, session: AsyncSession, said: FromStaff, agent: Agent, topic: Topic) -> str | None:
        """What to send on of an edit; None where nothing was changed, and of what nobody knows any more.

        Raises `TooLateToEdit`, `EditOfUnsent`.
        """
        here = (Mirrored.topic_id == topic.id, Mirrored.telegram_id == said.number)
        shown = select(Message).join(Mirrored, col(Mirrored.message_id) == col(Message.id)).where(*here)
        message = (await session.exec(shown.order_by(col(Message.id).desc()))).first()
        if message is None and said.sent_at - said.said_at <= EDIT_WITHIN:
            raise EditOfUnsent()
        if message is None or message.author != Author.AGENT or message.agent_id != agent.id:
            return None
        corrected = self._room.words("correction", text=said.text.strip())
        if message.text in (said.text.strip(), corrected):
            return None
        if message.is_note or said.sent_at - message.created_at > EDIT_WITHIN:
            raise TooLateToEdit(minutes=int(EDIT_WITHIN.total_seconds() // 60))
        return corrected

    async def _press(
        self,
        session: AsyncSession,
        now: datetime,
        said: FromStaff,
        agent: Agent | None,
        order: Order | KadeskError | None,
    ) -> Said:
        if agent is None:
            raise NotLinked()
        button = await buttons.find_button(session, said.handle)
        if button is None or button.pressed_at is not None:
            raise ButtonSpent()
        ticket = await session.get_one(Ticket, button.ticket_id, populate_existing=True)
        topic = await topics.find(session, self._rules.account, id_of(ticket))
        act, is_sure = Act(button.act), button.argument.startswith(SURE)
        asked = Asked(session, now, agent, ticket, topic, button.argument.removeprefix(SURE), order)
        if act in ASKS_FIRST and not is_sure:
            return await self._deeds.preview(asked, act)
        if not await buttons.use(session, now, button):
            raise ButtonSpent()
        return await self._deeds.do(asked, act)

    async def _open_again(
        self, session: AsyncSession, now: datetime, said: FromStaff, agent: Agent | None
    ) -> Said | None:
        """Who closes the topic of an open ticket may believe it settled: they are told, and the mirror opens it."""
        topic = await self._find_topic(session, said)
        ticket = await session.get_one(Ticket, topic.ticket_id) if topic else None
        if topic is None or ticket is None or not is_active(ticket.phase):
            return None
        topic.state = TopicState.CLOSED
        session.add(topic)
        record(session, now, f"agent:{agent.id}" if agent else "bot", "topic.closed", f"ticket:{ticket.id}")
        return Said(self._room.words("closed_by_hand", number=ticket.number))

    async def _outside(
        self, session: AsyncSession, now: datetime, said: FromStaff, agent: Agent, command: Command | None
    ) -> Said | None:
        """In the general topic, in private, or in a topic that is no ticket's."""
        if command is not None and command.name not in set(Act):
            return await self._look(session, now, agent, command)
        if command is not None:
            raise OnlyInTopic(name=f"/{command.name}")
        if said.is_private:
            return Said(help_text(self._room))
        if said.thread_id is not None and (number := topics.number_in(said.root)):
            await self._tell_elsewhere(session, now, said, number)
        return None

    async def _look(self, session: AsyncSession, now: datetime, agent: Agent, command: Command) -> Said:
        match command.name:
            case "queue":
                return Said(await self._lists.queue(session, now))
            case "mine":
                return Said(await self._lists.mine(session, now, agent))
            case "next":
                return Said(await self._lists.take_next(session, now, agent))
            case "sla":
                return Said(await self._lists.sla(session, now))
            case _:
                return Said(await self._lists.find(session, now, command.words))

    async def _introduce(
        self, session: AsyncSession, now: datetime, said: FromStaff, agent: Agent | None, command: Command
    ) -> Said:
        """What anybody may ask, linked or not."""
        words = self._room.words
        if command.name == "link" and not said.is_private:
            return Said(f"✋ {words('link_in_private')}")
        if command.name == "link" and command.words:
            linked = await staff_links.use_code(session, now, self._room.vault, command.words, said.user_id)
            return Said(words("linked", agent=linked.name))
        if command.name == "unlink" and agent is not None:
            await staff_links.unlink(session, now, id_of(agent), id_of(agent))
            return Said(words("unlinked"))
        return Said(help_text(self._room) if agent is not None else words("welcome"))

    async def _tell_stranger(self, session: AsyncSession, now: datetime, said: FromStaff, *, is_heard: bool) -> None:
        """Once to each who speaks to a buyer, or to us, and is not linked; chatter is left alone."""
        if not is_heard and not said.is_private:
            return
        key = "stranger.anonymous" if said.is_anonymous else "stranger.unlinked"
        post = self._post(now, said, f"✋ {self._room.words(key, name=said.name or '?')}")
        post.cause = f"stranger:{said.chat_id}:{said.user_id}"
        await say_once(session, post)

    async def _tell_elsewhere(self, session: AsyncSession, now: datetime, said: FromStaff, number: str) -> None:
        """A topic that looks like a ticket's and is not: what is said here reaches nobody, and they are told once."""
        ticket = await find_by_number(session, number)
        topic = await topics.find(session, self._rules.account, id_of(ticket)) if ticket else None
        is_lost = topic is not None and topic.state == TopicState.UNKNOWN and topic.thread_id is None
        if topic is not None and is_lost and self._rules.is_group(said.chat_id):
            # It was made, and only the answer was lost: this is it.
            topic.thread_id, topic.state, topic.problem = said.thread_id, TopicState.OPEN, None
            session.add(topic)
            text = self._room.words("adopted", number=number)
        else:
            is_there = topic is not None and topic.thread_id is not None and topic.chat_id in self._rules.chats
            way = link_to(topic) if topic and is_there else self._rules.page_of(number)
            text = self._room.words("elsewhere", number=number, way=way)
        post = self._post(now, said, f"✋ {text}")
        post.cause = f"elsewhere:{said.chat_id}:{said.thread_id}"
        await say_once(session, post)

    async def _in_strange_group(self, session: AsyncSession, now: datetime, said: FromStaff) -> None:
        """Setting up: its number is told to who asks by a command. Where it was the staff's: where its tickets are."""
        if said.kind == Kind.TEXT and said.text.startswith("/"):
            post = self._post(now, said, self._room.words("strange_group", group=said.chat_id))
            post.cause = f"group:{said.chat_id}"
            await say_once(session, post)
        elif (number := topics.number_in(said.root)) and await staff_links.find_linked(session, said.user_id):
            await self._tell_elsewhere(session, now, said, number)

    async def _report(
        self, session: AsyncSession, now: datetime, said: FromStaff, what: Said, agent: Agent | None
    ) -> None:
        """A press is answered where it was made; what has buttons of its own is a message, and goes on in its place."""
        post = self._post(now, said, what.text)
        if said.kind == Kind.PRESS:
            button = await buttons.find_button(session, said.handle)
            goes_on = button is not None and buttons.is_under_preview(button)
            await self._tell(session, now, said, what.text if not what.wishes else "" if goes_on else self._see_below)
            if not what.wishes and not goes_on:
                return
            if goes_on:
                post.reply_to, post.cause = said.number, f"{EDIT}{said.chat_id}:{said.number}:{said.update_id}"
                post.text = what.text if what.wishes or agent is None else f"{what.text} · {agent.name}"
        if what.wishes:
            post.buttons = await buttons.offer(session, now, await self._ticket_of(session, said), what.wishes)
        session.add(post)

    async def _ticket_of(self, session: AsyncSession, said: FromStaff) -> Ticket:
        button = await buttons.find_button(session, said.handle) if said.kind == Kind.PRESS else None
        topic = await self._find_topic(session, said)
        return await session.get_one(Ticket, button.ticket_id if button else topic.ticket_id if topic else 0)

    async def _tell(
        self, session: AsyncSession, now: datetime, said: FromStaff, text: str, *, is_alert: bool = False
    ) -> None:
        """To who acted: where they pressed, or under what they wrote."""
        post = self._post(now, said, text)
        if said.kind == Kind.PRESS:
            post.query_id, post.is_alert = said.query_id, is_alert
            post.chat_id, post.thread_id, post.reply_to = str(said.user_id), None, None
        session.add(post)

    def _post(self, now: datetime, said: FromStaff, text: str) -> StaffPost:
        return StaffPost(
            bot=self._rules.account,
            chat_id=said.chat_id,
            thread_id=said.thread_id,
            reply_to=None if said.is_private or said.kind == Kind.PRESS else said.number,
            text=text,
            buttons=[],
            not_before=now,
            created_at=now,
        )

    def _show(self, session: AsyncSession, topic: Topic | None, message: Message, number: int | None) -> None:
        """What was written in the topic is shown there already."""
        if topic is not None and number is not None:
            session.add(Mirrored(topic_id=id_of(topic), message_id=id_of(message), telegram_id=number))

    async def _find_topic(self, session: AsyncSession, said: FromStaff) -> Topic | None:
        if said.thread_id is None or said.is_private:
            return None
        return await topics.find_at(session, self._rules.account, said.chat_id, said.thread_id)


def _command_of(said: FromStaff) -> str:
    try:
        command = commands.find_command(said.text)
    except KadeskError:
        return ""
    return command.name if command else ""
