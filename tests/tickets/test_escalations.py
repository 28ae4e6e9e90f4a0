"""The sweep: once, in time, and never on what was handled."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import update
from sqlalchemy.exc import IntegrityError
from sqlmodel.ext.asyncio.session import AsyncSession

from audit.tables import AuditRow
from kadesk.database import Database
from tests.tickets.conftest import Floor
from tickets import escalations, notices, outbox, watch
from tickets.changes import lock_ticket
from tickets.escalations import Sweep, _next_size
from tickets.tables import (
    Clock,
    Escalation,
    Heartbeat,
    Level,
    Notice,
    Outcome,
    Outgoing,
    Phase,
    Sending,
    Ticket,
)

TICK, SECOND, HOUR = timedelta.resolution, timedelta(seconds=1), timedelta(hours=1)
DUE = timedelta(hours=24)
WARNED = DUE - 4 * HOUR


class Between:
    """A database that lets something happen between a sweep's look and its act."""

    def __init__(self, database: Database, happen: Callable[[], Awaitable[object]]) -> None:
        self.reading = database.reading
        self._database, self._happen = database, happen

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncSession]:
        await self._happen()
        async with self._database.writing() as session:
            yield session


async def sweep_together(floor: Floor, sweeps: int, after: timedelta) -> int:
    """Sweeps that have all looked before the first acts; how many tickets they say to have moved or reported."""
    everyone_has_looked = asyncio.Barrier(sweeps)
    database = Between(floor.database, everyone_has_looked.wait)
    ends = await asyncio.gather(
        *(escalations.sweep(database, lambda: floor.now + after, floor.desk) for _ in range(sweeps))
    )
    return sum(end.escalated + end.late for end in ends)


async def assert_escalated_once(floor: Floor, ticket: Ticket) -> None:
    assert (await floor.fresh(ticket)).level == Level.HUMAN_QUEUE
    assert len(await floor.all(Escalation)) == 1
    assert [text.split()[0] for text in await floor.queued()] == ["zh:ticket.escalated"]
    assert (await floor.actions(ticket)).count("ticket.escalated") == 1


# In time


@pytest.mark.parametrize(
    ("after", "is_escalated"),
    [
        pytest.param(DUE - SECOND, False, id="a second early"),
        pytest.param(DUE, False, id="at the due instant it can still be met"),
        pytest.param(DUE + TICK, True, id="a microsecond late"),
        pytest.param(DUE + SECOND, True, id="a second late"),
    ],
)
async def test_a_ticket_is_escalated_after_its_due_instant(
    floor: Floor, lin: int, after: timedelta, is_escalated: bool
) -> None:
    ticket = await floor.open()

    await floor.sweep(floor.now + after)

    assert ((await floor.fresh(ticket)).level == Level.HUMAN_QUEUE) == is_escalated


async def test_an_escalation_records_when_who_and_how_late(floor: Floor, lin: int, chen: int) -> None:
    ticket = await floor.open()

    swept = await floor.sweep(floor.now + DUE + 3 * HOUR)

    assert (swept.escalated, swept.late, swept.late_by) == (1, 0, 3 * HOUR)
    escalation = await floor.one(Escalation)
    assert (escalation.due_at, escalation.escalated_at) == (floor.now + DUE, floor.now + DUE + 3 * HOUR)
    assert escalation.told == [f"agent:{lin}", f"agent:{chen}", f"buyer:{ticket.buyer_id}"]
    assert (await floor.one(Clock)).breached_at == floor.now + DUE
    row = await floor.one(AuditRow, action="ticket.escalated")
    moved = {"level": 1, "trigger": "due", "buyer_told": True}
    assert (row.actor, row.before, row.after) == ("scheduler", {"level": 0}, moved)


async def test_the_buyer_is_told_in_their_language(floor: Floor, lin: int) -> None:
    ticket = await floor.open(await floor.meet(language="en"))

    await floor.sweep(floor.now + DUE + SECOND)

    assert await floor.queued() == [f"en:ticket.escalated number={ticket.number}"]


async def test_the_earliest_due_is_acted_on_first_and_all_in_one_sweep(floor: Floor, lin: int) -> None:
    conversation = await floor.meet()
    tickets = [await floor.open(conversation, at=floor.now - number * SECOND) for number in range(7)]

    swept = await floor.sweep(floor.now + DUE + SECOND, limit=2)

    assert swept.escalated == 7
    moved = [escalation.ticket_id for escalation in await floor.all(Escalation)]
    assert moved == [ticket.id for ticket in reversed(tickets)]


