"""Promises for special matters and calendars of the owner's own, from the settings to the clocks."""

from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import pytest

from kadesk.errors import SettingsError
from kadesk.settings import SHIPPED, Settings
from kadesk.wiring import desk_rules
from tickets import hours
from tickets.hours import Window
from tickets.rules import DeskRules
from tickets.sla import Matter, Metric, Policy, choose
from tickets.tables import Level

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def load(tmp_path: Path, sla: str = "", console: str = "") -> Settings:
    path = tmp_path / "settings.toml"
    text = SHIPPED.read_text(encoding="utf-8").replace('holidays = ""', console or 'holidays = ""')
    path.write_text(text.replace("\n[escalation]", f"{sla}\n[escalation]"), encoding="utf-8")
    return Settings.load(path)


def chosen(rules: DeskRules, metric: Metric, **facts: str) -> Policy:
    matter = Matter(**{"tier": "normal", "category": "question", "channel": "web"} | facts)
    return choose(rules.promises, matter)[metric]


def instant(text: str) -> datetime:
    """Of a clock on the wall in Shanghai."""
    return datetime.fromisoformat(f"{text}+08:00").astimezone(UTC)


def test_the_narrowest_policy_that_fits_is_chosen(tmp_path: Path) -> None:
    rules = desk_rules(
        load(
            tmp_path,
            """
            [[sla.policies]]
            metric = "first_response"
            target = "10 min"
            tier = "vip"
            [[sla.policies]]
            metric = "first_response"
            target = "5 min"
            calendar = "24x7"
            tier = "vip"
            channel = "telegram"
            [[sla.policies]]
            metric = "handling"
            target = "6 h"
            category = "undelivered"
            product = "STEAM50"
            """,
        )
    )

    assert chosen(rules, Metric.FIRST_RESPONSE).target == 30 * MINUTE
    assert chosen(rules, Metric.FIRST_RESPONSE, tier="vip").target == 10 * MINUTE
    narrowest = chosen(rules, Metric.FIRST_RESPONSE, tier="vip", channel="telegram")
    assert (narrowest.target, narrowest.calendar) == (5 * MINUTE, "24×7")
    assert chosen(rules, Metric.HANDLING, category="refund").target == 24 * HOUR
    assert chosen(rules, Metric.HANDLING, category="undelivered").target == 2 * HOUR
    assert chosen(rules, Metric.HANDLING, category="undelivered", product="STEAM50").target == 6 * HOUR


def test_an_owners_policy_for_what_was_not_delivered_holds_before_the_general_one(tmp_path: Path) -> None:
    own = '[[sla.policies]]\nmetric = "handling"\ntarget = "45 min"\ncategory = "undelivered"\n'

    rules = desk_rules(load(tmp_path, own))

    assert chosen(rules, Metric.HANDLING, category="undelivered").target == 45 * MINUTE


def test_a_calendar_has_breaks_nights_closed_days_and_make_up_days(tmp_path: Path) -> None:
    rules = desk_rules(
        load(
            tmp_path,
            """
            [sla.calendars.counter]
            hours = "09:00-12:00, 13:30-18:00"
            saturday = "22:00-02:00"
            sunday = "closed"
            holidays = "CN"
            [[sla.policies]]
            metric = "handling"
            target = "8 h"
            calendar = "counter"
            category = "claim"
            """,
        )
    )
    calendar = rules.calendar(chosen(rules, Metric.HANDLING, category="claim").calendar)

    # A Thursday: three hours before the break, five after it are on Friday's account too.
    assert hours.due(calendar, instant("2026-03-05T11:00"), 8 * HOUR) == instant("2026-03-06T11:30")
    # A Saturday night lasts until two on Sunday; Monday goes on.
    assert hours.due(calendar, instant("2026-03-07T21:00"), 5 * HOUR) == instant("2026-03-09T10:00")
    # National Day's week is closed; Saturday the 10th is worked like a Monday.
    assert hours.due(calendar, instant("2026-09-30T17:00"), 2 * HOUR) == instant("2026-10-08T10:00")
    assert calendar.windows(instant("2026-10-10T12:00").date())[0] == Window(time(9), time(12))


def test_the_staffed_hours_keep_public_holidays_if_the_owner_says_so(tmp_path: Path) -> None:
    always = desk_rules(load(tmp_path)).staffed
    closed = desk_rules(load(tmp_path, console='holidays = "CN"')).staffed
    start = instant("2026-10-01T10:00")

    assert hours.due(always, start, HOUR) == instant("2026-10-01T11:00")
    assert hours.due(closed, start, HOUR) == instant("2026-10-08T10:00")


