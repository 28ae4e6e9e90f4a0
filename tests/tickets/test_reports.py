"""The attainment figure: its cohort, its verdicts, its times."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tickets.conftest import Floor
from tickets import reports
from tickets.reports import Attainment, nearest_rank
from tickets.sla import Verdict
from tickets.tables import Clock, Conversation, Metric

HOUR, DAY = timedelta(hours=1), timedelta(hours=24)


async def report(
    floor: Floor,
    *,
    as_of: timedelta,
    start: timedelta = DAY,
    end: timedelta = 2 * DAY,
    metric: Metric = Metric.HANDLING,
) -> Attainment:
    async with floor.database.reading() as session:
        return await reports.attainment(
            session, floor.now + start, floor.now + end, floor.now + as_of, floor.desk.rules, metric
        )


async def handle(floor: Floor, conversation: Conversation, agent: int, hours: int, at: timedelta = timedelta()) -> None:
    """A ticket opened `at`, whose reply is delivered so many hours later."""
    ticket = await floor.open(conversation, at=floor.now + at)
    await floor.do(floor.desk.reply, ticket.id, agent, "您好", at=floor.now + at)
    await floor.deliver(at=floor.now + at + hours * HOUR)


@pytest.fixture
async def conversation(floor: Floor) -> Conversation:
    return await floor.meet()


async def test_open_and_late_tickets_count(floor: Floor, conversation: Conversation, lin: int) -> None:
    for hours in (1, 24, 25):
        await handle(floor, conversation, lin, hours)
    await floor.open(conversation)  # never handled
    await floor.open(conversation, at=floor.now + 20 * HOUR)  # due in the period, not yet

    figure = await report(floor, as_of=30 * HOUR)

    assert (figure.n, figure.met, figure.breached, figure.breached_open, figure.running) == (5, 2, 2, 1, 1)
    assert figure.share == 0.5
    assert [row.verdict for row in figure.rows] == ["met", "met", "breached", "breached", "running"]
    assert [row.elapsed / HOUR for row in figure.rows] == [1, 24, 25, 30, 10]


async def test_the_cohort_is_what_fell_due_in_the_period(floor: Floor, conversation: Conversation) -> None:
    for hours in (-1, 0, 23, 24):
        await floor.open(conversation, at=floor.now + hours * HOUR)

    figure = await report(floor, as_of=3 * DAY)

    assert [row.started_at for row in figure.rows] == [floor.now, floor.now + 23 * HOUR]


async def test_sweeping_late_twice_or_never_gives_the_same_report(
    floor: Floor, conversation: Conversation, lin: int
) -> None:
    for hours in (1, 24, 26):
        await handle(floor, conversation, lin, hours)
    await floor.open(conversation)
    never = await report(floor, as_of=5 * DAY)

    await floor.sweep(floor.now + 4 * DAY)
    late = await report(floor, as_of=5 * DAY)
    await floor.sweep(floor.now + 5 * DAY)

    assert never == late == await report(floor, as_of=5 * DAY)


async def test_what_was_stopped_in_time_is_excluded_and_listed(floor: Floor, conversation: Conversation) -> None:
    await floor.open(conversation)
    await floor.open(conversation)
    async with floor.database.writing() as session:
        (await session.get_one(Clock, 1)).stopped_at = floor.now + HOUR

    figure = await report(floor, as_of=2 * DAY)

    assert (figure.n, figure.excluded, len(figure.rows)) == (1, 1, 2)
    assert figure.median == 2 * DAY
    assert figure.rows[0].verdict == Verdict.EXCLUDED


async def test_every_cycle_counts(floor: Floor, conversation: Conversation, lin: int) -> None:
    ticket = await floor.open(conversation)
    await floor.do(floor.desk.resolve, ticket.id, lin, "instruct")
    await floor.deliver(at=floor.now + HOUR)
    await floor.speak(ticket, at=floor.now + 2 * HOUR)

    figure = await report(floor, as_of=3 * DAY)

    assert [(row.number, row.verdict) for row in figure.rows] == [(ticket.number, "met"), (ticket.number, "breached")]


async def test_a_report_of_nothing_says_so(floor: Floor) -> None:
    figure = await report(floor, as_of=DAY)

    assert (figure.n, figure.share, figure.median, figure.p90, figure.p95) == (0, None, None, None, None)


@pytest.mark.parametrize(
    ("count", "share", "expected"),
    [(1, 50, 1), (2, 50, 1), (3, 50, 2), (10, 90, 9), (10, 95, 10), (20, 95, 19), (100, 90, 90), (100, 95, 95)],
)
def test_percentiles_are_of_nearest_rank(count: int, share: int, expected: int) -> None:
    assert nearest_rank([number * HOUR for number in range(1, count + 1)], share) == expected * HOUR


@given(st.lists(st.timedeltas(timedelta(0), timedelta(days=9)), min_size=1), st.integers(1, 100))
def test_a_percentile_is_the_smallest_value_that_covers_its_share(values: list[timedelta], share: int) -> None:
    ordered = sorted(values)

    found = nearest_rank(ordered, share)

    assert sum(value <= found for value in ordered) >= len(ordered) * share / 100
    assert sum(value < found for value in ordered) < len(ordered) * share / 100
