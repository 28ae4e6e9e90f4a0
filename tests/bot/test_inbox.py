"""Promise 1: an acknowledged update is never lost and takes effect once, in order, whatever breaks."""

import asyncio
import json
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from sqlmodel import SQLModel
from sqlmodel.ext.asyncio.session import AsyncSession

from audit.tables import AuditRow
from bot import inbox as inbox_module
from bot.channels.port import Inbound, Kind, Update
from bot.door import Door
from bot.inbox import BACKOFF, Inbox
from bot.tables import DialogueRow, InboxRow, InboxState
from tests.bot.conftest import CODE, House
from tickets.tables import Conversation, Message, Outgoing, Ticket


class Paper:
    """A channel that is only read from."""

    name, account = "paper", "desk"

    def read(self, update: Update) -> Inbound:
        body = json.loads(update.raw)
        return Inbound(
            update.channel,
            update.account,
            update.address,
            update.update_id,
            Kind.TEXT,
            sent_at=datetime.fromisoformat("2026-03-02T04:00:00+00:00"),
            text=body["text"],
        )

    async def deliver(self, outgoing: Outgoing, message: Message) -> str:
        raise NotImplementedError


paper = Paper()


def written(text: str, update_id: str, address: str = "anna") -> Update:
    return Update("paper", "desk", update_id, address, json.dumps({"text": text}))


class Clumsy:
    """The real dialogue, which breaks where a test wants it to."""

    def __init__(self, dialogue: Any, *, on: str = "坏", times: int = 10_000, late: bool = True) -> None:
        self._dialogue = dialogue
        self._on = on
        self._times = times
        self._late = late
        self.order: list[str] = []

    async def set_scene(self, session: AsyncSession, now: datetime, inbound: Inbound) -> Any:
        return await self._dialogue.set_scene(session, now, inbound)

    async def look_up(self, scene: Any, inbound: Inbound) -> Any:
        self._break(inbound, late=False)
        return await self._dialogue.look_up(scene, inbound)

    async def answer(self, session: AsyncSession, now: datetime, inbound: Inbound, looked: Any) -> None:
        await self._dialogue.answer(session, now, inbound, looked)
        await session.flush()
        self._break(inbound, late=True)
        self.order.append(inbound.text)

    async def apologise(self, session: AsyncSession, now: datetime, inbound: Inbound) -> None:
        await self._dialogue.apologise(session, now, inbound)

    async def calm(self, session: AsyncSession, now: datetime, inbound: Inbound) -> None:
        await self._dialogue.calm(session, now, inbound)

    def _break(self, inbound: Inbound, *, late: bool) -> None:
        if late == self._late and self._on in inbound.text and self._times > 0:
            self._times -= 1
            raise RuntimeError(f"could not bear {inbound.text!r}")


async def test_an_update_that_comes_twice_takes_effect_once(house: House) -> None:
    first = await house.door.accept(written("转人工", "1"))
    again = await house.door.accept(written("转人工", "1"), written("转人工", "1"))
    await house.inbox(paper).drain()
    late = await house.door.accept(written("转人工", "1"))
    await house.inbox(paper).drain()

    assert (first, again, late) == (1, 0, 0)
    assert len(await house.all(Ticket)) == 1
    assert await house.heard() == ["转人工"]


async def test_the_same_id_of_another_account_is_another_update(house: House) -> None:
    other = Update("paper", "second", "1", "anna", json.dumps({"text": "在吗"}))

    assert await house.door.accept(written("在吗", "1"), other) == 2


async def test_two_doors_at_once_store_it_once(house: House) -> None:
    doors = [Door(house.database, house.vault, house.clock, house.bell) for _ in range(4)]

    stored = await asyncio.gather(*(door.accept(written("在吗", "1")) for door in doors))

    assert sum(stored) == 1
    assert len(await house.all(InboxRow)) == 1


async def test_what_arrived_is_sealed_until_it_is_done_and_then_gone(house: House) -> None:
    await house.door.accept(written(f"卡密 {CODE}", "1"))
    before = (await house.one(InboxRow)).sealed
    await house.inbox(paper).drain()

    assert CODE not in before
    assert "卡密" not in before
    assert (await house.one(InboxRow)).sealed == ""


async def test_rows_of_channels_that_this_process_does_not_serve_are_left_alone(house: House) -> None:
    await house.door.accept(Update("telepathy", "1", "1", "anna", "{}"))

    assert await house.inbox(paper).drain() == 0
    assert (await house.one(InboxRow)).state == InboxState.PENDING


async def test_one_buyers_messages_are_answered_in_order(house: House) -> None:
    clumsy = Clumsy(house.dialogue)
    texts = [f"第{number}句" for number in range(12)]
    await house.door.accept(*(written(text, text) for text in texts))

    await house.inbox(paper, dialogue=clumsy).drain()

    assert clumsy.order == texts
    assert await house.heard() == texts


