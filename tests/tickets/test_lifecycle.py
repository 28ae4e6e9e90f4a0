"""The moves between phases."""

from datetime import timedelta

import pytest

from tests.conftest import NOW
from tickets.lifecycle import ACTIVE, MOVES, Phase, can_move, is_active, may_reopen

WINDOW = timedelta(days=7)


def test_every_phase_has_its_moves() -> None:
    assert set(MOVES) == set(Phase)


def test_a_closed_ticket_stays_closed() -> None:
    assert not any(can_move(Phase.CLOSED, phase) for phase in Phase)


def test_only_reopening_and_closing_follow_a_resolution() -> None:
    assert {phase for phase in Phase if can_move(Phase.RESOLVED, phase)} == {Phase.OPEN, Phase.CLOSED}


def test_a_waiting_ticket_may_be_answered_again() -> None:
    assert can_move(Phase.WAITING, Phase.WAITING)


def test_phases_come_from_the_database_as_plain_text() -> None:
    assert can_move("open", Phase.WAITING)
    assert is_active("waiting")
    assert not is_active("resolved")
    assert frozenset({"open", "waiting"}) == ACTIVE


@pytest.mark.parametrize(
    ("phase", "after", "reopens"),
    [
        pytest.param(Phase.RESOLVED, WINDOW, True, id="in the last instant"),
        pytest.param(Phase.RESOLVED, WINDOW + timedelta.resolution, False, id="after it"),
        pytest.param(Phase.CLOSED, timedelta(), False, id="closed"),
        pytest.param(Phase.WAITING, timedelta(), False, id="not settled"),
    ],
)
def test_a_settled_ticket_opens_again_inside_of_its_window(phase: Phase, after: timedelta, reopens: bool) -> None:
    assert may_reopen(phase, NOW, NOW + after, WINDOW) is reopens


def test_what_has_not_ended_is_not_reopened() -> None:
    assert not may_reopen(Phase.RESOLVED, None, NOW, WINDOW)
