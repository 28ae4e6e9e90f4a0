"""Whatever is done to tickets in whatever order: no verb of joining or resting buys anybody time."""

from collections.abc import Sequence
from datetime import datetime, time, timedelta
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit.tables import AuditRow
from tests.tickets.conftest import Floor, say
from tickets import alarms, histories, hours, joint
from tickets.alarms import Acted
from tickets.desk import Desk, DeskRules
from tickets.hours import Calendar, Window
from tickets.sla import Metric, Policy
from tickets.tables import Clock, Conversation, Cycle, Message, Outcome, Pause, Ticket

HOUR = timedelta(hours=1)
TARGET, CAP = 72 * HOUR, 24 * HOUR
COUNTER = Calendar("counter", week=((Window(time(9), time(18)),),) * 7)
RULES = DeskRules(
    policies=(
        Policy(Metric.RESOLUTION, TARGET, pause_cap=CAP),
        Policy(Metric.FIRST_RESPONSE, HOUR, "counter"),
        Policy(Metric.NEXT_RESPONSE, 2 * HOUR, "counter"),
    ),
    calendars={"counter": COUNTER},
)
MANY = settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
pytestmark = [pytest.mark.slow, pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)]

# Hours between one word and the next; the words of agent and buyer take turns, the agent's first.
lives = st.lists(st.integers(1, 30), max_size=5)
buyers = count()


@pytest.fixture
def desk() -> Desk:
    return Desk(say, RULES)


async def newcomer(floor: Floor) -> Conversation:
    return await floor.meet(f"buyer {next(buyers)}")


async def talk(floor: Floor, ticket: Ticket, agent: int, life: Sequence[int], at: datetime) -> datetime:
    """Live through it; returns when it ended."""
    for number, gap in enumerate(life):
        at += gap * HOUR
        if number % 2:
            await floor.speak(ticket, at=at)
        else:
            await floor.do(floor.desk.reply, ticket.id, agent, "您好", at=at)
            await floor.deliver(at=at)
    return at


async def running(floor: Floor, ticket: Ticket) -> dict[str, Clock]:
    clocks = await floor.all(Clock, ticket_id=ticket.id)
    return {clock.metric: clock for clock in clocks if clock.met_at is None and clock.stopped_at is None}


async def pauses(floor: Floor, ticket: Ticket) -> list[hours.Pause]:
    (cycle,) = await floor.all(Cycle, ticket_id=ticket.id)
    return [hours.Pause(one.since, one.until) for one in await floor.all(Pause, cycle_id=cycle.id)]


def resolution(start: datetime, stretches: Sequence[hours.Pause]) -> datetime:
    return hours.due(hours.ALWAYS, start, TARGET, stretches, CAP)


# A merge keeps the oldest


async def merge(
    floor: Floor, agent: int, lives: tuple[Sequence[int], Sequence[int]], later: int, wait: int
) -> tuple[Ticket, Ticket, datetime]:
    conversation = await newcomer(floor)
    opened_at = floor.now + later * HOUR
    source = await floor.open(conversation)
    ends = [await talk(floor, source, agent, lives[0], floor.now)]
    target = await floor.open(conversation, at=opened_at)
    ends.append(await talk(floor, target, agent, lives[1], opened_at))
    return source, target, max(ends) + wait * HOUR


async def assert_oldest_kept(
    floor: Floor, agent: int, lives: tuple[Sequence[int], Sequence[int]], later: int, wait: int, after: Sequence[int]
) -> None:
    source, target, at = await merge(floor, agent, lives, later, wait)
    before = [await running(floor, source), await running(floor, target)]

    await floor.do(floor.desk.merge, source.id, target.id, agent, at=at)

    kept = await running(floor, target)
    assert kept.keys() == before[0].keys() | before[1].keys()
    for dues in before:
        assert all(kept[metric].due_at <= clock.due_at for metric, clock in dues.items())
    assert await running(floor, source) == {}
    await talk(floor, target, agent, after, at)
    ours, theirs = await pauses(floor, target), await pauses(floor, source)
    theirs += [hours.Pause(max(one.since, at), one.until) for one in ours if one.until is None or one.until > at]
    wanted = min(resolution(source.created_at, theirs), resolution(target.created_at, ours))
    assert (await running(floor, target))[Metric.RESOLUTION].due_at == wanted


@MANY
@given(st.tuples(lives, lives), st.integers(0, 40), st.integers(0, 10), lives)
async def test_a_merge_keeps_the_oldest_due_instants_now_and_after_the_next_pauses(
    floor: Floor, lin: int, lives: tuple[list[int], list[int]], later: int, wait: int, after: list[int]
) -> None:
    await assert_oldest_kept(floor, lin, lives, later, wait, after)


