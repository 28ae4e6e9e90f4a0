"""The instants of the ladder."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from tickets.routing import Level
from tickets.rungs import DUE, LEAD, MANAGER, WARNING, Rungs, level

START = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
DUE_AT = START + 24 * HOUR
RUNGS = Rungs()
spans = st.timedeltas(timedelta(seconds=1), timedelta(days=10))
ladders = st.builds(Rungs, spans, spans, spans, spans)


def test_a_promise_of_a_day_warns_at_20_hours_and_rises_at_24_28_48_and_every_24_after() -> None:
    instants = [(RUNGS.at(rung, DUE_AT) - START) // HOUR for rung in range(7)]

    assert instants == [20, 24, 28, 48, 72, 96, 120]


def test_the_owner_rises_with_the_rung() -> None:
    owners = [level(rung) for rung in (DUE, LEAD, MANAGER, MANAGER + 1, MANAGER + 9)]

    assert owners == [Level.HUMAN_QUEUE, Level.LEAD, Level.MANAGER, Level.MANAGER, Level.MANAGER]


def test_a_promise_shorter_than_its_warning_has_none() -> None:
    assert RUNGS.first(START, START + 4 * HOUR) == DUE
    assert RUNGS.first(START, START + 5 * HOUR) == WARNING


def test_nobody_is_warned_of_what_is_late_already() -> None:
    assert RUNGS.current(WARNING, DUE_AT, DUE_AT) == WARNING
    assert RUNGS.current(WARNING, DUE_AT, DUE_AT + timedelta.resolution) == DUE


def test_one_reminder_stands_for_all_that_an_outage_missed() -> None:
    back = DUE_AT + 24 * HOUR + 75 * HOUR

    after = RUNGS.after(MANAGER, DUE_AT, back)

    assert RUNGS.at(after, DUE_AT) == DUE_AT + 24 * HOUR + 96 * HOUR


@given(rungs=ladders, rung=st.integers(0, 50))
def test_the_ladder_only_climbs(rungs: Rungs, rung: int) -> None:
    assert rungs.at(rung, DUE_AT) <= rungs.at(rung + 1, DUE_AT)


@given(rungs=ladders, rung=st.integers(0, 20), late=st.timedeltas(timedelta(0), timedelta(days=100)))
def test_after_a_reminder_the_next_one_lies_ahead(rungs: Rungs, rung: int, late: timedelta) -> None:
    now = rungs.at(rung, DUE_AT) + late

    after = rungs.after(rung, DUE_AT, now)

    assert after > rung
    assert rung < MANAGER or rungs.at(after, DUE_AT) > now
