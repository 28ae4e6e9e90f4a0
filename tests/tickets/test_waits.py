"""Every wait of a buyer climbs the ladder, not the first of a ticket alone (decision 0014)."""

import asyncio
import shutil
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kadesk.database import Database
from tests.tickets.conftest import Floor, say
from tickets import clocks, outbox
from tickets.breaches import Breaches
from tickets.desk import Desk, DeskRules
from tickets.errors import TicketError
from tickets.reports import attainment
from tickets.sla import Metric, Policy, Verdict
from tickets.tables import (
    Author,
    Clock,
    Escalation,
    Level,
    Message,
    Outcome,
    Outgoing,
    Phase,
    Role,
    Sending,
    Ticket,
)

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NOW = datetime.fromisoformat("2026-03-02T04:00Z")
RULES = DeskRules(
    policies=(Policy(Metric.FIRST_RESPONSE, HOUR), Policy(Metric.NEXT_RESPONSE, 2 * HOUR)),
)


@pytest.fixture
def desk() -> Desk:
    return Desk(say, RULES)


async def answered(floor: Floor, agent: int) -> Ticket:
    """A ticket whose buyer has had an answer after an hour."""
    ticket = await floor.open(at=floor.now)
    await floor.do(floor.desk.reply, ticket.id, agent, "您好", at=floor.now + HOUR)
    await floor.deliver(at=floor.now + HOUR)
    return ticket


async def rises(floor: Floor) -> list[tuple[int, datetime]]:
    return [(row.level, row.due_at) for row in await floor.all(Escalation)]


async def test_a_second_wait_climbs_the_ladder_as_the_first_would(floor: Floor, lin: int) -> None:
    ticket = await answered(floor, lin)
    back_at = floor.now + 3 * HOUR
    await floor.speak(ticket, "还是不行", at=back_at)

    for hours in (23, 25, 29, 49, 73):
        await floor.sweep(back_at + hours * HOUR)

    assert await rises(floor) == [(level, back_at + hours * HOUR) for level, hours in ((1, 24), (2, 28), (3, 48))]
    assert (await floor.fresh(ticket)).assignee_id is None


async def test_without_a_promise_of_a_next_word_the_second_wait_climbs_all_the_same(floor: Floor, lin: int) -> None:
    floor.desk = Desk(say)
    ticket = await answered(floor, lin)
    await floor.speak(ticket, at=floor.now + 3 * HOUR)

    await floor.sweep(floor.now + 28 * HOUR)

    assert (await floor.fresh(ticket)).level == Level.HUMAN_QUEUE


async def test_a_level_that_the_first_wait_has_reached_is_not_reached_again(floor: Floor, lin: int) -> None:
    ticket = await floor.open()
    await floor.sweep(floor.now + 29 * HOUR)
    await floor.do(floor.desk.reply, ticket.id, lin, "您好", at=floor.now + 30 * HOUR)
    await floor.deliver(at=floor.now + 30 * HOUR)
    await floor.speak(ticket, at=floor.now + 31 * HOUR)

    for hours in (25, 29, 49):
        await floor.sweep(floor.now + (31 + hours) * HOUR)

    assert [level for level, _ in await rises(floor)] == [1, 2, 3]
    assert (await floor.actions(ticket)).count("ticket.late") == 1


async def test_each_wait_is_judged_by_itself(floor: Floor, lin: int) -> None:
    ticket = await answered(floor, lin)
    await floor.speak(ticket, at=floor.now + 3 * HOUR)
    await floor.do(floor.desk.reply, ticket.id, lin, "抱歉", at=floor.now + 30 * HOUR)
    await floor.deliver(at=floor.now + 30 * HOUR)

    async with floor.database.reading() as session:
        figure = await attainment(session, floor.now, floor.now + 9 * DAY, floor.now + 9 * DAY, RULES)

    assert [row.verdict for row in figure.rows] == [Verdict.MET, Verdict.BREACHED]


async def test_a_further_word_of_the_same_wait_starts_nothing(floor: Floor, lin: int) -> None:
    ticket = await answered(floor, lin)

    for hours in (3, 4, 5):
        await floor.speak(ticket, at=floor.now + hours * HOUR)

    assert [clock.ordinal for clock in await floor.all(Clock, metric=Metric.HANDLING)] == [1, 2]
    assert [clock.ordinal for clock in await floor.all(Clock, metric=Metric.NEXT_RESPONSE)] == [1]