async def test_a_merge_that_keeps_the_targets_own_clocks_fails(
    floor: Floor, lin: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(joint, "_keep_earlier", lambda kept, other: None)

    with pytest.raises(AssertionError):
        await assert_oldest_kept(floor, lin, ([], []), 5, 1, [])


async def test_a_merge_that_forgets_the_sources_time_fails(
    floor: Floor, lin: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def forget(*_: object) -> histories.Roots:
        return {}

    monkeypatch.setattr(histories, "_joined", forget)

    with pytest.raises(AssertionError):
        await assert_oldest_kept(floor, lin, ([], [2]), 5, 1, [])


# A pause never shortens and never exceeds its cap


@MANY
@given(lives)
async def test_a_pause_never_shortens_and_never_exceeds_its_cap(floor: Floor, lin: int, life: list[int]) -> None:
    ticket, at = await floor.open(await newcomer(floor)), floor.now
    paused = timedelta()
    for number, gap in enumerate(life):
        before = (await running(floor, ticket))[Metric.RESOLUTION].due_at
        at = await talk(floor, ticket, lin, [gap], at) if number % 2 == 0 else at + gap * HOUR
        if number % 2:
            await floor.speak(ticket, at=at)
            paused += gap * HOUR

        due_at = (await running(floor, ticket))[Metric.RESOLUTION].due_at
        assert TARGET <= due_at - floor.now <= TARGET + CAP
        assert due_at >= before if number % 2 == 0 else due_at == floor.now + TARGET + min(paused, CAP)


# A split and a snooze buy no time


@MANY
@given(lives, st.integers(0, 40))
async def test_a_split_moves_no_due_instant_later(floor: Floor, lin: int, life: list[int], wait: int) -> None:
    ticket = await floor.open(await newcomer(floor))
    await floor.speak(ticket)
    at = await talk(floor, ticket, lin, life, floor.now) + wait * HOUR
    before = await running(floor, ticket)
    chosen = [one.id for one in await floor.all(Message, ticket_id=ticket.id, direction="in")]

    new = await floor.do(floor.desk.split, ticket.id, lin, chosen, "另一件事", at=at)

    assert await running(floor, ticket) == before
    split = await running(floor, new)
    assert split.keys() >= before.keys() | {Metric.HANDLING}
    assert all(split[metric].due_at <= clock.due_at for metric, clock in before.items())
    assert (await floor.fresh(new)).waiting_since <= at  # type: ignore[operator]


@MANY
@given(lives, st.lists(st.integers(1, 100), min_size=1, max_size=3))
async def test_a_snooze_moves_no_due_instant(floor: Floor, lin: int, life: list[int], naps: list[int]) -> None:
    ticket = await floor.open(await newcomer(floor))
    at = await talk(floor, ticket, lin, life, floor.now)
    before = await floor.all(Clock, ticket_id=ticket.id), (await floor.fresh(ticket)).waiting_since

    for nap in naps:
        await floor.do(floor.desk.snooze, ticket.id, lin, at + nap * HOUR, at=at)
        at += nap * HOUR + HOUR
        await floor.do(floor.desk.wake, ticket.id, lin, at=at)

    assert (await floor.all(Clock, ticket_id=ticket.id), (await floor.fresh(ticket)).waiting_since) == before


# Coming back


@MANY
@given(lives, st.integers(0, 7 * 24))
async def test_reopening_starts_a_new_cycle_and_leaves_the_old_one(
    floor: Floor, lin: int, life: list[int], away: int
) -> None:
    ticket = await floor.open(await newcomer(floor))
    at = await talk(floor, ticket, lin, life, floor.now) + HOUR
    await floor.do(floor.desk.resolve, ticket.id, lin, Outcome.INSTRUCT, at=at)
    await floor.deliver(at=at)
    cycles, clocks = await floor.all(Cycle, ticket_id=ticket.id), await floor.all(Clock, ticket_id=ticket.id)

    at += away * HOUR
    await floor.speak(ticket, at=at)

    (*old, new) = await floor.all(Cycle, ticket_id=ticket.id)
    assert (old, new.ordinal, new.opened_at, new.resolved_at) == (cycles, len(cycles) + 1, at, None)
    now_running = await running(floor, ticket)
    assert {clock.started_at for clock in now_running.values()} == {at}
    assert [one for one in await floor.all(Clock, ticket_id=ticket.id) if one.cycle_id != new.id] == clocks


# Once


@MANY
@given(lives, st.integers(0, 30 * 24), st.integers(1, 30 * 24))
async def test_waking_and_closing_twice_changes_nothing(
    floor: Floor, lin: int, life: list[int], nap: int, later: int
) -> None:
    ticket = await floor.open(await newcomer(floor))
    at = await talk(floor, ticket, lin, life, floor.now)
    if nap:
        await floor.do(floor.desk.snooze, ticket.id, lin, at + nap * HOUR, at=at)
    tables = (Ticket, Clock, Cycle, Message, AuditRow)

    for tick in (at + later * HOUR, at + later * HOUR + RULES.silence_closes_after + HOUR):
        await alarms.ring(floor.database, lambda tick=tick: tick, floor.desk)
        facts = [await floor.all(table) for table in tables]

        assert await alarms.ring(floor.database, lambda tick=tick: tick, floor.desk) == Acted()
        assert [await floor.all(table) for table in tables] == facts
        now_is = await floor.fresh(ticket)
        assert all(instant is None or instant >= tick for instant in (now_is.snoozed_until, now_is.closes_at))
        await floor.deliver(at=tick)
