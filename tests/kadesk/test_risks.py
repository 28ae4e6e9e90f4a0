"""The risk and the circuit breakers as an owner writes them."""

from datetime import timedelta

import pytest

from kadesk.errors import SettingsError
from kadesk.risks import parse_limit
from kadesk.settings import SHIPPED, Settings
from tickets.breakers import Limit, Scope
from tickets.risk import RiskRules, Signal


def test_the_shipped_points_are_those_of_the_rules() -> None:
    rules = Settings.load(SHIPPED).risk.rules

    assert rules.points == RiskRules().points
    assert set(rules.points) == set(Signal)
    assert rules.person_from == 50


def test_the_shipped_limits_watch_every_scope() -> None:
    rules = Settings.load(SHIPPED).breakers.rules

    assert set(rules.limits) == set(Scope)
    assert rules.closes_after == timedelta(hours=24)


@pytest.mark.parametrize(
    ("text", "limit"),
    [("5 in 24 h", Limit(5, timedelta(hours=24))), ("1 in 90 s", Limit(1, timedelta(seconds=90))), ("0", None)],
)
def test_a_limit_is_written_for_people(text: str, limit: Limit | None) -> None:
    assert parse_limit(text) == limit


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("KADESK_BREAKERS__BUYER", "many", "breakers.buyer: write so many in so long, such as '5 in 24 h'"),
        ("KADESK_BREAKERS__HOUR", "0 in 1 h", "breakers.hour: write so many in so long"),
        ("KADESK_BREAKERS__AGENT", "5 in a while", "breakers.agent: write a duration"),
        ("KADESK_RISK__LATE", "often", "risk.late: Input should be a valid integer"),
    ],
)
def test_a_wrong_one_is_named(monkeypatch: pytest.MonkeyPatch, variable: str, value: str, sentence: str) -> None:
    monkeypatch.setenv(variable, value)

    with pytest.raises(SettingsError) as refused:
        Settings.load(SHIPPED)

    assert sentence in str(refused.value)


def test_what_is_switched_off_is_not_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KADESK_BREAKERS__HOUR", "0")
    monkeypatch.setenv("KADESK_BREAKERS__CLOSES_AFTER", "0 s")

    rules = Settings.load(SHIPPED).breakers.rules

    assert Scope.HOUR not in rules.limits
    assert rules.closes_after is None