@pytest.mark.parametrize("late", [pytest.param(True, id="while writing"), pytest.param(False, id="while looking up")])
async def test_a_failure_rolls_everything_back_and_is_tried_again(house: House, late: bool) -> None:
    worker = house.inbox(paper, dialogue=Clumsy(house.dialogue, times=1, late=late))
    await house.door.accept(written("坏了，转人工", "1"))

    first = await worker.drain()
    left = [await house.all(table) for table in (Conversation, Message, Outgoing, Ticket, DialogueRow, AuditRow)]
    row = await house.one(InboxRow)
    house.clock.advance(seconds=BACKOFF[0].total_seconds())
    second = await worker.drain()

    assert first == 0
    assert left == [[]] * 6
    assert (row.state, row.attempts) == (InboxState.PENDING, 1)
    assert second == 1
    assert len(await house.heard()) == 1


async def test_after_five_failures_a_row_is_laid_aside_within_a_minute_and_the_buyer_is_told(house: House) -> None:
    worker = house.inbox(paper, dialogue=Clumsy(house.dialogue))
    await house.door.accept(written(f"坏 {CODE}", "1"), written("能退款吗", "2"))
    begun = house.clock()

    while (await house.all(InboxRow))[0].state == InboxState.PENDING:
        await worker.drain()
        house.clock.advance(seconds=1)

    row, next_row = await house.all(InboxRow)
    assert (row.state, row.attempts) == (InboxState.DEAD, 5)
    assert (house.clock() - begun).total_seconds() < 60
    assert next_row.state == InboxState.DONE
    sorry = [message.text for message in await house.all(Message, direction="out")]
    assert any("没能处理好" in text for text in sorry)
    assert any("答复退款" in text for text in sorry)
    assert len(await house.all(AuditRow, action="inbox.died")) == 1


class Killed(Clumsy):
    """It ends while it tells the buyer."""

    async def apologise(self, session: AsyncSession, now: datetime, inbound: Inbound) -> None:
        await super().apologise(session, now, inbound)
        raise asyncio.CancelledError


async def test_who_is_killed_before_the_buyer_is_told_has_laid_nothing_aside(house: House) -> None:
    worker = house.inbox(paper, dialogue=Clumsy(house.dialogue))
    await house.door.accept(written("坏", "1"))
    for _ in BACKOFF:
        await worker.drain()
        house.clock.advance(minutes=1)

    with pytest.raises(asyncio.CancelledError):
        await house.inbox(paper, dialogue=Killed(house.dialogue)).drain()
    left = (await house.one(InboxRow)).state
    await worker.drain()

    assert left == InboxState.PENDING
    assert (await house.one(InboxRow)).state == InboxState.DEAD
    assert len([one for one in await house.all(Message, direction="out") if "没能处理好" in one.text]) == 1


async def test_what_is_kept_of_a_failure_quotes_nobody(house: House, caplog: pytest.LogCaptureFixture) -> None:
    worker = house.inbox(paper, dialogue=Clumsy(house.dialogue))
    await house.door.accept(written(f"坏 {CODE}", "1"))

    await worker.drain()

    problem = (await house.one(InboxRow)).problem
    assert problem.startswith("RuntimeError at tests/bot/test_inbox.py:")
    assert CODE not in caplog.text
    assert "could not bear" not in caplog.text


async def test_a_failing_thread_holds_up_no_other(house: House) -> None:
    worker = house.inbox(paper, dialogue=Clumsy(house.dialogue))
    await house.door.accept(written("坏", "1"), written("后面的", "2"))
    await house.door.accept(*(written("在吗", f"b{number}", "ben") for number in range(5)))

    await worker.drain()

    states = [(row.thread.split(":")[-1], row.state) for row in await house.all(InboxRow)]
    assert states == [("anna", "pending")] * 2 + [("ben", "done")] * 5


async def test_a_row_that_cannot_be_read_is_a_failure_like_any_other(house: House) -> None:
    await house.door.accept(Update("paper", "desk", "1", "anna", "no json"))

    for _ in range(5):
        await house.inbox(paper).drain()
        house.clock.advance(minutes=1)

    assert (await house.one(InboxRow)).state == InboxState.DEAD


async def race(house: House, buyers: int = 4, messages: int = 6, workers: int = 2) -> tuple[list[str], list[str]]:
    """Two processes work the same rows off; what was sent and what took effect, per buyer in order."""
    sent = [f"{buyer}/{number}" for buyer in range(buyers) for number in range(messages)]
    await house.door.accept(*(written(text, text, text.split("/")[0]) for text in sent))
    inboxes = [house.inbox(paper) for _ in range(workers)]
    await asyncio.gather(*(inbox.drain() for inbox in inboxes))
    rows = await house.all(Message, direction="in")
    effects = [message.text for message in sorted(rows, key=lambda row: (row.conversation_id, row.id))]
    return sent, effects