async def test_who_comes_back_while_the_answer_is_on_its_way_waits_anew(floor: Floor, lin: int) -> None:
    ticket = await floor.open()
    await floor.do(floor.desk.reply, ticket.id, lin, "您好", at=floor.now + HOUR)
    await floor.speak(ticket, at=floor.now + 2 * HOUR)

    await floor.deliver(at=floor.now + 3 * HOUR)

    first, second = await floor.all(Clock, metric=Metric.HANDLING)
    assert (first.met_at, second.met_at) == (floor.now + 3 * HOUR, None)
    assert second.due_at == floor.now + 26 * HOUR
    assert (await floor.fresh(ticket)).waiting_since == floor.now + 2 * HOUR


async def test_of_two_unhandled_waits_the_queue_shows_the_earlier_due(floor: Floor, lin: int) -> None:
    ticket = await floor.open()
    await floor.do(floor.desk.reply, ticket.id, lin, "您好", at=floor.now + HOUR)
    await floor.speak(ticket, at=floor.now + 2 * HOUR)

    (row,) = await floor.do(floor.desk.held, lin, at=floor.now + 2 * HOUR)

    assert row.due_at == floor.now + 24 * HOUR


async def test_who_was_never_answered_waits_since_the_first_word(floor: Floor, lin: int) -> None:
    ticket = await floor.open()
    await floor.do(floor.desk.set_status, ticket.id, lin, "waiting", at=floor.now + HOUR)

    await floor.speak(ticket, at=floor.now + 5 * HOUR)

    assert (await floor.fresh(ticket)).waiting_since == floor.now
    assert {clock.metric for clock in await floor.all(Clock)} == {Metric.HANDLING, Metric.FIRST_RESPONSE}


async def test_what_staff_keep_open_after_an_answer_climbs_too(floor: Floor, lin: int) -> None:
    ticket = await answered(floor, lin)
    await floor.do(floor.desk.set_status, ticket.id, lin, "open", at=floor.now + HOUR)

    await floor.sweep(floor.now + 26 * HOUR)

    assert (await floor.fresh(ticket)).level == Level.HUMAN_QUEUE


async def test_both_waits_of_a_merged_ticket_go_on_in_the_other(floor: Floor, lin: int) -> None:
    conversation = await floor.meet()
    target, source = await floor.open(conversation), await floor.open(conversation)
    await floor.do(floor.desk.reply, target.id, lin, "您好")
    await floor.deliver()
    await floor.do(floor.desk.reply, source.id, lin, "您好", at=floor.now + HOUR)
    await floor.speak(source, at=floor.now + 2 * HOUR)
    await floor.do(floor.desk.merge, source.id, target.id, lin, at=floor.now + 2 * HOUR)

    await floor.deliver(at=floor.now + 3 * HOUR)

    owed = [clock for clock in await floor.all(Clock, ticket_id=target.id, metric=Metric.HANDLING) if not clock.met_at]
    assert [clock.started_at for clock in owed] == [floor.now + 2 * HOUR]


# After an outage


async def two_waits(floor: Floor, agent: int) -> Ticket:
    """Due after 24 and after 30 hours, since the reply between them never arrived."""
    ticket = await floor.open()
    await floor.do(floor.desk.reply, ticket.id, agent, "您好", at=floor.now + HOUR)
    (reply,) = await floor.all(Outgoing)
    await floor.speak(ticket, at=floor.now + 6 * HOUR)
    await floor.do(outbox.mark_failed, reply.id, Sending.BLOCKED, "gone", at=floor.now + 7 * HOUR)
    return ticket


async def apologies(floor: Floor) -> list[str]:
    return [message.text.split()[0] for message in await floor.all(Message, author=Author.SYSTEM)]


@pytest.mark.parametrize("limit", [1, 1000], ids=["a clock at a time", "all at once"])
async def test_a_sweep_after_an_outage_tells_the_buyer_of_a_ticket_once(floor: Floor, lin: int, limit: int) -> None:
    ticket = await two_waits(floor, lin)

    await floor.sweep(floor.now + 60 * HOUR, limit=limit)

    assert await apologies(floor) == ["zh:ticket.escalated"]
    assert (await floor.actions(ticket)).count("ticket.late") == 1  # staff hear of every wait