async def test_a_ticket_that_cannot_be_told_of_holds_up_no_other(floor: Floor, lin: int) -> None:
    tickets = [await floor.open(subject=subject) for subject in ("a", "b", "spoilt", "c", "d")]

    def say(language: str, key: str, /, **facts: object) -> str:
        if facts.get("number") == tickets[2].number:
            raise LookupError(key)
        return floor.desk.say(language, key, **facts)

    with pytest.raises(ExceptionGroup) as raised:
        await escalations.sweep(floor.database, lambda: floor.now + DUE + SECOND, replace(floor.desk, say=say))

    levels = [(await floor.fresh(ticket)).level for ticket in tickets]
    assert levels == [1, 1, 0, 1, 1]
    assert [type(error) for error in raised.value.exceptions] == [LookupError]
    assert await floor.all(Heartbeat, name=escalations.BEAT) == []


async def test_clocks_due_in_the_same_instant_are_all_found_in_pages(floor: Floor, lin: int) -> None:
    conversation = await floor.meet()
    for _ in range(5):
        await floor.open(conversation)

    assert (await floor.sweep(floor.now + DUE + SECOND, limit=2)).escalated == 5


async def test_the_next_due_instant_is_when_a_sweep_finds_something(floor: Floor, lin: int) -> None:
    async def next_due() -> object:
        async with floor.database.reading() as session:
            return await escalations.next_due(session)

    before = await next_due()
    await floor.open(at=floor.now + HOUR)
    await floor.open()
    wanted = await next_due()
    await floor.sweep(wanted)
    after = await next_due()

    assert (before, wanted, after) == (None, floor.now + WARNED + TICK, floor.now + WARNED + HOUR + TICK)
    assert (await floor.one(AuditRow, action="ticket.warned")).actor == "scheduler"


# Once


async def test_sweeping_again_changes_nothing(floor: Floor, lin: int) -> None:
    ticket = await floor.open()
    await floor.sweep(floor.now + DUE + SECOND)

    again = await floor.sweep(floor.now + DUE + HOUR)

    assert (again.escalated, again.late) == (0, 0)
    await assert_escalated_once(floor, ticket)


async def test_three_sweeps_at_once_escalate_once(floor: Floor, lin: int) -> None:
    ticket = await floor.open()

    assert await sweep_together(floor, 3, DUE + SECOND) == 1

    await assert_escalated_once(floor, ticket)


async def act_three_times_on_one_look(floor: Floor) -> None:
    """What three sweeps do that looked before the first of them acted."""
    at = floor.now + DUE + SECOND
    async with floor.database.reading() as session:
        batch = await escalations.find_due(session, at, None, 10)
    for _ in range(3):
        await floor.do(escalations.act, floor.desk, batch, at=at)


async def test_acting_on_an_old_look_changes_nothing(floor: Floor, lin: int) -> None:
    ticket = await floor.open()

    await act_three_times_on_one_look(floor)

    await assert_escalated_once(floor, ticket)


async def test_without_its_guard_an_old_look_acts_again(
    floor: Floor, lin: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticket = await floor.open()
    monkeypatch.setattr(escalations, "unacted", lambda *_: ())

    await act_three_times_on_one_look(floor)

    with pytest.raises(AssertionError):
        await assert_escalated_once(floor, ticket)


async def test_the_database_itself_holds_one_escalation_per_ticket_cycle_and_level(floor: Floor, lin: int) -> None:
    await floor.open()
    await floor.sweep(floor.now + DUE + SECOND)
    escalation = await floor.one(Escalation)

    with pytest.raises(IntegrityError):
        async with floor.database.writing() as session:
            session.add(Escalation.model_validate(escalation.model_dump(exclude={"id"})))


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)  # SQLite has one writer: nobody holds a row
async def test_a_ticket_that_another_transaction_holds_is_left_to_the_next_sweep(floor: Floor, lin: int) -> None:
    held, free = await floor.open(), await floor.open()

    async with floor.database.writing() as session:
        await lock_ticket(session, held.id)
        first = await floor.sweep(floor.now + DUE + SECOND)
    second = await floor.sweep(floor.now + DUE + SECOND)

    assert (first.escalated, second.escalated) == (1, 1)
    assert [escalation.ticket_id for escalation in await floor.all(Escalation)] == [free.id, held.id]


# Never on what was handled


async def handled_between(floor: Floor, ticket: Ticket, agent: int, delivered_after: timedelta) -> Sweep:
    """A sweep during which an agent's reply is delivered, after the look and before the act."""
    is_done = False

    async def reply() -> None:
        nonlocal is_done
        if not is_done:
            is_done = True
            await floor.do(floor.desk.reply, ticket.id, agent, "您好", at=floor.now + delivered_after)
            await floor.deliver(at=floor.now + delivered_after)

    database = Between(floor.database, reply)
    return await escalations.sweep(database, lambda: floor.now + DUE + SECOND, floor.desk)


