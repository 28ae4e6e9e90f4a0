"""Who waits for whom: a pause begins when a word has arrived, and a wait for us has a clock, whoever spoke last."""

from datetime import timedelta

import pytest

from shop.tables import Refund
from tests.tickets.conftest import Floor, say
from tests.tickets.counter import Counter
from tests.tickets.test_refunds import claimed
from tickets import clocks, outbox
from tickets.desk import Desk, DeskRules
from tickets.rules import MoneyRules
from tickets.second_person import SecondPerson
from tickets.sla import Policy
from tickets.tables import Clock, Level, Metric, Outgoing, Pause, Phase, Sending, Ticket

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
RESOLUTION = Policy(Metric.RESOLUTION, 72 * HOUR, pause_cap=72 * HOUR)


@pytest.fixture
def desk() -> Desk:
    return Desk(say, DeskRules(policies=(RESOLUTION,), money=MoneyRules(two_persons=4_000)))


async def resolution(floor: Floor) -> Clock:
    return (await floor.all(Clock, metric=Metric.RESOLUTION))[-1]


async def lose(floor: Floor, state: Sending) -> None:
    for outgoing in await floor.all(Outgoing, state=Sending.QUEUED):
        await floor.do(outbox.mark_failed, outgoing.id, state, "gone", at=floor.now + HOUR)


async def test_a_pause_begins_when_the_reply_has_arrived(floor: Floor, lin: int) -> None:
    ticket = await floor.open()
    await floor.do(floor.desk.reply, ticket.id, lin, "请发截图", at=floor.now + HOUR)
    before = await floor.all(Pause)

    await floor.deliver(at=floor.now + 4 * HOUR)
    await floor.speak(ticket, at=floor.now + 10 * HOUR)

    pause = await floor.one(Pause)
    assert before == []
    assert (pause.since, pause.until) == (floor.now + 4 * HOUR, floor.now + 10 * HOUR)
    assert (await resolution(floor)).due_at == floor.now + (72 + 6) * HOUR


@pytest.mark.parametrize("state", [Sending.FAILED, Sending.BLOCKED, Sending.UNKNOWN])
async def test_a_reply_that_never_arrived_paused_nothing(floor: Floor, lin: int, state: Sending) -> None:
    ticket = await floor.open()
    await floor.do(floor.desk.reply, ticket.id, lin, "请发截图")

    await lose(floor, state)
    await floor.sweep(floor.now + 25 * HOUR)

    assert await floor.all(Pause) == []
    assert (await resolution(floor)).due_at == floor.now + 72 * HOUR
    assert (await floor.fresh(ticket)).phase == Phase.OPEN  # and people have it again


async def test_where_a_pause_begins_with_the_writing_a_lost_reply_buys_time(
    floor: Floor, lin: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticket, answer = await floor.open(), floor.desk.answer

    async def answer_as_it_was(session, now, ticket, *rest):  # type: ignore[no-untyped-def]
        said = await answer(session, now, ticket, *rest)
        await clocks.pause(session, now, ticket, floor.desk.rules)
        return said

    monkeypatch.setattr(floor.desk, "answer", answer_as_it_was)
    await floor.do(floor.desk.reply, ticket.id, lin, "请发截图")

    await lose(floor, Sending.BLOCKED)

    assert (await resolution(floor)).due_at > floor.now + 72 * HOUR


async def test_a_word_that_arrives_after_the_buyer_has_come_back_pauses_nothing(floor: Floor, lin: int) -> None:
    ticket = await floor.open()
    await floor.do(floor.desk.reply, ticket.id, lin, "您好", at=floor.now + HOUR)
    await floor.speak(ticket, at=floor.now + 2 * HOUR)
    await floor.do(floor.desk.set_status, ticket.id, lin, "open", at=floor.now + 2 * HOUR)

    await floor.deliver(at=floor.now + 3 * HOUR)

    assert await floor.all(Pause) == []


async def test_the_buyers_silence_counts_from_the_arrival(floor: Floor, lin: int) -> None:
    ticket = await floor.open()
    await floor.do(floor.desk.reply, ticket.id, lin, "您好")

    await floor.deliver(at=floor.now + 5 * HOUR)

    closes_at = floor.now + 5 * HOUR + floor.desk.rules.silence_warned_after
    assert (await floor.fresh(ticket)).closes_at == closes_at


# What is still to be done for the buyer


async def answered(counter: Counter, ticket: Ticket, agent: int, *, hours: int) -> None:
    at = counter.floor.now + hours * HOUR
    await counter.floor.do(counter.floor.desk.reply, ticket.id, agent, "组长看过就告诉您", at=at)
    await counter.floor.deliver(at=at)


async def level_at(counter: Counter, ticket: Ticket, hours: int) -> int:
    await counter.floor.sweep(counter.floor.now + hours * HOUR)
    return (await counter.floor.fresh(ticket)).level


@pytest.mark.parametrize("order", ["asked, then answered", "answered, then asked"])
@pytest.mark.parametrize("what", ["refund", "replacement"])
async def test_who_waits_for_a_second_word_is_escalated_however_often_we_answer(
    counter: Counter, lin: int, chen: int, order: str, what: str
) -> None:
    ticket = await claimed(counter)

    async def ask() -> None:
        if what == "refund":
            await counter.ask_refund(ticket, lin)
        else:
            await counter.floor.do(SecondPerson(counter.claims).replace, ticket.id, lin)

    if order == "asked, then answered":
        await ask()
        await answered(counter, ticket, lin, hours=2)
    else:
        await answered(counter, ticket, lin, hours=0)
        await ask()
    waits = await counter.floor.all(Clock, metric=Metric.HANDLING, met_at=None)
    late = await level_at(counter, ticket, 27)

    assert len(waits) == 1
    assert late == Level.HUMAN_QUEUE
    assert [pause.until for pause in await counter.floor.all(Pause)] in ([], [counter.floor.now])


async def test_a_refund_that_was_refused_in_words_waits_on_the_buyer_again(
    counter: Counter, lin: int, chen: int
) -> None:
    ticket = await claimed(counter)
    refund = await counter.ask_refund(ticket, lin)
    await answered(counter, ticket, lin, hours=2)

    at = counter.floor.now + 3 * HOUR
    await counter.floor.do(counter.refunds.refuse, refund.id, chen, "这张卡是好的。", at=at)
    await counter.floor.deliver(at=at)

    assert [clock.met_at for clock in await counter.floor.all(Clock, metric=Metric.HANDLING)][-1] == at
    assert [(pause.since, pause.until) for pause in await counter.floor.all(Pause)] == [(at, None)]
    assert (await counter.floor.one(Refund)).state == "refused"
