"""Spam: silent, without a verdict, and not for ever."""

from datetime import timedelta

import pytest

from tests.tickets.conftest import Floor, say
from tests.tickets.test_joining import claim
from tickets import sla
from tickets.desk import Desk, DeskRules
from tickets.errors import InvalidTransition, NotAllowed, NotSpam, Undecided
from tickets.sla import Metric, Policy, Verdict
from tickets.tables import Clock, Cycle, Ending, Escalation, Notice, Outcome, Phase, TicketLink

SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)


async def test_spam_closes_without_a_word_and_nothing_escalates(floor: Floor, lin: int) -> None:
    ticket = await floor.open()

    await floor.do(floor.desk.mark_spam, ticket.id, lin, at=floor.now + HOUR)
    swept = await floor.sweep(floor.now + 100 * HOUR)

    assert (await floor.fresh(ticket)).phase == Phase.CLOSED
    assert (swept.escalated, swept.late) == (0, 0)
    assert await floor.queued() == await floor.all(Escalation) == await floor.all(Notice) == []
    clock = await floor.one(Clock)
    assert clock.stopped_at == floor.now + HOUR
    assert sla.verdict(clock.due_at, clock.met_at, clock.stopped_at, floor.now + 100 * HOUR) == Verdict.EXCLUDED
    assert (await floor.one(Cycle)).outcome == Ending.SPAM
    assert (await floor.actions(ticket))[-1] == "ticket.closed"


async def test_a_lead_takes_it_back_and_the_promise_is_what_it_was(floor: Floor, lin: int, chen: int) -> None:
    ticket = await floor.open()
    await floor.do(floor.desk.mark_spam, ticket.id, lin, at=floor.now + HOUR)

    with pytest.raises(NotAllowed):
        await floor.do(floor.desk.take_back_spam, ticket.id, lin)
    await floor.do(floor.desk.take_back_spam, ticket.id, chen, at=floor.now + 26 * HOUR)
    swept = await floor.sweep(floor.now + 26 * HOUR + SECOND)

    back = await floor.fresh(ticket)
    assert (back.phase, back.waiting_since) == (Phase.OPEN, floor.now)
    assert swept.escalated == 1
    assert (await floor.one(Clock)).due_at == floor.now + 24 * HOUR
    assert (await floor.one(Cycle)).outcome is None
    assert "ticket.spam_taken_back" in await floor.actions(ticket)


async def test_a_wait_that_spam_has_ended_puts_nothing_off_any_more(floor: Floor, lin: int, chen: int) -> None:
    floor.desk = Desk(say, DeskRules(policies=(Policy(Metric.RESOLUTION, 72 * HOUR, pause_cap=72 * HOUR),)))
    ticket = await floor.open()
    await floor.do(floor.desk.set_status, ticket.id, lin, "waiting", at=floor.now + HOUR)
    await floor.do(floor.desk.mark_spam, ticket.id, lin, at=floor.now + 2 * HOUR)

    await floor.do(floor.desk.take_back_spam, ticket.id, chen, at=floor.now + 3 * HOUR)

    assert (await floor.one(Clock, metric=Metric.RESOLUTION)).due_at == floor.now + 73 * HOUR


async def test_what_is_no_spam_is_not_taken_back(floor: Floor, lin: int, chen: int) -> None:
    ticket = await floor.open()
    await floor.do(floor.desk.reply, ticket.id, lin, "您好")
    await floor.deliver()
    await floor.do(floor.desk.close, ticket.id, lin)

    with pytest.raises(NotSpam):
        await floor.do(floor.desk.take_back_spam, ticket.id, chen)


async def test_who_has_proved_an_order_is_no_spammer(floor: Floor, lin: int) -> None:
    ticket = await floor.open()
    await claim(floor, ticket, "one")

    with pytest.raises(Undecided):
        await floor.do(floor.desk.mark_spam, ticket.id, lin)


async def test_a_settled_ticket_is_no_spam(floor: Floor, lin: int) -> None:
    ticket = await floor.open()
    await floor.do(floor.desk.resolve, ticket.id, lin, Outcome.INSTRUCT)

    with pytest.raises(InvalidTransition):
        await floor.do(floor.desk.mark_spam, ticket.id, lin)


async def test_a_spammer_who_asks_for_a_person_gets_a_ticket_that_follows_nothing(floor: Floor, lin: int) -> None:
    conversation = await floor.meet()
    ticket = await floor.open(conversation)
    await floor.do(floor.desk.mark_spam, ticket.id, lin)

    new = await floor.do(floor.desk.hand_over, conversation, "转人工")

    assert new.id != ticket.id
    assert await floor.all(TicketLink) == []
    with pytest.raises(InvalidTransition):
        await floor.speak(ticket)
