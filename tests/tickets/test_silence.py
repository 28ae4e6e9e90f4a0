"""Tickets that rest: snoozed, closed after silence, closed by staff. Every instant takes effect once."""

import asyncio
from datetime import datetime, timedelta

import pytest
from sqlmodel.ext.asyncio.session import AsyncSession

from audit.tables import AuditRow
from tests.tickets.conftest import Floor, say
from tests.tickets.test_escalations import Between
from tests.tickets.test_joining import answer, claim
from tickets import alarms
from tickets.alarms import Acted
from tickets.desk import Desk, DeskRules
from tickets.errors import HeldByColleague, InvalidTransition, PastInstant, StillOwed
from tickets.sla import Metric, Policy
from tickets.tables import (
    Claim,
    Clock,
    Conversation,
    Cycle,
    Ending,
    Level,
    Message,
    Notice,
    Outcome,
    Outgoing,
    Pause,
    Phase,
    Sending,
    Ticket,
)

TICK, SECOND, HOUR, DAY = timedelta.resolution, timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)
RULES = DeskRules(policies=(Policy(Metric.RESOLUTION, 72 * HOUR, pause_cap=72 * HOUR),))
WARNED, CLOSED = RULES.silence_warned_after, RULES.silence_warned_after + RULES.silence_closes_after


@pytest.fixture
def desk() -> Desk:
    return Desk(say, RULES)


async def ring(floor: Floor, after: timedelta) -> Acted:
    return await alarms.ring(floor.database, lambda: floor.now + after, floor.desk)


async def next_alarm(floor: Floor) -> datetime | None:
    async with floor.database.reading() as session:
        return await alarms.next_alarm(session)


async def place(floor: Floor, ticket: Ticket) -> int:
    async with floor.database.reading() as session:
        return await floor.desk.position(session, floor.now, await floor.fresh(ticket))


# Snoozing


async def test_a_snoozed_ticket_leaves_the_queue_and_comes_back_to_its_place(floor: Floor, lin: int) -> None:
    first, second = await floor.open(), await floor.open(at=floor.now + SECOND)
    before = await floor.all(Clock)

    await floor.do(floor.desk.snooze, first.id, lin, floor.now + 3 * HOUR)
    asleep = await place(floor, first), await place(floor, second)
    early = await ring(floor, 3 * HOUR)
    woken = await ring(floor, 3 * HOUR + TICK)

    assert asleep == (0, 1)
    assert (early, woken) == (Acted(), Acted(woken=1))
    assert (await place(floor, first), await place(floor, second)) == (1, 2)
    assert await floor.all(Clock) == before
    assert (await floor.actions(first))[-2:] == ["ticket.snoozed", "ticket.woken"]


async def test_a_snoozed_ticket_is_not_pulled(floor: Floor, lin: int) -> None:
    ticket = await floor.open(level=Level.HUMAN_QUEUE)
    await floor.do(floor.desk.snooze, ticket.id, lin, floor.now + HOUR)

    assert await floor.do(floor.desk.take_next, lin) is None


async def test_the_holder_hears_that_the_time_has_come(floor: Floor, lin: int, ming: int) -> None:
    ticket = await floor.open()
    await floor.do(floor.desk.take, ticket.id, lin)
    await floor.do(floor.desk.snooze, ticket.id, lin, floor.now + HOUR)

    await ring(floor, 2 * HOUR)

    (notice,) = await floor.all(Notice)
    assert (notice.agent_id, notice.text.split()[0]) == (lin, "zh:notice.woken")


@pytest.mark.parametrize("does", ["speaks", "hurries", "asks for a person"])
async def test_the_buyer_wakes_it(floor: Floor, lin: int, does: str) -> None:
    conversation = await floor.meet()
    ticket = await floor.open(conversation)
    await floor.do(floor.desk.snooze, ticket.id, lin, floor.now + HOUR)

    match does:
        case "speaks":
            await floor.speak(ticket)
        case "hurries":
            await floor.do(floor.desk.hurry, ticket)
        case "asks for a person":
            await floor.do(floor.desk.hand_over, conversation, "转人工")

    ticket = await floor.fresh(ticket)
    assert (ticket.snoozed_until, ticket.waiting_since) == (None, floor.now)
    assert await next_alarm(floor) is None


async def test_a_snooze_past_the_due_instant_hides_nothing_from_the_sweep(floor: Floor, lin: int) -> None:
    ticket = await floor.open()
    await floor.do(floor.desk.snooze, ticket.id, lin, floor.now + 40 * HOUR)

    swept = await floor.sweep(floor.now + 24 * HOUR + SECOND)

    ticket = await floor.fresh(ticket)
    assert (swept.escalated, ticket.level, ticket.snoozed_until) == (1, Level.HUMAN_QUEUE, None)
    assert await place(floor, ticket) == 1


