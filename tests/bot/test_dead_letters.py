"""The dead-letter list: seen without its words, tried again once, or dropped."""

import asyncio
import json
from typing import Any

import pytest

from audit.tables import AuditRow
from bot import dead_letters
from bot.channels.port import Update
from bot.errors import NotLaidAside
from bot.fakes.buyer import Buyer, TerminalFront
from bot.tables import InboxRow, InboxState
from tests.bot.conftest import CODE, House
from tickets.tables import Conversation, Message


class Broken:
    """A dialogue with a fault, until it is mended."""

    def __init__(self, dialogue: Any) -> None:
        self._dialogue = dialogue
        self.is_mended = False

    def __getattr__(self, name: str) -> Any:
        if name == "answer" and not self.is_mended:
            raise RuntimeError("a fault")
        return getattr(self._dialogue, name)


@pytest.fixture
def front(house: House) -> TerminalFront:
    return TerminalFront("anna", house.door.accept, house.clock)


@pytest.fixture
def broken(house: House) -> Broken:
    return Broken(house.dialogue)


async def lay_aside(house: House, front: TerminalFront, broken: Broken, text: str) -> Any:
    """The row of a message that failed five times."""
    await front.say(text)
    worker = house.inbox(front.channel, dialogue=broken)
    row = None
    while row is None or row.state == InboxState.PENDING:
        await worker.drain()
        house.clock.advance(minutes=1)
        row = (await house.all(InboxRow))[-1]
    return row


async def do(house: House, verb: Any, *arguments: Any) -> Any:
    async with house.database.writing() as session:
        return await verb(session, house.clock(), *arguments)


async def test_the_list_tells_whose_and_why_and_no_word(house: House, front: TerminalFront, broken: Broken) -> None:
    broken.is_mended = True
    await Buyer(front, house.inbox(front.channel, dialogue=broken).drain).say("在吗")
    broken.is_mended = False
    row = await lay_aside(house, front, broken, f"坏了 {CODE}")

    async with house.database.reading() as session:
        (letter,) = await dead_letters.latest(session, 10)
        count = await dead_letters.count(session)

    assert count == 1
    assert (letter.id, letter.channel, letter.received_at) == (row.id, "terminal", row.received_at)
    assert letter.conversation_id == (await house.one(Conversation)).id
    assert letter.problem.startswith("RuntimeError at tests/bot/test_dead_letters.py")
    assert CODE not in repr(letter)


async def test_a_message_of_a_stranger_has_no_conversation(house: House) -> None:
    await house.door.accept(Update("paper", "desk", "1", "anna", json.dumps({})))
    async with house.database.writing() as session:
        row = await session.get_one(InboxRow, 1)
        row.state = InboxState.DEAD

    async with house.database.reading() as session:
        (letter,) = await dead_letters.latest(session, 10)

    assert (letter.conversation_id, letter.problem) == (None, "")


async def test_once_the_fault_is_mended_it_takes_effect_once(
    house: House, front: TerminalFront, broken: Broken
) -> None:
    row = await lay_aside(house, front, broken, "能退款吗")
    broken.is_mended = True

    await do(house, dead_letters.retry, row.id, "agent:3")
    worker = house.inbox(front.channel, dialogue=broken)
    done = await worker.drain(), await worker.drain()

    assert done == (1, 0)
    assert await house.heard() == ["能退款吗"]
    assert any("答复退款" in message.text for message in await house.all(Message, direction="out"))
    audit = await house.one(AuditRow, action="inbox.retried")
    assert (audit.actor, audit.subject) == ("agent:3", f"inbox:{row.id}")
    assert audit.before == {"state": "dead", "problem": row.problem}


async def test_what_fails_again_is_laid_aside_again(house: House, front: TerminalFront, broken: Broken) -> None:
    row = await lay_aside(house, front, broken, "能退款吗")

    await do(house, dead_letters.retry, row.id, "agent:3")
    for _ in range(5):
        await house.inbox(front.channel, dialogue=broken).drain()
        house.clock.advance(minutes=1)

    again = await house.one(InboxRow)
    assert (again.state, again.attempts) == (InboxState.DEAD, 5)


async def test_what_is_dropped_is_gone_with_its_words(house: House, front: TerminalFront, broken: Broken) -> None:
    row = await lay_aside(house, front, broken, "能退款吗")

    await do(house, dead_letters.drop, row.id, "agent:3")

    dropped = await house.one(InboxRow)
    assert (dropped.state, dropped.sealed) == (InboxState.DONE, "")
    assert (await house.one(AuditRow, action="inbox.dropped")).actor == "agent:3"
    for verb in (dead_letters.retry, dead_letters.drop):
        with pytest.raises(NotLaidAside):
            await do(house, verb, row.id, "agent:3")


async def test_of_many_who_press_at_once_one_is_heard(house: House, front: TerminalFront, broken: Broken) -> None:
    row = await lay_aside(house, front, broken, "能退款吗")

    presses = (do(house, dead_letters.retry, row.id, f"agent:{number}") for number in range(4))
    ends = await asyncio.gather(*presses, return_exceptions=True)

    assert sorted(type(end).__name__ for end in ends) == ["NoneType"] + ["NotLaidAside"] * 3
    assert len(await house.all(AuditRow, action="inbox.retried")) == 1


@pytest.mark.parametrize("state", [InboxState.PENDING, InboxState.DONE])
async def test_only_what_was_laid_aside_is_tried_again(house: House, front: TerminalFront, state: InboxState) -> None:
    await front.say("能退款吗")
    async with house.database.writing() as session:
        (await session.get_one(InboxRow, 1)).state = state

    with pytest.raises(NotLaidAside, match="Message 1 is not among"):
        await do(house, dead_letters.retry, 1, "agent:3")