async def test_two_workers_on_the_same_rows_have_one_effect_each_in_order(house: House) -> None:
    sent, effects = await race(house)

    assert sorted(effects) == sorted(sent)
    for buyer in range(4):
        mine = [text for text in effects if text.startswith(f"{buyer}/")]
        assert mine == sorted(mine)
    assert {row.state for row in await house.all(InboxRow)} == {InboxState.DONE}


async def test_without_the_compare_and_set_effects_are_doubled(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The broken twin: a worker that marks the row without asking whether it was first."""
    guarded = inbox_module._finish

    async def mark_blindly(session: AsyncSession, row: InboxRow) -> bool:
        await guarded(session, row)
        return True

    monkeypatch.setattr(inbox_module, "_finish", mark_blindly)

    sent, effects = await race(house)

    assert len(effects) > len(sent)


async def test_a_worker_in_the_background_answers_what_arrives(house: House) -> None:
    worker = asyncio.create_task(house.inbox(paper).run())
    try:
        await house.door.accept(written("在吗", "1"))
        async with asyncio.timeout(10):
            while not await house.all(Outgoing):
                await house.outbox_bell.wait(0.2)
    finally:
        worker.cancel()
        await asyncio.gather(worker, return_exceptions=True)


async def test_a_database_that_is_away_does_not_stop_the_worker(house: House, caplog: pytest.LogCaptureFixture) -> None:
    class Away:
        is_away = True
        asked = asyncio.Event()

        has_one_writer = house.database.has_one_writer

        def reading(self, **how: bool) -> Any:
            if self.is_away:
                self.asked.set()
                raise ConnectionError("the database is away")
            return house.database.reading(**how)

        def writing(self, **how: bool) -> Any:
            return house.database.writing(**how)

    away = Away()
    inbox = Inbox(
        away, house.vault, [paper], house.dialogue, house.clock, bell=house.bell, outbox_bell=house.outbox_bell
    )
    await house.door.accept(written("在吗", "1"))
    worker = asyncio.create_task(inbox.run())
    try:
        async with asyncio.timeout(10):
            await away.asked.wait()
            away.is_away = False
            house.bell.ring()
            while not await house.all(Outgoing):
                await house.outbox_bell.wait(0.2)
    finally:
        worker.cancel()
        await asyncio.gather(worker, return_exceptions=True)
    assert "the inbox stumbled: ConnectionError" in caplog.text


def test_tables_of_this_room_are_registered() -> None:
    assert {"inbox", "dialogue", "button"} <= set(SQLModel.metadata.tables)


async def test_who_floods_is_told_once_and_queued(house: House) -> None:
    door = Door(house.database, house.vault, house.clock, house.bell, rate=6)
    inbox = house.inbox(paper)
    await door.accept(*(written(f"在吗 {number}", str(number)) for number in range(10)))
    await door.accept(written("在吗", "b", "bert"))

    at_once = await inbox.drain()

    told = [message.text for message in await house.all(Message) if "发得很快" in message.text]
    assert at_once == 7 + 1  # the budget, the one that is told, and another buyer's
    assert len(told) == 1
    for _ in range(3):
        assert await inbox.drain() == 0
        house.clock.advance(seconds=10)
        await inbox.drain()
    house.clock.advance(seconds=10)
    await inbox.drain()
    assert [text for text in await house.heard() if text != "在吗"] == [f"在吗 {number}" for number in range(10)]
    assert len([message for message in await house.all(Message) if "发得很快" in message.text]) == 1


async def test_files_that_hang_keep_nobody_else_waiting(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow(Paper):
        go_on = asyncio.Event()

        def read(self, update: Update) -> Inbound:
            inbound = Paper.read(self, update)
            return replace(inbound, attachments=({"kind": "photo"},)) if "图" in inbound.text else inbound

        async def fetch(self, inbound: Inbound, *, is_last: bool, file_limit: int = 0) -> Inbound:
            await self.go_on.wait()
            return replace(inbound, attachments=())

    monkeypatch.setattr(inbox_module, "LOOK_EVERY", 0.02)
    slow = Slow()
    await house.door.accept(*(written("图", str(number), f"slow{number}") for number in range(20)))
    await house.door.accept(written("能退款吗", "quick", "quick"))
    working = asyncio.create_task(house.inbox(slow).drain())

    async with asyncio.timeout(10):
        while (await house.all(InboxRow))[-1].state != InboxState.DONE:
            await house.outbox_bell.wait(0.02)
    waiting = len(await house.all(InboxRow, state=InboxState.PENDING))
    slow.go_on.set()

    assert await working == 21
    assert waiting == 20