async def test_a_snooze_is_taken_back(floor: Floor, lin: int) -> None:
    ticket = await floor.open()
    await floor.do(floor.desk.snooze, ticket.id, lin, floor.now + HOUR)

    await floor.do(floor.desk.wake, ticket.id, lin)

    assert await place(floor, ticket) == 1


async def test_what_cannot_be_snoozed_is_refused(floor: Floor, lin: int, ming: int) -> None:
    ticket, held, settled = await floor.open(), await floor.open(), await floor.open()
    await floor.do(floor.desk.take, held.id, ming)
    await floor.do(floor.desk.resolve, settled.id, lin, Outcome.INSTRUCT)

    for one, until, error in (
        (ticket, floor.now, PastInstant),
        (held, floor.now + HOUR, HeldByColleague),
        (settled, floor.now + HOUR, InvalidTransition),
    ):
        with pytest.raises(error):
            await floor.do(floor.desk.snooze, one.id, lin, until)


# The buyer's silence


async def test_a_silent_buyer_is_warned_with_the_time_and_then_let_go(floor: Floor, lin: int) -> None:
    ticket = await floor.open()
    await answer(floor, ticket, lin, timedelta())

    early, warned = await ring(floor, WARNED), await ring(floor, WARNED + HOUR)
    told = await floor.deliver(at=floor.now + WARNED + HOUR)
    waiting = await ring(floor, CLOSED + HOUR)
    closed = await ring(floor, CLOSED + HOUR + TICK)

    assert (early, warned, waiting, closed) == (Acted(), Acted(warned=1), Acted(), Acted(closed=1))
    assert told == [f"zh:ticket.close_warning number={ticket.number} at=03-05 05:00 subject=卡密无效"]
    assert await floor.queued() == [f"zh:ticket.closed_silent number={ticket.number}"]
    cycle, ended_at = await floor.one(Cycle), floor.now + CLOSED + HOUR
    assert (cycle.outcome, cycle.resolved_at) == (Ending.SILENCE, ended_at)
    assert (await floor.one(Clock, metric="resolution")).stopped_at == ended_at
    assert (await floor.one(Pause)).until == ended_at
    assert (await floor.actions(ticket))[-2:] == ["ticket.close_warned", "ticket.closed"]


async def test_the_end_is_the_instant_that_was_announced_however_late_the_tick(floor: Floor, lin: int) -> None:
    ticket = await floor.open()
    await answer(floor, ticket, lin, timedelta())
    await ring(floor, WARNED + TICK)
    await floor.deliver(at=floor.now + WARNED + TICK)

    await ring(floor, CLOSED + 9 * DAY)

    assert (await floor.one(Cycle)).resolved_at == floor.now + CLOSED + TICK


async def test_a_late_warning_still_gives_the_whole_span(floor: Floor, lin: int) -> None:
    ticket = await floor.open()
    await answer(floor, ticket, lin, timedelta())

    await ring(floor, 9 * DAY)

    assert (await floor.fresh(ticket)).closes_at == floor.now + 9 * DAY + RULES.silence_closes_after


async def test_a_word_of_the_buyer_cancels_the_close(floor: Floor, lin: int) -> None:
    ticket = await floor.open()
    await answer(floor, ticket, lin, timedelta())
    await ring(floor, WARNED + TICK)
    await floor.deliver(at=floor.now + WARNED + TICK)

    await floor.speak(ticket, at=floor.now + WARNED + HOUR)
    await ring(floor, CLOSED + DAY)

    ticket = await floor.fresh(ticket)
    assert (ticket.phase, ticket.closes_at, ticket.warned_at) == (Phase.OPEN, None, None)


async def test_another_word_of_ours_begins_the_silence_anew(floor: Floor, lin: int) -> None:
    ticket = await floor.open()
    await answer(floor, ticket, lin, timedelta())
    await ring(floor, WARNED + TICK)
    await answer(floor, ticket, lin, WARNED + HOUR)

    ticket = await floor.fresh(ticket)
    assert (ticket.warned_at, ticket.closes_at) == (None, floor.now + WARNED + HOUR + WARNED)
    assert len(await floor.all(Pause)) == 1