def test_a_calendar_named_staffed_takes_the_place_of_the_consoles_hours(tmp_path: Path) -> None:
    rules = desk_rules(load(tmp_path, '[sla.calendars.staffed]\nhours = "20:00-02:00"\n'))
    first = chosen(rules, Metric.FIRST_RESPONSE)

    due = [
        hours.due(calendar, instant("2026-03-05T12:00"), HOUR)
        for calendar in (rules.staffed, rules.calendar(first.calendar))
    ]

    assert due == [instant("2026-03-05T21:00")] * 2


def test_a_version_of_a_policy_keeps_its_hours_when_the_settings_change(tmp_path: Path) -> None:
    old = desk_rules(load(tmp_path, '[sla.calendars.staffed]\nhours = "20:00-02:00"\nholidays = "CN"\n'))
    new = desk_rules(load(tmp_path))

    version = chosen(old, Metric.FIRST_RESPONSE).calendar

    assert new.calendar(version) == old.calendar(version)
    assert new.calendar(version) != new.staffed


def test_notices_wait_for_the_morning_unless_the_manager_is_needed(tmp_path: Path) -> None:
    quiet = desk_rules(load(tmp_path)).quiet
    night = instant("2026-03-05T23:30")

    assert quiet.not_before(night, Level.LEAD) == instant("2026-03-06T08:00")
    assert quiet.not_before(night, Level.MANAGER) is None
    assert quiet.not_before(instant("2026-03-06T08:00"), Level.LEAD) is None
    assert quiet.not_before(instant("2026-03-05T23:00"), Level.LEAD) == instant("2026-03-06T08:00")


@pytest.mark.parametrize(
    ("sla", "sentence"),
    [
        pytest.param(
            '[[sla.policies]]\nmetric = "handling"\ntarget = "6 h"\n',
            "sla.policies.0: name a tier, category, channel or product; for every ticket there is sla.handling.",
            id="no condition",
        ),
        pytest.param(
            '[[sla.policies]]\nmetric = "handling"\ntarget = "6 h"\ntier = "vip"\ncalendar = "nite"\n',
            "sla.policies.0.calendar: there is no 'nite'; choose from 24×7, staffed.",
            id="no such calendar",
        ),
        pytest.param(
            '[[sla.policies]]\nmetric = "handling"\ntarget = "6 h"\ntier = "vip"\n' * 2,
            "sla.policies.1: tier=vip has a handling already.",
            id="twice",
        ),
        pytest.param(
            '[[sla.policies]]\nmetric = "handlng"\ntarget = "6 h"\n',
            "sla.policies.0.metric: Input should be 'first_response', 'next_response', 'handling' or 'resolution'.",
            id="no such metric",
        ),
        pytest.param(
            '[[sla.policies]]\nmetric = "handling"\ntarget = "6 h"\ntire = "vip"\n',
            "There is no setting sla.policies.0.tire.",
            id="no such key",
        ),
        pytest.param(
            '[sla.calendars.nite]\nhours = "8 to 2"\n',
            "sla.calendars.nite.hours: write hours such as '09:00-12:00, 13:30-18:00', or 'closed', not '8 to 2'.",
            id="no hours",
        ),
        pytest.param(
            '[sla.calendars.nite]\nhours = "closed"\n',
            "sla.calendars.nite: The calendar nite has no opening hours.",
            id="always closed",
        ),
        pytest.param(
            '[sla.calendars.nite]\nhours = "20:00-02:00"\nholidays = "XX"\n',
            "sla.calendars.nite.holidays: No public holidays are known for XX; write a country such as "
            "'CN', or 'DE-BY'.",
            id="no such country",
        ),
        pytest.param(
            '[sla.calendars.nite]\nhours = "20:00-02:00"\ntime_zone = "Mars"\n',
            "sla.calendars.nite.time_zone: there is no time zone 'Mars'; write one such as 'Asia/Shanghai'.",
            id="no such zone",
        ),
        pytest.param(
            '[[sla.policies]]\nmetric = "handling"\ntarget = "4 h"\ncategory = "claims"\n',
            "sla.policies.0.category: Input should be 'claim', 'undelivered', 'question', 'refund' or 'other'.",
            id="no such category",
        ),
    ],
)
def test_a_wrong_promise_is_named_in_one_sentence(tmp_path: Path, sla: str, sentence: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load(tmp_path, sla)

    assert str(refused.value) == sentence


def test_the_owner_chooses_the_language_of_notices_to_staff(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KADESK_CONSOLE__LANGUAGE", "en")

    assert desk_rules(Settings.load(SHIPPED)).staff_language == "en"
