"""The moves between phases."""

from tickets.lifecycle import ACTIVE, MOVES, Phase, can_move, is_active


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
