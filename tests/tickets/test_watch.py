"""Who watches the sweep: the heartbeat, the canary, and what reaches nobody."""

from datetime import timedelta

import pytest
from sqlmodel import col

from audit.tables import AuditRow
from tests.tickets.conftest import Floor
from tickets import canary, escalations, reports, watch
from tickets.canary import ALLOWED, SPAN, set_canary
from tickets.tables import Clock, Escalation, Message, Metric, Notice, Outgoing, Ticket
from tickets.watch import Watch

SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)


async def look(floor: Floor, after: timedelta) -> Watch:
    async with floor.database.reading() as session:
        return await watch.look(session, floor.now + after)


async def test_a_sweep_that_was_never_there_or_is_silent_is_stalled(floor: Floor, lin: int) -> None:
    never = await look(floor, SECOND)
    await floor.sweep(floor.now)

    assert never.is_stalled
    assert not (await look(floor, 120 * SECOND)).is_stalled
    assert (await look(floor, 121 * SECOND)).is_stalled


async def test_a_heartbeat_of_the_future_is_no_heartbeat(floor: Floor, lin: int) -> None:
    """The machine's clock was set back two hours, and the sweep has died since."""
    await floor.sweep(floor.now + 2 * HOUR)

    assert (await look(floor, SECOND)).is_stalled


async def test_a_sweep_beats_again_at_once_after_the_clock_was_set_back(floor: Floor, lin: int) -> None:
    await floor.sweep(floor.now + 2 * HOUR)

    await floor.sweep(floor.now)

    assert not (await look(floor, 120 * SECOND)).is_stalled


async def test_the_latest_of_a_sweep_is_told(floor: Floor, lin: int) -> None:
    await floor.open()
    await floor.sweep(floor.now + 24 * HOUR + 90 * SECOND)

    assert (await look(floor, 24 * HOUR)).late_by == 90 * SECOND


# The canary


async def test_the_canary_sings_as_long_as_sweeps_act(floor: Floor, lin: int) -> None:
    for round_ in range(3):
        at = round_ * 2 * SPAN
        await floor.do(set_canary, at=floor.now + at)
        await floor.sweep(floor.now + at + SPAN + SECOND)
        assert not (await look(floor, at + SPAN + ALLOWED + HOUR)).is_deaf

    assert len(await floor.all(Clock)) == len(await floor.all(Ticket)) == 1


async def test_a_sweep_that_acts_on_nothing_is_noticed_within_two_minutes(
    floor: Floor, lin: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(escalations, "unacted", lambda *_: (col(Clock.id) < 0,))
    await floor.do(set_canary)
    await floor.sweep(floor.now + SPAN + SECOND)

    assert not (await look(floor, SPAN + ALLOWED)).is_deaf
    seen = await look(floor, SPAN + ALLOWED + SECOND)
    assert (seen.is_deaf, seen.canary_late) == (True, ALLOWED + SECOND)


async def test_a_canary_that_lies_is_not_set_anew(floor: Floor) -> None:
    await floor.do(set_canary)
    await floor.do(set_canary, at=floor.now + HOUR)

    assert (await look(floor, HOUR)).canary_late == HOUR - SPAN


async def test_nobody_hears_of_the_canary_and_nothing_counts_it(floor: Floor, lin: int, wang: int) -> None:
    await floor.do(set_canary)
    await floor.sweep(floor.now + SPAN + SECOND)
    await floor.sweep(floor.now + 100 * HOUR)

    assert await floor.all(Notice) == await floor.all(Escalation) == await floor.all(Message) == []
    assert await floor.all(Outgoing) == []
    assert [row.action for row in await floor.all(AuditRow) if row.subject.startswith("ticket:")] == []
    assert await floor.do(floor.desk.queue) == []
    async with floor.database.reading() as session:
        for metric in Metric:
            figure = await reports.attainment(
                session, floor.now - HOUR, floor.now + HOUR, floor.now, floor.desk.rules, metric
            )
            assert figure.rows == ()


async def test_the_canary_takes_no_number_from_the_tickets(floor: Floor) -> None:
    await floor.do(set_canary)

    assert (await floor.open()).number == "K-000001"


async def test_two_schedulers_have_one_canary(floor: Floor) -> None:
    await floor.do(set_canary)
    await floor.do(set_canary)

    assert [ticket.number for ticket in await floor.all(Ticket)] == [canary.NAME]


async def test_the_unacted_are_counted(floor: Floor, lin: int) -> None:
    await floor.open()
    await floor.open(await floor.meet("other"), at=floor.now + HOUR)

    async with floor.database.reading() as session:
        counts = [await watch.count_due(session, floor.now + hours * HOUR) for hours in (20, 20.5, 30)]

    assert counts == [0, 1, 2]