async def test_while_sweeps_run_the_buyer_hears_of_each_wait(floor: Floor, lin: int) -> None:
    await two_waits(floor, lin)

    for hours in (25, 31, 60):
        await floor.sweep(floor.now + hours * HOUR)

    assert await apologies(floor) == ["zh:ticket.escalated", "zh:ticket.late"]


async def test_a_sweep_that_does_not_look_apologises_for_every_wait(
    floor: Floor, lin: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Breaches, "_is_news", lambda *_: True)
    await two_waits(floor, lin)

    await floor.sweep(floor.now + 60 * HOUR)

    assert len(await apologies(floor)) == 2


# The property

words = ["reply", "speak", "open", "waiting", "resolve", "take", "spam", "take back", "deliver", "wake", "snooze"]
lives = st.lists(st.tuples(st.sampled_from(words), st.integers(1, 30)), max_size=9)
names = count()


async def happen(floor: Floor, ticket: Ticket, what: str, agent: int, at: datetime) -> None:
    """A step of a life; what is refused does not happen. Words are delivered when the life says so."""
    desk, there = floor.desk, (ticket.id, agent)
    try:
        match what:
            case "speak":
                await floor.speak(ticket, at=at)
            case "reply":
                await floor.do(desk.reply, *there, "您好", at=at)
            case "open" | "waiting":
                await floor.do(desk.set_status, *there, what, at=at)
            case "resolve":
                await floor.do(desk.resolve, *there, Outcome.INSTRUCT, at=at)
            case "take":
                await floor.do(desk.take, *there, at=at)
            case "snooze":
                await floor.do(desk.snooze, *there, at + 900 * DAY, at=at)
            case "wake":
                await floor.do(desk.wake, *there, at=at)
            case "spam":
                await floor.do(desk.mark_spam, *there, at=at)
            case "take back":
                await floor.do(desk.take_back_spam, *there, at=at)
            case _:
                await floor.deliver(at=at)
    except TicketError:
        pass


async def forsaken(path: Path, life: Sequence[tuple[str, int]]) -> list[Ticket]:
    """Live through it, then leave everything alone for a week; the open tickets that no manager has."""
    database = Database(f"sqlite:///{path}")
    floor = Floor(database, Desk(say, RULES), NOW)
    try:
        lead = await floor.hire("chen", Role.LEAD)
        ticket, at = await floor.open(), NOW
        for what, gap in life:
            at += gap * HOUR
            await happen(floor, ticket, what, lead, at)
        await floor.deliver(at=at)
        await floor.sweep(at + 3 * DAY)
        return [one for one in await floor.all(Ticket, phase=Phase.OPEN) if one.level < Level.MANAGER]
    finally:
        await database.close()


def lived(template: Path, folder: Path, life: Sequence[tuple[str, int]]) -> list[Ticket]:
    path = folder / f"{next(names)}.db"
    shutil.copy(template, path)
    try:
        return asyncio.run(forsaken(path, life))
    finally:
        path.unlink()


@pytest.mark.slow
def test_whatever_happened_before_an_open_ticket_that_is_left_alone_reaches_the_manager(
    sqlite_template: Path, tmp_path: Path
) -> None:
    @settings(max_examples=60, deadline=None)
    @given(life=lives)
    def check(life: Sequence[tuple[str, int]]) -> None:
        assert lived(sqlite_template, tmp_path, life) == []

    check()


def test_where_only_the_first_wait_climbs_the_buyer_who_came_back_is_forsaken(
    sqlite_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin_wait = clocks.begin_wait

    async def begin_only_the_next_word(session, now, ticket, rules, metrics=()) -> None:  # type: ignore[no-untyped-def]
        await begin_wait(session, now, ticket, rules, {Metric.NEXT_RESPONSE})

    monkeypatch.setattr(clocks, "begin_wait", begin_only_the_next_word)

    assert len(lived(sqlite_template, tmp_path, [("reply", 1), ("deliver", 1), ("speak", 1)])) == 1
