"""Promises beside the handling: chosen by the matter, started and met by their events, paused while one waits."""

from datetime import time, timedelta
from zoneinfo import ZoneInfo

import pytest

from tests.tickets.conftest import Floor, say
from tickets.desk import Desk, DeskRules
from tickets.hours import Calendar, Window
from tickets.sla import Matter, Policy, choose
from tickets.tables import Clock, Level, Metric, Notice, Outcome, Tier

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
DAY = Calendar("staffed", ZoneInfo("Asia/Shanghai"), ((Window(time(9), time(23)),),) * 7)
FIRST = Policy(Metric.FIRST_RESPONSE, 30 * MINUTE, "staffed")
NEXT = Policy(Metric.NEXT_RESPONSE, 2 * HOUR)
RESOLUTION = Policy(Metric.RESOLUTION, 72 * HOUR, pause_cap=10 * HOUR)


@pytest.fixture
def desk() -> Desk:
    return Desk(say, DeskRules(policies=(FIRST, NEXT, RESOLUTION), calendars={"staffed": DAY}))


async def clock(floor: Floor, metric: Metric) -> Clock:
    return (await floor.all(Clock, metric=metric))[-1]


@pytest.mark.parametrize(
    ("matter", "hours"),
    [
        pytest.param(Matter("normal", "claim", "web"), 24, id="for all"),
        pytest.param(Matter("vip", "question", "web"), 12, id="by tier"),
        pytest.param(Matter("vip", "claim", "web"), 6, id="by tier and category"),
        pytest.param(Matter("normal", "claim", "wechat"), 18, id="by channel"),
        pytest.param(Matter("normal", "claim", "web", "steam-50"), 3, id="by product"),
    ],
)
def test_the_narrowest_policy_that_fits_is_chosen(matter: Matter, hours: int) -> None:
    def handling(target: int, **conditions: str) -> Policy:
        return Policy(Metric.HANDLING, target * HOUR, **conditions)  # type: ignore[arg-type]

    policies = [
        handling(24),
        handling(12, tier="vip"),
        handling(6, tier="vip", category="claim"),
        handling(18, channel="wechat"),
        handling(3, product="steam-50"),
    ]

    assert choose(policies, matter)[Metric.HANDLING].target == hours * HOUR


async def test_a_cycle_begins_with_its_promises(floor: Floor) -> None:
    await floor.open(at=floor.now.replace(hour=18))  # 02:00 in Shanghai

    due = {row.metric: row.due_at - row.started_at for row in await floor.all(Clock)}
    assert due == {"handling": 24 * HOUR, "first_response": 7 * HOUR + 30 * MINUTE, "resolution": 72 * HOUR}


async def test_a_delivered_reply_meets_the_first_response_and_the_handling(floor: Floor, lin: int) -> None:
    ticket = await floor.open()
    await floor.do(floor.desk.reply, ticket.id, lin, "您好", at=floor.now + MINUTE)

    await floor.deliver(at=floor.now + 2 * MINUTE)

    met = {row.metric: row.met_at for row in await floor.all(Clock)}
    at = floor.now + 2 * MINUTE
    assert met == {"handling": at, "first_response": at, "resolution": None}


async def test_each_wait_after_an_answer_has_a_clock_of_its_own(floor: Floor, lin: int) -> None:
    ticket = await floor.open()
    for hours in (1, 3):
        await floor.do(floor.desk.reply, ticket.id, lin, "您好", at=floor.now + hours * HOUR)
        await floor.deliver(at=floor.now + hours * HOUR)
        await floor.speak(ticket, at=floor.now + (hours + 1) * HOUR)

    waits = await floor.all(Clock, metric=Metric.NEXT_RESPONSE)
    assert [(row.ordinal, row.met_at) for row in waits] == [(1, floor.now + 3 * HOUR), (2, None)]


async def test_resolving_meets_the_resolution(floor: Floor, lin: int) -> None:
    ticket = await floor.open()

    await floor.do(floor.desk.resolve, ticket.id, lin, Outcome.INSTRUCT, at=floor.now + 5 * HOUR)

    assert (await clock(floor, Metric.RESOLUTION)).met_at == floor.now + 5 * HOUR


