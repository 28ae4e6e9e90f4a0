from datetime import date, timedelta

import pytest

from tickets.errors import UnknownCountry
from tickets.holidays import PublicDays, public_days


def days(*spans: tuple[int, int, int, int]) -> frozenset[date]:
    found = set()
    for month, first, last_month, last in spans:
        day = date(2026, month, first)
        while day <= date(2026, last_month, last):
            found.add(day)
            day += timedelta(days=1)
    return frozenset(found)


def test_china_in_2026_is_as_announced() -> None:
    """国务院办公厅关于2026年部分节假日安排的通知, https://politics.gmw.cn/2025-11/04/content_38391083.htm"""
    holidays = days(
        (1, 1, 1, 3), (2, 15, 2, 23), (4, 4, 4, 6), (5, 1, 5, 5), (6, 19, 6, 21), (9, 25, 9, 27), (10, 1, 10, 7)
    )
    make_up_days = frozenset(
        date(2026, month, day) for month, day in [(1, 4), (2, 14), (2, 28), (5, 9), (9, 20), (10, 10)]
    )

    assert public_days("CN", range(2026, 2027)) == PublicDays(holidays, make_up_days)


def test_a_year_that_is_not_announced_has_its_feasts() -> None:
    later = public_days("CN", range(2031, 2032))

    assert date(2031, 10, 1) in later.holidays
    assert later.make_up_days == frozenset()


def test_a_make_up_day_is_no_holiday() -> None:
    found = public_days("CN", range(2015, 2027))

    assert not found.holidays & found.make_up_days


def test_days_moved_over_the_turn_of_the_year_are_found() -> None:
    # Saturday, worked for the new year of 2012.
    assert date(2011, 12, 31) in public_days("CN", range(2011, 2012)).make_up_days
    # Friday, observed for the Saturday of 2022.
    assert date(2021, 12, 31) in public_days("US", range(2021, 2022)).holidays


def test_weekends_stay_open_where_breaks_do_not_take_them_in() -> None:
    found = public_days("US", range(2026, 2027))

    assert date(2026, 9, 7) in found.holidays  # Labor Day, a Monday
    assert date(2026, 9, 6) not in found.holidays


def test_a_part_of_a_country_has_days_of_its_own() -> None:
    assert date(2026, 1, 6) in public_days("DE", range(2026, 2027), "BY").holidays
    assert date(2026, 1, 6) not in public_days("DE", range(2026, 2027)).holidays


@pytest.mark.parametrize(
    ("country", "subdivision", "named"),
    [pytest.param("ZZ", None, "ZZ", id="no such country"), pytest.param("CN", "QQ", "CN-QQ", id="no such part")],
)
def test_an_unknown_country_is_refused(country: str, subdivision: str | None, named: str) -> None:
    with pytest.raises(UnknownCountry, match=f"No public holidays are known for {named}"):
        public_days(country, range(2026, 2027), subdivision)
