"""Kill -9 while Telegram tells what buyers say, by webhook and by polling: nothing is lost, doubled or out of order.

The stand-in for Telegram has Telegram's rules: a chat's next update comes when the one before was acknowledged, what
was not comes again, and one reader at a time polls. `TELEGRAM_UPDATES` and `TELEGRAM_KILLS` are the size of one run;
a few hundred updates are under way at a time, and the kills lie anywhere in it. One of a hundred updates is poison.
On two quiet cores 10,000 updates and 30 kills took 110 seconds on SQLite, and 162 on PostgreSQL with three processes.
100,000 and 300, beside other work, took 58 minutes on SQLite and 72 on PostgreSQL: none lost, doubled or overtaken.
"""

import asyncio
import os
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from statistics import quantiles
from typing import Any

import pytest
from sqlalchemy import String, cast, literal
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from audit.tables import AuditRow
from bot.fakes.telegram import TOKEN, FakeTelegram, serving
from bot.inbox import BACKOFF
from bot.tables import InboxRow, InboxState
from kadesk.database import Database
from tests.stories.family import QUESTIONS, Balancer, Family, unfinished, wait_for
from tickets.tables import Author, Conversation, Message, Outgoing, Sending

UPDATES = int(os.environ.get("TELEGRAM_UPDATES", "10000"))
KILLS = int(os.environ.get("TELEGRAM_KILLS", "30"))  # half of them while Telegram calls us, half while we poll
CHATS = max(12, UPDATES // 20)
AHEAD = 300  # updates that are under way at a time
POISONED = 0.01
TRIES = len(BACKOFF) + 1
LAID_ASIDE_WITHIN = timedelta(minutes=1)
HASTE = 20  # times sooner what fails is tried again where a story says "hasty"
WAITS = "" if UPDATES > 20_000 else " hasty"
PACES = (50, 25, 12)  # updates a second, of as many buyers: the first that the machine keeps up with
CALM = 0.5  # seconds: who waits longer for an answer waits for the machine
POISON = 2  # updates, as many as there are lanes where a twin is stubborn
POISONED_CHAT = 1_000


@pytest.fixture
async def fake(family: Family) -> AsyncIterator[FakeTelegram]:
    """Telegram, that calls each of the family."""
    fake = FakeTelegram()
    fake.first_wait, fake.longest_wait, fake.longest_poll = 0.05, 0.4, 1
    async with serving(fake):
        fake.client = Balancer(fake.client, family.ports)  # type: ignore[assignment]
        family.settings |= {"KADESK_TELEGRAM__TOKEN": TOKEN, "KADESK_TELEGRAM__API_BASE": fake.base}
        yield fake


@pytest.fixture
async def watched(family: Family) -> AsyncIterator[Database]:
    database = Database(family.database_url)
    yield database
    await database.close()


@dataclass
class Crowd:
    """Buyers who write without waiting for answers."""

    fake: FakeTelegram
    database: Database  # of the family, to see how far it is
    chance: random.Random
    count: int = 0  # of what was said
    said: dict[int, list[str]] = field(default_factory=lambda: defaultdict(list))  # chat → message ids, in order
    poison: set[str] = field(default_factory=set)

    def say(self, count: int) -> None:
        for _ in range(count):
            is_poison = self.chance.random() < POISONED
            words = "poison" if is_poison else self.chance.choice(QUESTIONS)
            chat = self.chance.randrange(1, CHATS + 1)
            number = str(self.fake.say(chat, words)["message"]["message_id"])
            self.count += 1
            self.said[chat].append(number)
            if is_poison:
                self.poison.add(number)

    async def write(self, heard: int, most: int) -> None:
        """Keep some under way until so many took effect and were answered; say no more than `most`."""
        while True:
            under_way = self.fake.bot.updates.pending + await unfinished(self.database)
            if self.count - under_way >= heard:
                return
            self.say(min(AHEAD - under_way, most - self.count))
            await asyncio.sleep(0.05)

    @property
    def expected(self) -> dict[int, list[str]]:
        """What must take effect, by chat."""
        return {chat: [one for one in numbers if one not in self.poison] for chat, numbers in self.said.items()}


async def live_through(family: Family, crowd: Crowd, receive: str, faults: str, kills: int, updates: int) -> None:
    """Buyers write, and now one process dies, now another."""
    chosen = {"KADESK_TELEGRAM__RECEIVE": receive}
    for port in family.ports:
        await family.birth(port, faults, **chosen)
    begun = crowd.count
    for point in sorted(crowd.chance.sample(range(updates), kills)):
        await crowd.write(begun + point, begun + updates)
        await family.replace(crowd.chance, faults, **chosen)
    await crowd.write(begun + updates - AHEAD, begun + updates)
    crowd.say(begun + updates - crowd.count)


@dataclass
class Found:
    """What a run left in the database and at Telegram."""

    heard: dict[int, list[str]]  # chat → message ids that took effect, in order
    answers: dict[int, int]  # chat → what the bot said
    dead: int
    unsent: int
    inverted: int  # chats to which messages were not sent in their order

    @classmethod
    async def read(cls, database: Database) -> "Found":
        async with database.reading() as session:
            met = (await session.exec(select(Conversation).where(Conversation.channel == "telegram"))).all()
            chats = {one.id: int(one.address) for one in met}
            here = col(Message.conversation_id).in_(chats)
            messages = (await session.exec(select(Message).where(here).order_by(col(Message.id)))).all()
            there = Outgoing.channel == "telegram"
            outgoing = (await session.exec(select(Outgoing).where(there).order_by(col(Outgoing.id)))).all()
            dead = (await session.exec(select(InboxRow.id).where(InboxRow.state == InboxState.DEAD))).all()
        heard, answers, numbers = defaultdict[int, Any](list), defaultdict[int, int](int), defaultdict[int, Any](list)
        for message in messages:
            if message.author == Author.BUYER:
                heard[chats[message.conversation_id]].append(message.foreign_id or "")
            else:
                answers[chats[message.conversation_id]] += 1
        for row in outgoing:
            if row.state == Sending.SENT:
                numbers[chats[row.conversation_id]].append(int(row.foreign_id or 0))
        unsent = sum(row.state not in (Sending.SENT, Sending.UNKNOWN) for row in outgoing)
        return cls(heard, answers, len(dead), unsent, sum(some != sorted(some) for some in numbers.values()))


async def deaths(session: AsyncSession) -> list[timedelta]:
    """How long each update that was laid aside had been with us."""
    here = col(AuditRow.subject) == literal("inbox:").concat(cast(col(InboxRow.id), String))
    died = select(AuditRow.at, InboxRow.received_at).join(InboxRow, here).where(AuditRow.action == "inbox.died")
    return [died_at - received_at for died_at, received_at in (await session.exec(died)).all()]


async def settle(family: Family, crowd: Crowd) -> Found:
    """Wait until nothing is under way anywhere; what was left."""
    async with family.settled(lambda: not crowd.fake.bot.updates.pending, 60 + UPDATES / 5) as database:
        return await Found.read(database)


def problems(crowd: Crowd, found: Found) -> Iterator[str]:
    for chat, expected in crowd.expected.items():
        heard = found.heard.get(chat, [])
        poisoned = len(crowd.said[chat]) - len(expected)
        if lost := set(expected) - set(heard):
            yield f"chat {chat}: {len(lost)} lost"
        elif heard != expected:
            yield f"chat {chat}: doubled or not in order: {expected} became {heard}"
        elif found.answers[chat] != len(expected) + poisoned + 1:  # it introduces itself, and says sorry for poison
            yield f"chat {chat}: {found.answers[chat]} answers to {len(expected)}"
    if found.dead != len(crowd.poison):
        yield f"{found.dead} dead letters of {len(crowd.poison)} poisoned"
    if found.unsent or found.inverted:
        yield f"{found.unsent} not sent, {found.inverted} chats out of order"


@pytest.mark.slow
@pytest.mark.alone
async def test_no_update_is_lost_doubled_or_overtaken(family: Family, fake: FakeTelegram, watched: Database) -> None:
    crowd = Crowd(fake, watched, random.Random(len(family.ports)))

    for receive in ("webhook", "polling"):  # the owner changes it while much is under way
        family.kill_all()
        await live_through(family, crowd, receive, "poison" + WAITS, KILLS // 2, UPDATES // 2)

    assert list(problems(crowd, await settle(family, crowd))) == []


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.parametrize("server", ["sqlite"], indirect=True)
async def test_a_broken_twin_that_acknowledges_before_it_commits_loses_some(
    family: Family, fake: FakeTelegram, watched: Database
) -> None:
    crowd = Crowd(fake, watched, random.Random(7))

    await live_through(family, crowd, "webhook", "early poison hasty", 3, 60)

    assert any("lost" in problem for problem in problems(crowd, await settle(family, crowd)))


@dataclass
class Street:
    """Buyers who write at their own pace, each one now and then; how long each waited for the answer."""

    fake: FakeTelegram
    said_at: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))  # by chat

    async def write(self, seconds: float, pace: int, poisoned: int = 0) -> tuple[float, float]:
        """The `waits` of those who say no poison, once all are answered."""
        for number in range(poisoned):
            self.fake.say(POISONED_CHAT + number, "poison")
        begun, said = asyncio.get_running_loop().time(), set()
        for number in range(int(seconds * pace)):
            await asyncio.sleep(begun + number / pace - asyncio.get_running_loop().time())
            chat = 1 + number % pace  # nobody writes twice a second
            said.add((chat, len(self.said_at[chat])))
            self.said_at[chat].append(self.fake.clock())
            self.fake.say(chat, QUESTIONS[number % len(QUESTIONS)])
        expected = sum(map(len, self.said_at.values())) + len(self.said_at)  # the bot introduces itself
        await wait_for(lambda: sum(one.chat_id in self.said_at for one in self.fake.sent) >= expected, 120)
        return self._waits(said)

    def _waits(self, said: set[tuple[int, int]]) -> tuple[float, float]:
        """The 95th and the 99th of a hundred, in seconds; `said` are chats and numbers."""
        answered_at = {chat: [one.at for one in self.fake.sent if one.chat_id == chat][1:] for chat in self.said_at}
        waits = [answered_at[chat][number] - self.said_at[chat][number] for chat, number in said]
        cuts = quantiles(waits, n=100, method="inclusive")
        return cuts[94], cuts[98]