@pytest.mark.parametrize("state", [Sending.QUEUED, Sending.BLOCKED])
async def test_who_has_heard_nothing_is_not_silent(floor: Floor, lin: int, state: Sending) -> None:
    ticket = await floor.open()
    await floor.do(floor.desk.reply, ticket.id, lin, "您好")
    async with floor.database.writing() as session:
        for outgoing in await floor.all(Outgoing):
            outgoing.state = state
            await session.merge(outgoing)

    assert await ring(floor, WARNED + HOUR) == Acted()

    ticket = await floor.fresh(ticket)
    assert (ticket.warned_at, ticket.closes_at) == (None, floor.now + WARNED + HOUR + RULES.silence_closes_after)
    assert (await floor.actions(ticket))[-1] == "ticket.close_put_off"


async def test_a_warning_that_has_not_left_puts_the_close_off(floor: Floor, lin: int) -> None:
    ticket = await floor.open()
    await answer(floor, ticket, lin, timedelta())
    await ring(floor, WARNED + TICK)

    assert await ring(floor, CLOSED + HOUR) == Acted()

    assert (await floor.fresh(ticket)).phase == Phase.WAITING


async def test_a_warned_ticket_that_was_joined_by_a_promise_is_not_let_go(floor: Floor, lin: int) -> None:
    warned = await floor.open()
    await answer(floor, warned, lin, timedelta())
    await ring(floor, WARNED + SECOND)
    await floor.deliver(at=floor.now + WARNED + SECOND)
    other = await floor.open(at=floor.now + WARNED + HOUR)
    await floor.do(floor.desk.set_status, other.id, lin, "waiting", at=floor.now + WARNED + HOUR)
    await floor.do(floor.desk.merge, other.id, warned.id, lin, at=floor.now + WARNED + 2 * HOUR)
    await floor.deliver(at=floor.now + WARNED + 2 * HOUR)

    rung = await ring(floor, CLOSED + 2 * SECOND)
    swept = await floor.sweep(floor.now + WARNED + 25 * HOUR + SECOND)

    assert (rung.closed, swept.escalated) == (0, 1)


async def test_a_claim_of_a_silent_buyer_lapses_and_can_be_filed_again(floor: Floor, lin: int) -> None:
    ticket = await floor.open()
    await claim(floor, ticket, "one")
    await answer(floor, ticket, lin, timedelta())
    await ring(floor, WARNED + TICK)
    await floor.deliver(at=floor.now + WARNED + TICK)
    await ring(floor, CLOSED + HOUR)

    lapsed = await floor.one(Claim)
    assert (lapsed.outcome, lapsed.decided_at) == (None, floor.now + CLOSED + HOUR)
    assert "claim.lapsed" in [row.action for row in await floor.all(AuditRow)]


async def test_a_resolved_ticket_becomes_history_when_its_window_is_over(floor: Floor, lin: int) -> None:
    ticket = await floor.open()
    await floor.do(floor.desk.resolve, ticket.id, lin, Outcome.INSTRUCT)
    await floor.deliver()

    early, closed = await ring(floor, RULES.reopen_within), await ring(floor, RULES.reopen_within + TICK)

    assert (early, closed) == (Acted(), Acted(closed=1))
    assert (await floor.fresh(ticket)).phase == Phase.CLOSED
    cycle = await floor.one(Cycle)
    assert (cycle.outcome, cycle.resolved_at) == (Outcome.INSTRUCT, floor.now)
    assert await floor.queued() == []


async def test_the_next_alarm_is_when_a_tick_finds_something(floor: Floor, lin: int) -> None:
    ticket, other = await floor.open(), await floor.open()
    none = await next_alarm(floor)
    await answer(floor, ticket, lin, timedelta())
    silent = await next_alarm(floor)
    await floor.do(floor.desk.snooze, other.id, lin, floor.now + HOUR)

    assert none is None
    assert silent == floor.now + WARNED + TICK
    assert await next_alarm(floor) == floor.now + HOUR + TICK


# Closing by hand


async def test_staff_close_what_is_answered_and_the_buyer_is_told(floor: Floor, lin: int) -> None:
    ticket = await floor.open()
    await answer(floor, ticket, lin, timedelta())

    await floor.do(floor.desk.close, ticket.id, lin, at=floor.now + HOUR)

    assert (await floor.fresh(ticket)).phase == Phase.CLOSED
    assert (await floor.one(Cycle)).outcome == Ending.CLOSED
    assert await floor.queued() == [f"zh:ticket.closed number={ticket.number}"]


@pytest.mark.parametrize("is_answered", [False, True], ids=["open", "answered, not delivered"])
async def test_nothing_is_closed_while_an_answer_is_owed(floor: Floor, lin: int, is_answered: bool) -> None:
    ticket = await floor.open()
    if is_answered:
        await floor.do(floor.desk.reply, ticket.id, lin, "您好")

    with pytest.raises(StillOwed):
        await floor.do(floor.desk.close, ticket.id, lin)