@pytest.mark.parametrize(("waited", "later"), [(1, 1), (10, 10), (50, 10)])
async def test_waiting_for_the_buyer_moves_the_resolution_up_to_the_cap(
    floor: Floor, lin: int, waited: int, later: int
) -> None:
    ticket = await floor.open()
    await floor.do(floor.desk.reply, ticket.id, lin, "请发截图", at=floor.now + HOUR)
    await floor.deliver(at=floor.now + HOUR)

    await floor.speak(ticket, at=floor.now + HOUR + waited * HOUR)

    assert (await clock(floor, Metric.RESOLUTION)).due_at == floor.now + (72 + later) * HOUR
    assert (await floor.all(Clock, metric=Metric.HANDLING))[0].due_at == floor.now + 24 * HOUR


async def test_the_cap_holds_for_the_sum_of_all_waits(floor: Floor, lin: int) -> None:
    ticket = await floor.open()
    for start in (1, 10, 20):
        await floor.do(floor.desk.reply, ticket.id, lin, "请发截图", at=floor.now + start * HOUR)
        await floor.deliver(at=floor.now + start * HOUR)
        await floor.speak(ticket, at=floor.now + (start + 4) * HOUR)

    assert (await clock(floor, Metric.RESOLUTION)).due_at == floor.now + 82 * HOUR


async def test_a_missed_response_is_recorded_and_told_but_moves_nothing(floor: Floor, lin: int) -> None:
    ticket = await floor.open()

    await floor.sweep(floor.now + HOUR)
    await floor.sweep(floor.now + 2 * HOUR)

    first = await clock(floor, Metric.FIRST_RESPONSE)
    assert (first.breached_at, first.wake_at) == (first.due_at, None)
    assert [notice.text.split()[0] for notice in await floor.all(Notice)] == ["zh:notice.missed"]
    assert (await floor.fresh(ticket)).level == Level.BOT_LANE


async def test_a_missed_response_wakes_a_ticket_that_was_sent_to_sleep(floor: Floor, lin: int) -> None:
    ticket = await floor.open()
    await floor.do(floor.desk.reply, ticket.id, lin, "您好")
    await floor.deliver()
    await floor.speak(ticket, at=floor.now + HOUR)
    await floor.do(floor.desk.snooze, ticket.id, lin, floor.now + 9_000 * HOUR, at=floor.now + HOUR)

    await floor.sweep(floor.now + 4 * HOUR)

    assert (await floor.fresh(ticket)).snoozed_until is None
    assert "ticket.woken" in await floor.actions(ticket)


async def test_who_writes_again_on_an_answered_ticket_that_staff_keep_open_is_owed_a_response(
    floor: Floor, lin: int
) -> None:
    ticket = await floor.open()
    await floor.do(floor.desk.reply, ticket.id, lin, "我去问供应商")
    await floor.deliver()
    await floor.do(floor.desk.set_status, ticket.id, lin, "open")

    for hours in (1, 2):
        await floor.speak(ticket, at=floor.now + hours * HOUR)

    assert (await floor.one(Clock, metric=Metric.NEXT_RESPONSE)).due_at == floor.now + 3 * HOUR


async def test_a_buyer_is_told_the_promise_of_their_own_ticket(floor: Floor) -> None:
    slow = Policy(Metric.HANDLING, 28 * HOUR, "staffed", category="question")
    floor.desk = Desk(say, DeskRules(policies=(slow,), calendars={"staffed": DAY}))
    ticket = await floor.open()

    promised = await floor.do(lambda session, now: floor.desk.promised(session, ticket))

    assert promised == 48 * HOUR  # two days of fourteen hours


async def test_a_tier_has_promises_of_its_own(floor: Floor) -> None:
    vip = Policy(Metric.HANDLING, 6 * HOUR, tier="vip")
    floor.desk = Desk(say, DeskRules(policies=(vip,)))
    await floor.open(await floor.meet("vip", Tier.VIP))
    await floor.open(await floor.meet("normal"))

    assert [row.due_at - row.started_at for row in await floor.all(Clock)] == [6 * HOUR, 24 * HOUR]
