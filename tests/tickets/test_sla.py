"""Verdicts from instants alone."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickets.hours import ALWAYS, due, elapsed
from tickets.sla import Verdict, verdict

START = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)
DUE = START + timedelta(hours=24)
TICK = timedelta.resolution
instants = st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  # Hypothesis adds the zone


@pytest.mark.parametrize(
    ("met_at", "stopped_at", "now", "expected"),
    [
        pytest.param(None, None, START, Verdict.RUNNING, id="just started"),
        pytest.param(None, None, DUE, Verdict.RUNNING, id="at the due instant it can still be met"),
        pytest.param(None, None, DUE + TICK, Verdict.BREACHED, id="a microsecond later it is late"),
        pytest.param(DUE, None, DUE + TICK, Verdict.MET, id="met exactly at the due instant"),
        pytest.param(DUE + TICK, None, DUE + TICK, Verdict.BREACHED, id="met a microsecond late"),
        pytest.param(None, DUE, DUE + TICK, Verdict.EXCLUDED, id="stopped at the due instant"),
        pytest.param(None, DUE + TICK, DUE + TICK, Verdict.BREACHED, id="stopped when it was late"),
        pytest.param(START, DUE, DUE + TICK, Verdict.MET, id="met, then stopped"),
    ],
)
def test_verdict(met_at: datetime | None, stopped_at: datetime | None, now: datetime, expected: Verdict) -> None:
    assert verdict(DUE, met_at, stopped_at, now) == expected


@given(started_at=instants, target=st.timedeltas(timedelta(0), timedelta(days=30)))
def test_what_takes_exactly_the_target_is_met(started_at: datetime, target: timedelta) -> None:
    due_at = due(ALWAYS, started_at, target)

    assert elapsed(ALWAYS, started_at, due_at) == target
    assert verdict(due_at, due_at, None, due_at) == Verdict.MET


@given(due_at=instants, met_at=instants, looks=st.lists(st.timedeltas(timedelta(0), timedelta(days=900)), min_size=1))
def test_a_handled_clock_has_one_verdict_whenever_one_looks(
    due_at: datetime, met_at: datetime, looks: list[timedelta]
) -> None:
    verdicts = {verdict(due_at, met_at, None, met_at + look) for look in looks}

    assert verdicts == {Verdict.MET if met_at <= due_at else Verdict.BREACHED}


@given(due_at=instants, now=instants, later=st.timedeltas(timedelta(0), timedelta(days=900)))
def test_a_breach_never_heals_with_time(due_at: datetime, now: datetime, later: timedelta) -> None:
    if verdict(due_at, None, None, now) == Verdict.BREACHED:
        assert verdict(due_at, None, None, now + later) == Verdict.BREACHED