async def go_beside_poison(family: Family, street: Street, faults: str, seconds: float) -> list[tuple[float, float]]:
    """The waits of those who say no poison: while nobody does, and while one of a hundred updates is."""
    for port in family.ports:
        await family.birth(port, faults, KADESK_TELEGRAM__RECEIVE="webhook")
    await street.write(1.5, PACES[0])  # they get to know each other
    for pace in PACES:
        alone = await street.write(seconds, pace)
        if alone[0] < CALM:
            break
    beside = await street.write(seconds, pace, POISON)
    return [alone, beside]


def longer(alone: tuple[float, float], beside: tuple[float, float]) -> bool:
    """Whether they waited longer, by more than chance has it; what is poisoned is tried for two seconds."""
    return any(then > 1.5 * before + 0.5 for before, then in zip(alone, beside, strict=True))


@pytest.mark.slow
@pytest.mark.alone
async def test_poison_keeps_no_other_buyer_waiting_and_is_laid_aside_within_a_minute(
    family: Family, fake: FakeTelegram
) -> None:
    alone, beside = await go_beside_poison(family, Street(fake), f"poison{WAITS}", 4)

    async with family.settled(lambda: True, 120) as database, database.reading() as session:
        laid_aside = await deaths(session)
    assert not longer(alone, beside), (alone, beside)
    assert len(laid_aside) == POISON
    spared = sum(BACKOFF, timedelta()) * (1 - 1 / HASTE) if WAITS else timedelta()
    in_line = TRIES * timedelta(seconds=beside[1])  # behind others, before each try
    assert max(laid_aside) + spared < LAID_ASIDE_WITHIN + in_line


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.parametrize("server", ["sqlite"], indirect=True)
async def test_a_broken_twin_that_stays_with_what_failed_keeps_others_waiting(
    family: Family, fake: FakeTelegram
) -> None:
    alone, beside = await go_beside_poison(family, Street(fake), "poison hasty stubborn", 2)

    assert longer(alone, beside), (alone, beside)
