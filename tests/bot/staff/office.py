"""A staff group to play in: the stand-in for Telegram, the staff bot beside a whole Kadesk, and people who type."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from bot import tables
from bot.bell import Bell
from bot.channels.port import Accept, Channel
from bot.fakes.bots import Account
from bot.fakes.chats import Sent, Topic
from bot.fakes.people import PIXELS
from bot.fakes.telegram import FakeTelegram, Limits, serving
from bot.staff.calls import StaffBot
from bot.staff.house import StaffHouse
from bot.staff.rules import Room, StaffRules
from kadesk.staff_bot import room_of
from tests.bot.conftest import House
from tickets import conversations, pictures
from tickets.link_tables import StaffLink
from tickets.outbox import mark_failed
from tickets.pixels import draw_anew
from tickets.tables import (
    Agent,
    Conversation,
    Level,
    Message,
    MessageRevision,
    Outgoing,
    Role,
    Sending,
    Ticket,
)

TOKEN = "987654321:AAH-fake-token-of-the-bot-of-the-staff-00"


@dataclass
class Office:
    """The group, and what happens in it."""

    house: House
    fake: FakeTelegram
    account: Account
    group: int
    staff: StaffHouse
    channels: list[Channel] = field(default_factory=list)  # of buyers
    people: dict[str, int] = field(default_factory=dict)  # login → Telegram user
    twins: list[StaffBot] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._offset: int | None = None
        self.inbox = self.house.inbox(self.staff.channel, dialogue=self.staff.talk)

    # Staff

    async def hire(self, login: str, name: str, role: Role = Role.AGENT, *, user: int | None = None) -> Agent:
        """An account; with a Telegram user it is linked, and that user is in the group."""
        agent = Agent(login=login, name=name, role=role, password_hash="-", created_at=self.house.clock())
        await self.house.add(agent)
        if user is not None:
            self.enter(user, name)
            self.people[login] = user
            await self.house.add(StaffLink(agent_id=agent.id or 0, user_id=user, linked_at=self.house.clock()))
            self.fake.private(self.account, user)
        return agent

    def enter(self, user: int, name: str) -> None:
        self.fake.people[user] = {"first_name": name}
        self.fake.groups[self.group].members.add(user)

    async def write(self, user: int, text: str, thread: int | None = None, **more: Any) -> dict[str, Any]:
        """In the group; returns the message."""
        update = self.fake.send(self.group, {"text": text}, bot=self.account, sender=user, thread_id=thread, **more)
        await self.settle()
        return dict(update["message"])

    async def whisper(self, user: int, text: str) -> str:
        """To the bot in private; what it answers."""
        before = len(self.fake.sent)
        self.fake.send(user, {"text": text}, bot=self.account)
        await self.settle()
        return "\n".join(sent.text for sent in self.fake.sent[before:] if sent.chat_id == user)

    async def press(self, label: str, *users: int, thread: int | None = None) -> str:
        """The newest button in the topic whose label holds `label`; the words that pop up.

        Several people press it at one moment.
        """
        return await self.press_handle(self.find_button(label, thread), *users)

    def find_button(self, label: str, thread: int | None) -> str:
        buttons = [
            button
            for sent in self.fake.sent
            if sent.chat_id == self.group and sent.thread_id == thread and not sent.is_deleted
            for button in self._buttons_now(sent)
            if label in button["text"]
        ]
        assert buttons, f"no button {label!r} in {thread}"
        return str(buttons[-1]["callback_data"])

    async def press_handle(self, handle: str, *users: int) -> str:
        before = len(self.account.notices)
        for user in users:
            self.fake.press(self.group, handle, bot=self.account, sender=user)
        await self.settle()
        return "\n".join(self.account.notices[before:])

    def _buttons_now(self, sent: Sent) -> list[dict[str, str]]:
        """An edit brings other buttons."""
        message = self.fake.groups[self.group].messages[sent.message_id]
        rows = (message.get("reply_markup") or {}).get("inline_keyboard", ())
        return [button for row in rows for button in row]

    async def receive(self, *updates: Any) -> None:
        """As they come from Telegram, of whatever shape, and no further than into the inbox."""
        await self.staff.line.arrivals.keep(self.house.door.accept, updates)

    # Tickets

    async def open(self, name: str = "小陈", subject: str = "卡密无效", level: Level = Level.HUMAN_QUEUE) -> Ticket:
        async with self.house.database.writing() as session:
            place = ("web", "main", f"address of {name}")
            met = await conversations.find_or_create(session, self.house.clock(), *place, name, "zh")
            message = await conversations.add_message(session, self.house.clock(), met, f"{subject}，怎么办")
            ticket = await self.house.desk.open(session, self.house.clock(), met, "question", subject, level=level)
            message.ticket_id = ticket.id
            session.add(message)
        return ticket

    async def hear(self, ticket: Ticket, text: str) -> Message:
        async with self.house.database.writing() as session:
            met = await session.get_one(Conversation, ticket.conversation_id)
            message = await conversations.add_message(session, self.house.clock(), met, text)
            await self.house.desk.hear(session, self.house.clock(), ticket, message)
        return message

    async def do(self, verb: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        async with self.house.database.writing() as session:
            return await verb(session, self.house.clock(), *arguments, **options)

    async def agent(self, login: str) -> int:
        found: Agent = await self.house.one(Agent, login=login)
        assert found.id is not None
        return found.id

    async def sent_by_staff(self) -> list[Message]:
        """What went to buyers as an agent's word."""
        return [one for one in await self.house.all(Message, author="agent") if not one.is_note]

    async def edit(self, message: Message, text: str) -> None:
        """The buyer edits what they said."""
        async with self.house.database.writing() as session:
            kept = await session.get_one(Message, message.id)
            session.add(MessageRevision(message_id=kept.id or 0, text=kept.text, replaced_at=self.house.clock()))
            kept.text = text
            session.add(kept)

    async def fail_last(self, problem: str) -> None:
        """The last word of ours does not reach its buyer."""
        last = (await self.house.all(Outgoing))[-1]
        await self.do(mark_failed, last.id, Sending.BLOCKED, problem)

    async def show_pictures(self, ticket: Ticket, text: str, count: int) -> None:
        """The buyer sends screenshots."""
        message = await self.hear(ticket, text)
        async with self.house.database.writing() as session:
            kept = await session.get_one(Message, message.id)
            for _ in range(count):
                await pictures.keep(session, self.house.clock(), self.house.vault, kept, draw_anew(PIXELS))

    def twin(self, accept: Accept | None = None, **options: Any) -> StaffHouse:
        """The staff bot of another process."""
        bot = StaffBot(TOKEN, self.fake.base, **{key: options[key] for key in options if key == "note"})
        room = office_room(self.house, self.group, per_minute=600)
        self.twins.append(bot)
        stored = accept or self.house.door.accept
        return StaffHouse(self.house.database, room, bot, stored, self.house.clock, Bell(), **options)

    def expel(self) -> None:
        """The bot is thrown out of the group."""
        self.fake.groups[self.group].members.discard(self.account.id)

    def readmit(self) -> None:
        self.fake.groups[self.group].members.add(self.account.id)

    async def fresh(self, ticket: Ticket) -> Ticket:
        found: Ticket = await self.house.one(Ticket, id=ticket.id)
        return found

    # What stands in the group

    async def topic(self, ticket: Ticket) -> Topic:
        row = await self.house.one(tables.Topic, ticket_id=ticket.id)
        return self.fake.groups[self.group].topics[row.thread_id]

    async def thread(self, ticket: Ticket) -> int:
        return (await self.topic(ticket)).id

    def texts(self, thread: int | None = None, chat: int | None = None) -> list[str]:
        """What the bot has written there, as it stands now."""
        place = (chat or self.group, thread)
        return [sent.text for sent in self.fake.sent if (sent.chat_id, sent.thread_id) == place]

    # Time

    async def settle(self, rounds: int = 1) -> None:
        """All that is due now is done."""
        for _ in range(rounds):
            self.house.clock.advance(seconds=1)
            self._offset = await self.staff.look(self._offset)
            await self.inbox.drain()
            await self.house.delivery(*self.channels).drain()
            await self.staff.work()

    async def later(self, **span: float) -> None:
        """Time goes on in steps of five seconds, and what comes due is done."""
        seconds = sum(count * {"seconds": 1, "minutes": 60, "hours": 3600}[unit] for unit, count in span.items())
        for _ in range(max(1, round(seconds / 5))):
            self.house.clock.advance(seconds=5)
            await self.settle()


