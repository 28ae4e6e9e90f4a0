"""What a channel calls back did not arrive: it handled nothing, paused nothing, and was not spent."""

from datetime import timedelta

import pytest
from sqlmodel import select

from tests.tickets.conftest import Floor, say
from tickets import reply_windows
from tickets.desk import Desk, DeskRules
from tickets.reply_windows import Allowance
from tickets.sla import Policy
from tickets.tables import Clock, Escalation, Metric, Notice, Outgoing, Pause, ReplyWindow, Sending
from tickets.taking_back import Loss

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
RESOLUTION = Policy(Metric.RESOLUTION, 72 * HOUR, pause_cap=72 * HOUR)
ALLOWANCE = Allowance(48 * HOUR, 5)


@pytest.fixture
def desk() -> Desk:
    return Desk(say, DeskRules(policies=(RESOLUTION,)))


async def last(floor: Floor) -> Outgoing:
    async with floor.database.writing() as session:
        for one in (await session.exec(select(Outgoing))).all():
            one.foreign_id = f"k-{one.id}"
    found: Outgoing = (await floor.all(Outgoing, state=Sending.SENT, handles=True))[-1]
    return found


async def lose(floor: Floor, outgoing: Outgoing, at: timedelta, allowance: Allowance | None = ALLOWANCE) -> int:
    assert outgoing.id is not None
    loss = Loss(outgoing.id, outgoing.foreign_id or "", Sending.FAILED, "fail_type 0", allowance)
    count: int = await floor.do(floor.desk.take_back_message, loss, at=floor.now + at)
    return count


async def answered(floor: Floor, lin: int) -> Outgoing:
    ticket = await floor.open()
    await floor.do(floor.desk.reply, ticket.id, lin, "请发截图")
    await floor.deliver(at=floor.now + MINUTE)
    return await last(floor)


async def test_a_reply_that_is_called_back_handled_nothing(floor: Floor, lin: int) -> None:
    reply = await answered(floor, lin)
    assert (await floor.one(Clock, metric=Metric.HANDLING)).met_at == floor.now + MINUTE

    assert await lose(floor, reply, HOUR) == 1
    await floor.sweep(floor.now + 25 * HOUR)

    clock, resolution = [await floor.one(Clock, metric=metric) for metric in (Metric.HANDLING, Metric.RESOLUTION)]
    assert (clock.met_at, clock.breached_at) == (None, clock.due_at)
    assert resolution.due_at == floor.now + 72 * HOUR  # and nobody was waited for
    assert all(pause.until == pause.since for pause in await floor.all(Pause))
    assert await floor.all(Escalation)
    assert any("taken_back" in notice.text for notice in await floor.all(Notice, agent_id=lin))


async def test_where_only_the_message_is_marked_the_promise_looks_kept(
    floor: Floor, lin: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nothing(*_: object) -> None: ...

    monkeypatch.setattr(floor.desk, "_undo", nothing)
    await lose(floor, await answered(floor, lin), HOUR)
    await floor.sweep(floor.now + 25 * HOUR)

    assert (await floor.one(Clock, metric=Metric.HANDLING)).met_at is not None
    assert not await floor.all(Escalation)


async def test_another_answer_that_arrived_since_meets_the_clock(floor: Floor, lin: int) -> None:
    first = await answered(floor, lin)
    ticket = (await floor.all(Clock))[0].ticket_id
    await floor.do(floor.desk.reply, ticket, lin, "或者发订单号", at=floor.now + 2 * HOUR)
    await floor.deliver(at=floor.now + 3 * HOUR)

    await lose(floor, first, 4 * HOUR)

    assert (await floor.one(Clock, metric=Metric.HANDLING)).met_at == floor.now + 3 * HOUR


async def test_the_buyers_next_word_belongs_to_the_wait_that_goes_on(floor: Floor, lin: int) -> None:
    ticket = await floor.open()
    await floor.do(floor.desk.reply, ticket.id, lin, "请发截图")
    await floor.deliver(at=floor.now + MINUTE)
    await floor.speak(ticket, at=floor.now + 2 * HOUR)

    await lose(floor, await last(floor), 3 * HOUR)

    first, second = await floor.all(Clock, metric=Metric.HANDLING)
    assert (first.met_at, first.stopped_at, second.stopped_at) == (None, None, floor.now + 3 * HOUR)


async def test_it_happens_once_and_only_to_what_was_sent(floor: Floor, lin: int) -> None:
    reply = await answered(floor, lin)

    assert [await lose(floor, reply, HOUR), await lose(floor, reply, HOUR)] == [1, 0]


@pytest.mark.parametrize(
    ("closes_after", "left", "allowance", "after"),
    [
        pytest.param(48 * HOUR, 3, ALLOWANCE, 4, id="given back"),
        pytest.param(48 * HOUR, 3, None, 3, id="spent all the same"),
        pytest.param(50 * HOUR, 3, ALLOWANCE, 3, id="a later word began the count anew"),
        pytest.param(48 * HOUR, 5, ALLOWANCE, 5, id="never more than there are"),
    ],
)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_what_did_not_arrive_was_not_spent(
    floor: Floor, lin: int, closes_after: timedelta, left: int, allowance: Allowance | None, after: int
) -> None:
    reply = await answered(floor, lin)
    await floor.do(reply_windows.renew, reply.conversation_id, Allowance(closes_after, left))

    await lose(floor, reply, HOUR, allowance)

    assert (await floor.one(ReplyWindow)).messages_left == after
