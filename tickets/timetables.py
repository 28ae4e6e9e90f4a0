"""Calendars as they are written down: in the settings by the owner, and with each version of a policy.

A running clock keeps the hours that it was promised in, whatever the settings say today.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, time
from functools import lru_cache
from zoneinfo import ZoneInfo

from tickets.holidays import public_days
from tickets.hours import ALWAYS, Calendar, Window

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
CLOSED = "closed"
YEARS = range(2020, 2100)  # whose public holidays a calendar knows


def parse_windows(text: str) -> tuple[Window, ...]:
    """The windows of "09:00-12:00, 13:30-18:00", none of "closed"; raises ValueError."""
    if text.strip() == CLOSED:
        return ()
    windows = []
    for part in text.split(","):
        try:
            opens, closes = (time.fromisoformat(end.strip()) for end in part.split("-"))
        except ValueError as error:
            raise ValueError(f"write hours such as '09:00-12:00, 13:30-18:00', or 'closed', not {text!r}") from error
        windows.append(Window(opens, closes))
    return tuple(windows)


@dataclass(frozen=True, slots=True)
class Timetable:
    """The hours of a week, and whose holidays are kept. Everything is text, and checked by `calendar`."""

    name: str
    zone: str
    hours: str  # of every day
    days: Mapping[str, str] = field(default_factory=dict)  # weekday → its own hours
    holidays: str = ""  # country, or country and part: "CN", "DE-BY"; empty: none are kept

    @property
    def text(self) -> str:
        """What `read_calendar` reads."""
        facts = {"name": self.name, "zone": self.zone, "hours": self.hours, **self.days, "holidays": self.holidays}
        return json.dumps({key: value for key, value in facts.items() if value}, ensure_ascii=False)

    def calendar(self) -> Calendar:
        """Raises ValueError, UnknownCountry, AlwaysClosed."""
        week = tuple(parse_windows(self.days.get(day, self.hours)) for day in WEEKDAYS)
        holidays: frozenset[date] = frozenset()
        make_up_days = holidays
        if self.holidays:
            country, _, part = self.holidays.partition("-")
            public = public_days(country, YEARS, part or None)
            holidays, make_up_days = public.holidays, public.make_up_days
        return Calendar(self.name, ZoneInfo(self.zone), week, holidays, make_up_days)


@lru_cache(maxsize=100)
def read_calendar(text: str) -> Calendar:
    """The calendar that a version of a policy was written with; a bare name, of older versions, counts every hour."""
    if not text.startswith("{"):
        return ALWAYS
    facts = json.loads(text)
    days = {day: facts[day] for day in WEEKDAYS if day in facts}
    return Timetable(facts["name"], facts["zone"], facts["hours"], days, facts.get("holidays", "")).calendar()