# Once


async def lying_in_wait(floor: Floor, agent: int) -> list[Ticket]:
    """One to wake, one to warn, one to close, one to make history of; all a while ago."""
    tickets = [await floor.open() for _ in range(4)]
    asleep, silent, warned, resolved = tickets
    await floor.do(floor.desk.snooze, asleep.id, agent, floor.now + HOUR)
    await answer(floor, warned, agent, timedelta())
    await ring(floor, WARNED + TICK)
    await floor.deliver(at=floor.now + WARNED + TICK)
    await floor.do(floor.desk.snooze, asleep.id, agent, floor.now + WARNED + HOUR, at=floor.now + WARNED)
    await answer(floor, silent, agent, HOUR)
    await floor.do(floor.desk.resolve, resolved.id, agent, Outcome.INSTRUCT)
    await floor.deliver()
    return tickets


async def facts(floor: Floor) -> tuple[list[Ticket], list[Clock], int, int]:
    return (
        await floor.all(Ticket),
        await floor.all(Clock),
        len(await floor.all(Message)),
        len(await floor.all(AuditRow)),
    )


AT = RULES.reopen_within + DAY


async def test_ringing_again_changes_nothing(floor: Floor, lin: int) -> None:
    await lying_in_wait(floor, lin)

    done = await ring(floor, AT)
    before = await facts(floor)

    assert done == Acted(woken=1, warned=1, closed=2)
    assert await ring(floor, AT) == Acted()
    assert await facts(floor) == before


async def ring_together(floor: Floor, schedulers: int) -> Acted:
    """Ticks that have all looked before the first of them acts."""
    everyone_has_looked = asyncio.Barrier(schedulers)
    database = Between(floor.database, everyone_has_looked.wait)
    ends = await asyncio.gather(
        *(alarms.ring(database, lambda: floor.now + AT, floor.desk) for _ in range(schedulers)),
    )
    return sum(ends, Acted())


async def test_three_schedulers_wake_warn_and_close_once(floor: Floor, lin: int) -> None:
    await lying_in_wait(floor, lin)

    assert await ring_together(floor, 3) == Acted(woken=1, warned=1, closed=2)


async def spoken_between(floor: Floor, ticket: Ticket) -> Acted:
    """A tick during which the buyer speaks, after the look and before the act."""
    has_spoken = False

    async def speak() -> None:
        nonlocal has_spoken
        if not has_spoken:
            has_spoken = True
            await floor.speak(ticket, at=floor.now + AT)

    database = Between(floor.database, speak)
    return await alarms.ring(database, lambda: floor.now + AT, floor.desk)


async def silent_ticket(floor: Floor, agent: int) -> Ticket:
    ticket = await floor.open()
    await answer(floor, ticket, agent, timedelta())
    await ring(floor, WARNED + TICK)
    await floor.deliver(at=floor.now + WARNED + TICK)
    return ticket


async def test_a_word_between_look_and_act_keeps_the_ticket_open(floor: Floor, lin: int) -> None:
    ticket = await silent_ticket(floor, lin)

    assert await spoken_between(floor, ticket) == Acted()

    assert (await floor.fresh(ticket)).phase == Phase.OPEN
    assert (await floor.actions(ticket))[-1] == "ticket.heard"


async def test_without_its_guard_the_silence_of_a_buyer_who_spoke_is_counted_on(
    floor: Floor, lin: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticket = await silent_ticket(floor, lin)
    monkeypatch.setattr(alarms, "unacted", lambda instant, now: ())

    await spoken_between(floor, ticket)

    assert (await floor.actions(ticket))[-1] == "ticket.close_put_off"


async def test_whose_words_have_not_taken_effect_yet_is_not_silent(floor: Floor, lin: int) -> None:
    async def unheard(_session: AsyncSession, conversation: Conversation) -> bool:
        return conversation.address == "buyer-1"

    ticket = await silent_ticket(floor, lin)

    acted = await alarms.ring(floor.database, lambda: floor.now + AT, floor.desk, unheard=unheard)

    assert acted == Acted()
    now_is = await floor.fresh(ticket)
    assert (now_is.phase, now_is.closes_at) == (Phase.WAITING, floor.now + AT + RULES.silence_closes_after)


async def test_while_silence_does_not_count_tickets_are_only_woken(floor: Floor, lin: int) -> None:
    await lying_in_wait(floor, lin)

    acted = await alarms.ring(floor.database, lambda: floor.now + AT, floor.desk, counts_silence=False)

    assert acted == Acted(woken=1)
