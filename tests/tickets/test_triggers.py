"""What brings a ticket to the leads before it is due."""

from datetime import timedelta

import pytest

from tests.tickets.conftest import Floor, say
from tickets.desk import Desk, DeskRules
from tickets.grievance import Grievance
from tickets.rules import Triggers
from tickets.tables import Clock, Escalation, Level, Metric, Notice, Outcome, Phase, Ticket, Trigger

HOUR = timedelta(hours=1)


async def raised(floor: Floor) -> list[tuple[int, str]]:
    return [(row.level, row.trigger) for row in await floor.all(Escalation)]


async def come_back(floor: Floor, ticket: Ticket, agent: int, hours: int) -> None:
    await floor.do(floor.desk.resolve, ticket.id, agent, Outcome.INSTRUCT, at=floor.now + hours * HOUR)
    await floor.speak(ticket, at=floor.now + (hours + 1) * HOUR)


@pytest.mark.parametrize("text", ["我要打12315", "你们等着，我去投诉", "I will open a PayPal dispute", "消協見"])
async def test_risky_words_bring_an_open_ticket_to_the_lead_at_once(
    floor: Floor, lin: int, chen: int, text: str
) -> None:
    ticket = await floor.open()

    await floor.speak(ticket, text)

    assert (await floor.fresh(ticket)).level == Level.LEAD
    assert await raised(floor) == [(Level.LEAD, Trigger.RISK)]
    notice = await floor.one(Notice)
    assert (notice.agent_id, notice.text.split()[-1]) == (chen, "why=zh:trigger.risk")


@pytest.mark.parametrize("text", ["我不想投诉，就想问问", "骗子", "what is a chargeback?", "我用工商银行付的款"])
async def test_anger_and_neutral_words_raise_nothing(floor: Floor, lin: int, chen: int, text: str) -> None:
    ticket = await floor.open()

    await floor.speak(ticket, text)

    assert await raised(floor) == []


async def test_the_owner_adds_words_and_chooses_what_is_grave(floor: Floor, chen: int) -> None:
    grave = Triggers(grievances=frozenset({Grievance.COMPLAINT}), risky_words=("黑猫",))
    floor.desk = Desk(say, DeskRules(triggers=grave))
    legal, own = await floor.open(), await floor.open(await floor.meet("other"))

    await floor.speak(legal, "我找律师")
    await floor.speak(own, "黑猫上见")

    assert [row.ticket_id for row in await floor.all(Escalation)] == [own.id]


async def test_it_happens_once(floor: Floor, chen: int) -> None:
    ticket = await floor.open()
    for minute in range(3):
        await floor.speak(ticket, "投诉", at=floor.now + minute * timedelta(minutes=1))

    assert await raised(floor) == [(Level.LEAD, Trigger.RISK)]
    assert len(await floor.all(Notice)) == 1


async def test_the_owner_changes_with_the_level(floor: Floor, lin: int, chen: int) -> None:
    ticket = await floor.open()
    await floor.do(floor.desk.take, ticket.id, lin)

    await floor.speak(ticket, "投诉")

    assert (await floor.fresh(ticket)).assignee_id is None


async def test_a_lead_who_has_the_ticket_keeps_it(floor: Floor, lin: int, chen: int) -> None:
    ticket = await floor.open()
    await floor.do(floor.desk.take, ticket.id, chen)

    await floor.speak(ticket, "投诉")

    ticket = await floor.fresh(ticket)
    assert (ticket.level, ticket.assignee_id) == (Level.LEAD, chen)


async def test_who_comes_back_again_and_again_gets_the_lead(floor: Floor, lin: int, chen: int) -> None:
    ticket = await floor.open()
    await come_back(floor, ticket, lin, 1)
    once = await raised(floor)

    await come_back(floor, ticket, lin, 3)

    assert (once, await raised(floor)) == ([], [(Level.LEAD, Trigger.REOPENED)])


async def test_who_hurries_again_and_again_gets_the_lead(floor: Floor, lin: int, chen: int) -> None:
    ticket = await floor.open()
    for hour in range(5):
        await floor.do(floor.desk.hurry, ticket, at=floor.now + hour * HOUR)
        assert len(await raised(floor)) == (hour >= 2)

    assert await raised(floor) == [(Level.LEAD, Trigger.HURRIED)]
    assert (await floor.one(Clock, metric=Metric.HANDLING)).due_at == floor.now + 24 * HOUR


async def test_a_ticket_that_waits_on_the_buyer_goes_on_waiting_with_the_lead(
    floor: Floor, lin: int, chen: int
) -> None:
    ticket = await floor.open()
    await floor.do(floor.desk.reply, ticket.id, lin, "请稍等")
    for hour in range(3):
        await floor.do(floor.desk.hurry, ticket, at=floor.now + hour * HOUR)

    ticket = await floor.fresh(ticket)
    assert (ticket.phase, ticket.level, ticket.assignee_id) == (Phase.WAITING, Level.LEAD, None)