class Counting(Limits):
    """Telegram's limits, and how often they were hit."""

    refused = 0

    def wait_for(self, chat_id: int, now: float, messages: int = 1) -> int:
        wait = super().wait_for(chat_id, now, messages)
        self.refused += bool(wait)
        return wait


def office_room(house: House, group: int, **choices: Any) -> Room:
    rules = StaffRules(account=TOKEN.partition(":")[0], group=str(group), console="https://kadesk.test")
    return room_of(house, replace(rules, **choices))


@asynccontextmanager
async def opened(house: House, *, limits: bool = False, **choices: Any) -> AsyncIterator[Office]:
    """An empty forum group with the staff bot as its admin."""
    fake = FakeTelegram(clock=lambda: house.clock().timestamp())
    account = fake.add_bot(TOKEN, name="客服后台", username="kadesk_staff_bot", limits=Limits() if limits else None)
    group = fake.group("客服", people=[1], admins=[account.id], bots=[account], is_forum=True)
    async with serving(fake):
        bot = StaffBot(TOKEN, fake.base)
        room = office_room(house, group, **choices)
        staff = StaffHouse(house.database, room, bot, house.door.accept, house.clock, Bell())
        office = Office(house, fake, account, group, staff)
        yield office
        staff.close()
        for one in (bot, *office.twins):
            await one.close()
