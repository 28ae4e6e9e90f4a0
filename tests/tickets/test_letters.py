"""Letters: sent once a try, tried again, given up, and to nobody."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest

from audit.tables import AuditRow
from shop.vault import Vault
from tests.tickets.conftest import Floor
from tickets import letters
from tickets.errors import MailNotSent
from tickets.letters import LEASE, WAITS, Letter, send_letters, write_letter
from tickets.tables import Mail, Notice, Role

SECOND = timedelta(seconds=1)
ADDRESS, TEXT = "chen@qq.example", "您好！\n\n验证码 123456"


@dataclass
class Bag:
    """A postman who keeps what he gets, unless he was told to stumble."""

    floor: Floor
    problems: list[Exception | None] = field(default_factory=list)
    letters: list[Letter] = field(default_factory=list)

    async def deliver(self, letter: Letter) -> None:
        async with self.floor.database.writing():  # nobody holds the database meanwhile
            pass
        self.letters.append(letter)
        if self.problems and (problem := self.problems.pop(0)):
            raise problem


def weather(problem: str = "450") -> MailNotSent:
    return MailNotSent(problem=problem, permanent=False)


async def write(floor: Floor, vault: Vault, address: str = ADDRESS, lives: timedelta = timedelta(minutes=10)) -> None:
    await floor.do(write_letter, vault, address, "您的验证码", TEXT, floor.now + lives)


async def send(floor: Floor, vault: Vault, bag: Bag, after: timedelta = timedelta()) -> int:
    return await send_letters(floor.database, lambda: floor.now + after, vault, bag, floor.desk)


async def actions(floor: Floor) -> Sequence[str]:
    return [row.action for row in await floor.all(AuditRow) if row.action.startswith("mail.")]


async def test_a_letter_is_sent_once_and_its_text_forgotten(floor: Floor, vault: Vault) -> None:
    await write(floor, vault)
    bag = Bag(floor)

    assert [await send(floor, vault, bag), await send(floor, vault, bag, SECOND)] == [1, 0]

    (letter,), mail = bag.letters, await floor.one(Mail)
    assert (letter.address, letter.subject, letter.text) == (ADDRESS, "您的验证码", TEXT)
    assert (mail.state, mail.sealed, mail.sent_at) == ("sent", "", floor.now)
    assert await actions(floor) == ["mail.queued", "mail.sent"]
    shown = f"{mail} {letter} {await floor.all(AuditRow)}"
    assert not any(secret in shown for secret in (ADDRESS, "123456"))


async def test_what_a_server_does_not_take_is_tried_again_later(floor: Floor, vault: Vault) -> None:
    await write(floor, vault)
    bag = Bag(floor, [weather(), RuntimeError(ADDRESS)])

    assert await send(floor, vault, bag) == 0
    assert await send(floor, vault, bag, WAITS[0] - SECOND) == 0
    assert len(bag.letters) == 1
    assert await send(floor, vault, bag, WAITS[0]) == 0
    assert (await floor.one(Mail)).problem == "RuntimeError"
    assert await send(floor, vault, bag, WAITS[0] + WAITS[1]) == 1
    assert len({letter.name for letter in bag.letters}) == 1


async def test_a_server_that_is_down_ends_the_round_and_a_refused_letter_does_not(floor: Floor, vault: Vault) -> None:
    for number in range(3):
        await write(floor, vault, f"b{number}@qq.example")
    bag = Bag(floor, [MailNotSent(problem="550", permanent=True), weather(), None])

    assert await send(floor, vault, bag) == 1
    assert [letter.address for letter in bag.letters] == ["b0@qq.example", "b1@qq.example"]
    assert await send(floor, vault, bag) == 1
    assert bag.letters[-1].address == "b2@qq.example"


@pytest.mark.parametrize("why", ["refused", "too late", "tried enough", "broken"])
async def test_what_is_given_up_is_a_dead_letter_without_its_text(
    floor: Floor, vault: Vault, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    await write(floor, vault, lives=timedelta(days=1))
    bag = Bag(floor, [weather()] * 9)
    if why == "refused":
        bag.problems = [MailNotSent(problem="recipient refused, 550", permanent=True)]
    if why == "broken":
        async with floor.database.writing() as session:
            (await session.get_one(Mail, 1)).sealed = vault.seal_text("mail", "another row", "x")

    after = timedelta(days=1) if why == "too late" else timedelta()
    while not await send(floor, vault, bag, after):
        after += max(WAITS)

    mail = await floor.one(Mail)
    assert (mail.state, mail.sealed, mail.sent_at) == ("failed", "", None)
    assert len(bag.letters) == {"refused": 1, "too late": 0, "tried enough": len(WAITS) + 1, "broken": 0}[why]
    assert (await actions(floor))[-1] == "mail.failed"
    assert "given up" in caplog.text
    assert ADDRESS not in caplog.text
    async with floor.database.reading() as session:
        assert await letters.count_failed(session, floor.now - SECOND) == 1
        assert await letters.count_waiting(session) == 0


async def test_managers_are_told_once_a_day_of_a_server_that_takes_nothing(floor: Floor, vault: Vault) -> None:
    boss = await floor.hire("boss", Role.MANAGER)
    bag = Bag(floor, [MailNotSent(problem="recipient refused, 550", permanent=True), *[weather("SMTP 535")] * 3])

    told = []
    for hours in (0, 1, 2, 26):
        at = floor.now + timedelta(hours=hours)
        await floor.do(write_letter, vault, ADDRESS, "x", TEXT, at + SECOND, at=at)
        for after in (timedelta(), SECOND):  # tried, then too late
            await send(floor, vault, bag, timedelta(hours=hours) + after)
        told.append([notice.agent_id for notice in await floor.all(Notice)])

    assert told == [[], [boss], [boss], [boss, boss]]
    assert "SMTP 535" in (await floor.all(Notice))[0].text


async def test_a_letter_to_nobody_is_dropped_in_its_turn(floor: Floor, vault: Vault) -> None:
    await write(floor, vault, "")
    bag = Bag(floor)

    assert len(await floor.all(Mail)) == 1
    assert await send(floor, vault, bag) == 1
    assert (bag.letters, await floor.all(Mail)) == ([], [])
    assert (await actions(floor))[-1] == "mail.dropped"


async def test_a_letter_whose_try_has_no_end_is_tried_again_after_its_lease(floor: Floor, vault: Vault) -> None:
    await write(floor, vault)

    class Killed(BaseException):
        pass

    class Dying(Bag):
        async def deliver(self, letter: Letter) -> None:
            raise Killed

    with pytest.raises(Killed):
        await send(floor, vault, Dying(floor))
    bag = Bag(floor)
    assert await send(floor, vault, bag, LEASE - SECOND) == 0
    assert await send(floor, vault, bag, LEASE) == 1


async def check_that_two_senders_send_once(floor: Floor, vault: Vault) -> None:
    """The second one looks while the first one's try is under way."""
    await write(floor, vault)

    class Slow(Bag):
        async def deliver(self, letter: Letter) -> None:
            await super().deliver(letter)
            await send(floor, vault, bag)

    bag = Bag(floor)
    await send(floor, vault, Slow(floor, [], bag.letters))
    assert len(bag.letters) == 1


async def test_two_senders_send_once(floor: Floor, vault: Vault) -> None:
    await check_that_two_senders_send_once(floor, vault)


async def test_the_check_fails_without_a_lease(floor: Floor, vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(letters, "LEASE", timedelta())

    with pytest.raises(AssertionError):
        await check_that_two_senders_send_once(floor, vault)


async def test_what_left_the_queue_is_forgotten_in_time(floor: Floor, vault: Vault) -> None:
    await write(floor, vault)
    await send(floor, vault, Bag(floor))
    await write(floor, vault)

    await floor.do(_forget, at=floor.now + SECOND)

    assert [mail.state for mail in await floor.all(Mail)] == ["queued"]
    async with floor.database.reading() as session:
        assert await letters.next_due(session) == floor.now


async def _forget(session: object, now: datetime) -> None:
    await letters.forget(session, now)  # type: ignore[arg-type]