async def test_a_reply_between_look_and_act_leaves_no_stale_escalation(floor: Floor, lin: int) -> None:
    ticket = await floor.open()

    swept = await handled_between(floor, ticket, lin, DUE)

    assert (swept.escalated, swept.late) == (0, 0)
    assert (await floor.fresh(ticket)).level == Level.BOT_LANE
    assert await floor.all(Escalation) == await floor.all(Notice) == []
    assert (await floor.one(Clock)).breached_at is None


async def test_a_clock_that_is_put_off_between_look_and_act_is_left_alone(floor: Floor, lin: int) -> None:
    ticket = await floor.open()

    async def put_off() -> None:
        async with floor.database.writing() as session:
            later = {"due_at": floor.now + 2 * DUE, "wake_at": floor.now + 2 * DUE}
            await session.exec(update(Clock).values(**later))

    swept = await escalations.sweep(Between(floor.database, put_off), lambda: floor.now + DUE + SECOND, floor.desk)

    assert swept.clocks == 0
    assert (await floor.fresh(ticket)).level == Level.BOT_LANE
    assert (await floor.one(Clock)).breached_at is None


async def test_after_an_outage_one_sweep_takes_every_rung(floor: Floor, lin: int, wang: int) -> None:
    ticket = await floor.open()

    swept = await floor.sweep(floor.now + 3 * DUE)

    assert swept.escalated == 3
    assert (await floor.fresh(ticket)).level == Level.MANAGER


