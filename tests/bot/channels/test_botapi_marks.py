"""Servers that forget no update, and Telegram, whose numbers begin anew: what comes again is known for what it is."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from bot.channels.botapi.line import Recall, nothing
from bot.channels.botapi.marks import Mark, find_mark
from bot.channels.port import Update
from bot.channels.telegram import Telegram
from bot.fakes.telegram import TOKEN, FakeTelegram, serving

DAY = 86400
MONDAY = 1772424000


def said(number: int, date: int) -> dict[str, Any]:
    return {"update_id": number, "message": {"message_id": number, "date": date, "chat": {"id": 42}, "text": "x"}}


def pressed(number: int, date: int) -> dict[str, Any]:
    """The date is that of the message, which may be old."""
    message = {"message_id": 1, "date": date, "chat": {"id": 42}}
    return {"update_id": number, "callback_query": {"id": "5", "from": {"id": 42}, "data": "h", "message": message}}


@dataclass
class Desk:
    """A bot, its server, and what is remembered of it when it is started anew."""

    fake: FakeTelegram
    kept: list[str] = field(default_factory=list)  # all that was ever stored as new
    inbox: set[str] = field(default_factory=set)
    facts: dict[str, Any] = field(default_factory=dict)

    async def accept(self, *updates: Update) -> int:
        fresh = [one.update_id for one in updates if one.update_id not in self.inbox]
        self.kept += fresh
        self.inbox |= set(fresh)
        return len(fresh)

    def note(self, *_: str, **facts: object) -> None:
        self.facts |= facts

    async def recall(self) -> Mapping[str, Any]:
        return self.facts

    async def work(self, *, recall: Recall | None = None, looks: int = 3) -> None:
        """A process from its start: some looks."""
        telegram, offset = Telegram(TOKEN, self.fake.base, note=self.note, recall=recall or self.recall), None
        for _ in range(looks):
            offset = await telegram.look(self.accept, offset)
        await telegram.close()

    def has(self, *updates: dict[str, Any], forgets: bool) -> None:
        """What the server has to give."""
        waiting = list(updates)

        async def get(offset: int | None, limit: int, seconds: float) -> list[dict[str, Any]]:
            if forgets and offset is not None:
                waiting[:] = [one for one in waiting if one["update_id"] >= offset]
            return [one for one in waiting if offset is None or one["update_id"] >= offset][:limit]

        self.fake.bot.updates.get = get  # type: ignore[method-assign]


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    async with serving(FakeTelegram()) as fake:
        yield Desk(fake)


LONG_AGO = (said(500, MONDAY), pressed(501, MONDAY), said(502, MONDAY + 60))


async def test_what_a_server_gives_again_after_we_forgot_it_takes_no_effect_again(desk: Desk) -> None:
    desk.has(*LONG_AGO, forgets=False)
    await desk.work()
    desk.inbox.clear()  # a week has gone by
    desk.has(*LONG_AGO, said(503, MONDAY + 8 * DAY), forgets=False)
    await desk.work()

    assert desk.kept == ["500", "501", "502", "503"]


async def test_without_the_mark_it_would(desk: Desk) -> None:
    desk.has(*LONG_AGO, forgets=False)
    await desk.work()
    desk.inbox.clear()
    await desk.work(recall=nothing)

    assert desk.kept == ["500", "501", "502"] * 2


async def test_numbers_that_begin_anew_after_a_quiet_week_are_news(desk: Desk) -> None:
    desk.has(*LONG_AGO, forgets=True)
    await desk.work()
    desk.has(pressed(7, MONDAY - 30 * DAY), said(8, MONDAY + 8 * DAY), forgets=True)
    await desk.work()

    assert desk.kept == ["500", "501", "502", "7", "8"]
    assert Mark.read(desk.facts) == Mark(8, MONDAY + 8 * DAY)


async def test_what_was_stored_and_not_confirmed_before_a_crash_is_passed_over(desk: Desk) -> None:
    desk.has(*LONG_AGO, forgets=True)
    await desk.work(looks=1)
    desk.has(*LONG_AGO, said(503, MONDAY + 60), forgets=True)
    await desk.work()

    assert desk.kept == ["500", "501", "502", "503"]


@pytest.mark.parametrize(
    "noted", [{}, {"mark": None}, {"mark": [1]}, {"mark": ["a", "b"]}, {"mark": "12"}], ids=lambda one: str(one)
)
def test_odd_notes_are_no_mark(noted: dict[str, Any]) -> None:
    assert Mark.read(noted) is None


def test_odd_updates_mark_nothing() -> None:
    assert find_mark([None, 5, {"update_id": "9" * 30}, {"update_id": 5, "message": {"date": "soon"}}]) is None
    assert not Mark(500, MONDAY).is_after([None, {"update_id": "x"}, {"update_id": 5, "message": ["x"]}])
