"""What shares a transaction: nothing is acknowledged before its commit, and nobody is harmed by company."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlmodel.ext.asyncio.session import AsyncSession

from bot.channels.port import Update
from bot.door import Door
from bot.tables import InboxRow, InboxState
from bot.together import Job, Together
from tests.bot.conftest import House
from tests.bot.test_inbox import Clumsy, paper, written

NOW = datetime(2026, 3, 2, tzinfo=UTC)


class Shaky:
    """The real database, whose commits fail when told to; it counts its transactions."""

    def __init__(self, house: House, *fails: bool) -> None:
        self._database = house.database
        self._fails = list(fails)
        self.transactions = 0

    @property
    def has_one_writer(self) -> bool:
        return self._database.has_one_writer

    def reading(self, **how: bool) -> AbstractAsyncContextManager[AsyncSession]:
        return self._database.reading(**how)

    def elected(self, name: str) -> AbstractAsyncContextManager[bool]:
        return self._database.elected(name)

    @asynccontextmanager
    async def writing(self, **how: bool) -> AsyncIterator[AsyncSession]:
        async with self._database.writing(**how) as session:
            self.transactions += 1
            yield session
            await session.flush()
            if self._fails and self._fails.pop(0):
                raise OperationalError("COMMIT", None, OSError("the disk is full"))


class Hasty(Together):
    """The broken twin: it answers as soon as the work is done, before the commit."""

    async def _share(self) -> None:
        async with self._database.writing() as session:
            for job in self.leave():
                await job.do(session)
                job.tell()


class Heartless(Together):
    """The other broken twin: all who shared a transaction share its failure."""

    async def _part(self, jobs: Sequence[Job], error: Exception) -> None:
        for job in jobs:
            job.tell(error)


def door(house: House, database: Any, together: type[Together] = Together) -> Door:
    door = Door(database, house.vault, house.clock, house.bell)
    door.together = together(database, 40)
    return door


async def acknowledged_and_lost(house: House, together: type[Together]) -> int:
    """Twelve updates over a door whose second commit fails; how many were acknowledged and are not there."""
    entrance = door(house, Shaky(house, False, True, False), together)
    first = await entrance.accept(written("在吗", "0"))
    calls = (entrance.accept(written("在吗", str(number), f"buyer {number}")) for number in range(1, 12))
    answers = [first, *await asyncio.gather(*calls, return_exceptions=True)]

    stored = {row.update_id for row in await house.all(InboxRow)}
    assert stored == {"0"}
    return len({str(number) for number, answer in enumerate(answers) if answer == 1} - stored)


async def test_nothing_is_acknowledged_that_was_not_committed(house: House) -> None:
    assert await acknowledged_and_lost(house, Together) == 0


async def test_a_door_that_answers_before_the_commit_is_caught(house: House) -> None:
    with pytest.MonkeyPatch.context() as patch:  # its task ends with the commit's error, which nobody awaits
        patch.setattr(asyncio.get_running_loop(), "call_exception_handler", lambda context: None)
        assert await acknowledged_and_lost(house, Hasty) > 0


async def test_what_arrives_together_is_stored_by_two_commits(house: House) -> None:
    database = Shaky(house)
    entrance = door(house, database)

    fresh = await asyncio.gather(*(entrance.accept(written("在吗", str(n % 20), f"b{n % 20}")) for n in range(30)))

    assert sum(fresh) == len(await house.all(InboxRow)) == 20
    assert database.transactions <= 2


async def test_what_cannot_be_stored_is_refused_alone(house: House) -> None:
    entrance = door(house, house.database)
    unheard_of: Any = None
    odd = Update("paper", "desk", unheard_of, "anna", "{}")

    answers = await asyncio.gather(
        entrance.accept(written("一", "1")),
        entrance.accept(odd),
        entrance.accept(written("二", "2")),
        return_exceptions=True,
    )

    assert (answers[0], answers[2]) == (1, 1)
    assert isinstance(answers[1], Exception)
    assert [row.update_id for row in await house.all(InboxRow)] == ["1", "2"]


async def test_a_caller_who_hangs_up_takes_nothing_back(house: House) -> None:
    entrance = door(house, house.database)
    first = asyncio.create_task(entrance.accept(written("一", "1")))
    second = asyncio.create_task(entrance.accept(written("二", "2")))
    await asyncio.sleep(0)

    first.cancel()

    assert await second == 1
    assert {row.update_id for row in await house.all(InboxRow)} == {"1", "2"}


async def neighbours_of_a_bad_one(house: House, together: type[Together]) -> list[tuple[str, int]]:
    """State and failed tries of what others said beside a message that cannot be borne."""
    inbox = house.inbox(paper, dialogue=Clumsy(house.dialogue))
    inbox._together = together(house.database, 8)
    said = [written("坏" if number == 3 else "能退款吗", str(number), f"buyer {number}") for number in range(6)]
    await house.door.accept(*said)
    await inbox.drain()
    return [(row.state, row.attempts) for row in await house.all(InboxRow) if row.update_id != "3"]


async def test_a_message_that_cannot_be_borne_harms_no_neighbour(house: House) -> None:
    assert await neighbours_of_a_bad_one(house, Together) == [(InboxState.DONE, 0)] * 5
    assert len([text for text in await house.heard() if text == "能退款吗"]) == 5


async def test_company_that_shares_a_failure_is_caught(house: House) -> None:
    is_harmless = await neighbours_of_a_bad_one(house, Heartless) == [(InboxState.DONE, 0)] * 5

    assert is_harmless == (not house.database.has_one_writer)  # where many write at once nobody shares


@dataclass
class Hall:
    """Those who write as usual, and a guest who comes while they do."""

    database: Any
    came: list[asyncio.Task[int]] = field(default_factory=list)

    async def meet(self) -> list[Any]:
        """How it ended for the one who wrote 1, and for the guest who wrote 2 meanwhile."""
        guests = Together(self.database, 40, is_urgent=True)

        async def work(session: AsyncSession) -> int:
            if not self.came:
                self.came.append(asyncio.create_task(guests.write(partial(note, 2))))
                await asyncio.sleep(0)
            return await note(1, session)

        hosts = Together(self.database, 8, guests=guests)
        ended = await asyncio.gather(hosts.write(work), return_exceptions=True)
        ended += await asyncio.gather(*self.came, return_exceptions=True)
        return [type(one) if isinstance(one, Exception) else one for one in ended]


async def note(number: int, session: AsyncSession) -> int:
    """Store an update of this number; a second one cannot be."""
    update = {"channel": "paper", "account": "desk", "update_id": str(number), "thread": "paper:desk:anna"}
    session.add(InboxRow(**update, sealed="", received_at=NOW, not_before=NOW))
    await session.flush()
    return number


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_who_comes_while_others_write_goes_with_them(house: House) -> None:
    database = Shaky(house, False, True)  # who would go later would meet the second commit

    assert await Hall(database).meet() == [1, 2]
    assert {row.update_id for row in await house.all(InboxRow)} == {"1", "2"}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_guest_is_not_told_of_a_commit_that_failed(house: House) -> None:
    assert await Hall(Shaky(house, True)).meet() == [OperationalError, OperationalError]
    assert await house.all(InboxRow) == []


@pytest.mark.parametrize("bad", [1, 2])
async def test_neither_guest_nor_host_is_harmed_by_the_other(house: House, bad: int) -> None:
    async with house.database.writing() as session:
        await note(bad, session)

    assert await Hall(house.database).meet() == ([IntegrityError, 2] if bad == 1 else [1, IntegrityError])
    assert {row.update_id for row in await house.all(InboxRow)} == {"1", "2"}