async def test_without_its_guard_a_handled_ticket_is_escalated(
    floor: Floor, lin: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticket = await floor.open()
    monkeypatch.setattr(escalations, "unacted", lambda *_: ())

    swept = await handled_between(floor, ticket, lin, DUE)

    assert swept.escalated == 1
    assert (await floor.one(Clock)).met_at is not None


async def test_what_was_delivered_in_time_is_never_escalated_however_late_one_sweeps(floor: Floor, lin: int) -> None:
    ticket = await floor.open()
    await floor.do(floor.desk.reply, ticket.id, lin, "您好")
    await floor.deliver(at=floor.now + DUE)

    swept = await floor.sweep(floor.now + 100 * DUE)

    assert (swept.escalated, swept.late) == (0, 0)


async def test_a_reply_that_is_not_delivered_in_time_does_not_stop_the_escalation(floor: Floor, lin: int) -> None:
    ticket = await floor.open()
    await floor.do(floor.desk.reply, ticket.id, lin, "您好")
    (reply,) = await floor.all(Outgoing)
    await floor.do(outbox.mark_failed, reply.id, Sending.BLOCKED, "blocked")

    await floor.sweep(floor.now + DUE + SECOND)

    ticket = await floor.fresh(ticket)
    assert (ticket.level, ticket.phase, ticket.waiting_since) == (Level.HUMAN_QUEUE, Phase.OPEN, floor.now)


async def test_a_late_delivery_after_the_breach_keeps_both_facts(floor: Floor, lin: int) -> None:
    ticket = await floor.open()
    await floor.sweep(floor.now + DUE + SECOND)
    await floor.do(floor.desk.reply, ticket.id, lin, "抱歉久等", at=floor.now + DUE + HOUR)
    await floor.deliver(at=floor.now + DUE + HOUR)

    clock = await floor.one(Clock)
    assert (clock.breached_at, clock.met_at) == (floor.now + DUE, floor.now + DUE + HOUR)


async def test_a_resolved_ticket_whose_last_word_is_late_is_only_recorded(floor: Floor, lin: int) -> None:
    ticket = await floor.open()
    await floor.do(floor.desk.resolve, ticket.id, lin, Outcome.INSTRUCT)

    swept = await floor.sweep(floor.now + DUE + SECOND)

    assert (swept.escalated, swept.late) == (0, 0)
    assert (await floor.fresh(ticket)).phase == Phase.RESOLVED
    assert (await floor.one(Clock)).breached_at == floor.now + DUE


# With people already


async def test_a_taken_ticket_that_nobody_handled_goes_back_to_the_queue(floor: Floor, lin: int) -> None:
    ticket = await floor.open()
    await floor.do(floor.desk.take, ticket.id, lin)

    await floor.sweep(floor.now + DUE + SECOND)

    ticket = await floor.fresh(ticket)
    assert (ticket.assignee_id, ticket.waiting_since) == (None, floor.now)


async def test_a_late_ticket_in_the_human_queue_keeps_its_level_and_agent(floor: Floor, lin: int) -> None:
    ticket = await floor.open(level=Level.HUMAN_QUEUE)
    await floor.do(floor.desk.take, ticket.id, lin)

    swept = await floor.sweep(floor.now + DUE + HOUR)
    again = await floor.sweep(floor.now + DUE + 2 * HOUR)

    assert (swept.escalated, swept.late, again.late) == (0, 1, 0)
    ticket = await floor.fresh(ticket)
    assert (ticket.level, ticket.assignee_id) == (Level.HUMAN_QUEUE, lin)
    assert await floor.queued() == [f"zh:ticket.late number={ticket.number}"]
    _, late = await floor.all(Notice)
    assert late.text == f"zh:notice.late number={ticket.number} subject=卡密无效 minutes=60"
    assert len(await floor.all(Escalation)) == 1


async def test_a_new_cycle_is_escalated_in_its_own_right(floor: Floor, lin: int) -> None:
    ticket = await floor.open()
    await floor.sweep(floor.now + DUE + SECOND)
    await floor.do(floor.desk.resolve, ticket.id, lin, Outcome.INSTRUCT, at=floor.now + 30 * HOUR)
    await floor.deliver(at=floor.now + 30 * HOUR)
    await floor.speak(ticket, at=floor.now + 40 * HOUR)

    early = await floor.sweep(floor.now + 64 * HOUR)
    swept = await floor.sweep(floor.now + 64 * HOUR + SECOND)

    assert (early.late, swept.late) == (0, 1)


# Who is told


async def test_when_no_agent_is_active_the_manager_is_told(floor: Floor, wang: int) -> None:
    await floor.hire("gone", is_active=False)
    await floor.open()

    await floor.sweep(floor.now + DUE + SECOND)

    assert [notice.agent_id for notice in await floor.all(Notice)] == [wang]


async def test_nobody_at_all_is_an_alarm_and_the_ticket_still_moves(
    floor: Floor, caplog: pytest.LogCaptureFixture
) -> None:
    ticket = await floor.open()

    with caplog.at_level(logging.ERROR):
        await floor.sweep(floor.now + DUE + SECOND)

    assert (await floor.fresh(ticket)).level == Level.HUMAN_QUEUE
    assert [record.message for record in caplog.records] == [
        f"no active staff account: nobody was told of ticket {ticket.number}"
    ]


async def test_a_notice_is_shown_until_it_is_seen_and_to_its_agent_alone(floor: Floor, lin: int, ming: int) -> None:
    await floor.open(level=Level.HUMAN_QUEUE)
    await floor.open(level=Level.HUMAN_QUEUE)

    async def unseen(agent: int) -> list[Notice]:
        async with floor.database.reading() as session:
            return await notices.unseen(session, floor.now, agent)

    newest, oldest = await unseen(lin)
    await floor.do(notices.mark_seen, lin, oldest.id)

    assert newest.id > oldest.id
    assert [notice.id for notice in await unseen(lin)] == [newest.id]
    assert len(await unseen(ming)) == 2


# The heartbeat


async def test_every_sweep_beats_even_when_nothing_is_due(floor: Floor) -> None:
    async def swept_at() -> datetime | None:
        async with floor.database.reading() as session:
            return (await watch.look(session, floor.now)).swept_at

    before = await swept_at()
    await floor.sweep(floor.now)
    first = await swept_at()
    await floor.sweep(floor.now + HOUR)
    second = await swept_at()

    assert (before, first, second) == (None, floor.now, floor.now + HOUR)
    assert (await floor.one(Heartbeat, name=escalations.BEAT)).detail == {"escalated": 0, "late": 0, "late_by": 0}


async def test_first_sweeps_that_end_together_beat_once(floor: Floor) -> None:
    await sweep_together(floor, 4, HOUR)

    assert (await floor.one(Heartbeat, name=escalations.BEAT)).at == floor.now + HOUR


async def test_a_sweep_that_fails_does_not_beat(floor: Floor) -> None:
    async def fail() -> None:
        raise ConnectionError("the database is away")

    await floor.open()

    with pytest.raises(ConnectionError):
        await escalations.sweep(Between(floor.database, fail), lambda: floor.now + DUE + SECOND, floor.desk)

    assert await floor.all(Heartbeat, name=escalations.BEAT) == []


@pytest.mark.parametrize(
    ("size", "seconds", "after"),
    [
        pytest.param(250, 0.05, 500, id="quick: twice as many"),
        pytest.param(250, 0.1, 250, id="as long as others may wait"),
        pytest.param(1_000, 0.1, 1_000, id="no more than the limit"),
        pytest.param(1_000, 0.25, 500, id="too long: half as many"),
        pytest.param(1_000, 30.0, 250, id="a stalled disk: still worth a transaction"),
        pytest.param(250, 0.0, 500, id="in no time"),
    ],
)
def test_a_page_is_what_the_machine_moves_while_others_wait(size: int, seconds: float, after: int) -> None:
    assert _next_size(size, seconds, 1_000) == after


def test_a_small_limit_holds_whatever_the_machine_does() -> None:
    assert [_next_size(7, seconds, 7) for seconds in (0.0, 0.1, 30.0)] == [7, 7, 7]
