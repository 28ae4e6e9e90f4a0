"""The public holidays and make-up working days of a country, from the library `holidays`, as plain dates."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from tickets.errors import UnknownCountry

_DAY = timedelta(days=1)
_SATURDAY = 5

# Where breaks are announced with the weekends beside them (https://politics.gmw.cn/2025-11/04/content_38391083.htm).
# The library leaves out such a Saturday or Sunday: a shop that is open all week would open in the middle of the break.
_WEEKENDS_BELONG_TO_BREAKS = frozenset({"CN"})


@dataclass(frozen=True, slots=True)
class PublicDays:
    holidays: frozenset[date]
    make_up_days: frozenset[date]  # days of the weekend that are worked (调休)


def public_days(country: str, years: range, subdivision: str | None = None) -> PublicDays:
    """The days of `country` (ISO 3166 code) in `years`; raises UnknownCountry.

    Make-up days are known for the years that the government has announced, in China until the end of the next year at
    most; the feasts of later years are computed, without the days that will be moved for them.
    """
    # Takes a good part of a second, which a desk that never closes should not wait for.
    import holidays

    # Days are moved across the turn of the year; the library tells them with the year that they are moved for.
    around = range(years.start - 1, years.stop + 1)
    try:
        listed = holidays.country_holidays(country, subdiv=subdivision, years=around)
    except NotImplementedError as error:
        raise UnknownCountry(country=f"{country}-{subdivision}" if subdivision else country) from error
    make_up_days = frozenset(listed.weekend_workdays)
    days = frozenset(listed)
    if country in _WEEKENDS_BELONG_TO_BREAKS:
        days |= frozenset(day for holiday in days for day in _weekend_beside(holiday, make_up_days))
    return PublicDays(_within(days, years), _within(make_up_days, years))


def _weekend_beside(holiday: date, make_up_days: frozenset[date]) -> Iterator[date]:
    for step in (_DAY, -_DAY):
        day = holiday + step
        while day.weekday() >= _SATURDAY and day not in make_up_days:
            yield day
            day += step


def _within(days: frozenset[date], years: range) -> frozenset[date]:
    return frozenset(day for day in days if day.year in years)
