"""Working time: when is it due, and how long did it take. Pure; deadlines and reports ask the same two questions here.

A window is wall time of the calendar's zone and belongs to the day on which it opens. All arithmetic is done on the
instants that it covers: a change of the clocks makes a window longer or shorter and never moves a result by an hour.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from enum import StrEnum
from functools import cached_property
from itertools import accumulate

from tickets.errors import AlwaysClosed, NeverDue

NOTHING = timedelta()
NO_CAP = timedelta.max
MIDNIGHT = time()
_DAY = timedelta(days=1)
_SECOND = timedelta(seconds=1)
_FOREVER = datetime.max.replace(tzinfo=UTC)  # only ever compared

# Open time is counted page by page. Four weeks hold every weekday and are short enough to lay out at once.
_PAGE = 28 * _DAY
_FIRST_PAGE = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Window:
    """Open from `opens` until `closes`, wall time; on the next day if that is not later (a night shift)."""

    opens: time
    closes: time


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """From one instant until another."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Pause:
    """The clock stood still from `since` until `until`; None: it still does."""

    since: datetime
    until: datetime | None = None


class DayKind(StrEnum):
    REGULAR = "regular"
    HOLIDAY = "holiday"
    MAKE_UP = "make_up"  # a day of the weekend that is worked for a holiday (调休)


@dataclass(frozen=True, slots=True)
class Day:
    """What a calendar does on one day; a night shift stands on the day on which it opens."""

    day: date
    kind: DayKind
    spans: tuple[Span, ...]  # instants; show them in the calendar's zone


WHOLE_DAY = Window(MIDNIGHT, MIDNIGHT)


@dataclass(frozen=True)
class Calendar:
    """When a desk is staffed. Raises AlwaysClosed when there is no window at all.

    A day in both sets is a holiday, so that a shop can close on a public make-up day.
    """

    name: str
    zone: tzinfo = UTC
    week: tuple[tuple[Window, ...], ...] = ((WHOLE_DAY,),) * 7  # Monday first
    holidays: frozenset[date] = frozenset()
    make_up_days: frozenset[date] = frozenset()
    make_up_as: int = 0  # the weekday whose windows a make-up day keeps; 0 is Monday
    # A memo, not a part of the value: grows by one page for every four weeks that were ever asked about.
    _pages: dict[int, "_Page"] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if len(self.week) != 7:
            raise ValueError(f"a week has 7 days, not {len(self.week)}")
        if not any(self.week):
            raise AlwaysClosed(calendar=self.name)

    @cached_property
    def is_always_open(self) -> bool:
        return not self.holidays and all(WHOLE_DAY in windows for windows in self.week)

    def kind(self, day: date) -> DayKind:
        if day in self.holidays:
            return DayKind.HOLIDAY
        return DayKind.MAKE_UP if day in self.make_up_days else DayKind.REGULAR

    def windows(self, day: date) -> tuple[Window, ...]:
        match self.kind(day):
            case DayKind.HOLIDAY:
                return ()
            case DayKind.MAKE_UP:
                return self.week[self.make_up_as]
            case DayKind.REGULAR:
                return self.week[day.weekday()]

    def page(self, number: int) -> "_Page":
        """The open time of four weeks, laid out once."""
        page = self._pages.get(number)
        if page is None:
            page = self._pages[number] = _lay_out(self, number)
        return page


ALWAYS = Calendar("24×7")


def due(
    calendar: Calendar, start: datetime, target: timedelta, pauses: Sequence[Pause] = (), cap: timedelta = NO_CAP
) -> datetime:
    """The first instant by which `target` of open time has passed since `start`, outside of the pauses.

    The pauses take at most `cap` in all, counted in open time like the target. A target that is used up when a window
    closes is due then, not when the next one opens. Raises NeverDue for a pause without end and without a cap.
    """
    _refuse_negative(target, cap)
    if cap == NO_CAP and any(pause.until is None for pause in pauses):
        raise NeverDue(calendar=calendar.name)
    at, left = _utc(start), target
    for stretch in _stretches(pauses, at, _FOREVER):
        ran = _passed(calendar, at, stretch.start)
        if ran >= left:
            break
        left -= ran
        at, cap = _resume(calendar, stretch, cap)
    return _reach(calendar, at, left)


def elapsed(
    calendar: Calendar, start: datetime, end: datetime, pauses: Sequence[Pause] = (), cap: timedelta = NO_CAP
) -> timedelta:
    """The open time from `start` until `end` less the pauses, which take at most `cap`; none if `end` comes first."""
    _refuse_negative(cap)
    start, end = _utc(start), _utc(end)
    stretches = _stretches(pauses, start, end)
    paused = sum((_passed(calendar, stretch.start, stretch.end) for stretch in stretches), NOTHING)
    return _passed(calendar, start, end) - min(paused, cap)


def preview(calendar: Calendar, day: date, days: int) -> list[Day]:
    """What the calendar does on each of `days` days from `day` on."""
    coming = (day + n * _DAY for n in range(days))
    return [Day(each, calendar.kind(each), tuple(_joined(_spans(calendar, each)))) for each in coming]


def _refuse_negative(*spans: timedelta) -> None:
    if min(spans) < NOTHING:
        raise ValueError(f"a target or cap cannot be negative: {min(spans)}")


def _utc(at: datetime) -> datetime:
    if at.utcoffset() is None:
        raise ValueError(f"an instant needs a zone: {at}")
    return at.astimezone(UTC)


def _passed(calendar: Calendar, start: datetime, end: datetime) -> timedelta:
    if end <= start:
        return NOTHING
    if calendar.is_always_open:
        return end - start
    first, last = _page_number(start), _page_number(end)
    whole = sum((calendar.page(number).total for number in range(first, last)), NOTHING)
    return whole + calendar.page(last).passed(end) - calendar.page(first).passed(start)


def _reach(calendar: Calendar, start: datetime, target: timedelta) -> datetime:
    if calendar.is_always_open or not target:
        return start + target
    number = _page_number(start)
    left = target + calendar.page(number).passed(start)
    # This ends: holidays are a finite set, and after the last of them every page has open time.
    while left > calendar.page(number).total:
        left -= calendar.page(number).total
        number += 1
    return calendar.page(number).reached(left)


def _resume(calendar: Calendar, stretch: Span, cap: timedelta) -> tuple[datetime, timedelta]:
    """When the clock runs again after a pause, and what is left of the cap."""
    if stretch.end < _FOREVER:
        paused = _passed(calendar, stretch.start, stretch.end)
        if paused <= cap:
            return stretch.end, cap - paused
    return _reach(calendar, stretch.start, cap), NOTHING


def _stretches(pauses: Sequence[Pause], start: datetime, end: datetime) -> list[Span]:
    """The pauses between two instants, in order; time that two of them share counts once."""
    if not pauses:
        return []
    ended = (Span(_utc(pause.since), end if pause.until is None else _utc(pause.until)) for pause in pauses)
    return _joined(_clipped(ended, start, end))


def _clipped(spans: Iterable[Span], start: datetime, end: datetime) -> Iterator[Span]:
    return (Span(max(span.start, start), min(span.end, end)) for span in spans)


def _joined(spans: Iterable[Span]) -> list[Span]:
    """The same time in order, without overlaps and without spans that last no time."""
    joined: list[Span] = []
    for span in sorted(span for span in spans if span.start < span.end):
        if joined and span.start <= joined[-1].end:
            joined[-1] = Span(joined[-1].start, max(joined[-1].end, span.end))
        else:
            joined.append(span)
    return joined


def _spans(calendar: Calendar, day: date) -> Iterator[Span]:
    for window in calendar.windows(day):
        closing_day = day if window.closes > window.opens else day + _DAY
        yield Span(
            _first_reading(calendar.zone, datetime.combine(day, window.opens)),
            _first_reading(calendar.zone, datetime.combine(closing_day, window.closes)),
        )


def _first_reading(zone: tzinfo, wall: datetime) -> datetime:
    """The first instant at which a clock on the wall reads `wall` or later.

    So of an ambiguous time the first occurrence is meant, and for an imaginary one the instant at which it was skipped.
    Later wall times never give earlier instants: a change of the clocks cannot make windows overlap or turn round.
    """
    at = wall.replace(tzinfo=zone).astimezone(UTC)
    skipped = _reading(zone, at) - wall
    if not skipped:
        return at
    before = (at - skipped).replace(microsecond=0)  # clocks change at whole seconds
    seconds = bisect_left(
        range(skipped // _SECOND + 1), True, key=lambda n: _reading(zone, before + n * _SECOND) >= wall
    )
    return before + seconds * _SECOND


def _reading(zone: tzinfo, at: datetime) -> datetime:
    return at.astimezone(zone).replace(tzinfo=None)


@dataclass(frozen=True, slots=True)
class _Page:
    """The open spans of four weeks, disjoint and in order, with the open time before each."""

    starts: tuple[datetime, ...]
    ends: tuple[datetime, ...]
    before: tuple[timedelta, ...]
    total: timedelta

    def passed(self, at: datetime) -> timedelta:
        """Open time from the beginning of the page until `at`."""
        place = bisect_right(self.starts, at) - 1
        if place < 0:
            return NOTHING
        return self.before[place] + (min(at, self.ends[place]) - self.starts[place])

    def reached(self, amount: timedelta) -> datetime:
        """The first instant by which `amount`, more than nothing and at most the total, has passed."""
        place = bisect_left(self.before, amount) - 1
        return self.starts[place] + (amount - self.before[place])


def _page_number(at: datetime) -> int:
    return (at - _FIRST_PAGE) // _PAGE


def _lay_out(calendar: Calendar, number: int) -> _Page:
    start = _FIRST_PAGE + number * _PAGE
    # Zones are less than a day from UTC and windows last a day at most: none of other days reaches into the page.
    days = (start.date() + n * _DAY for n in range(-2, _PAGE // _DAY + 1))
    spans = _joined(_clipped((span for day in days for span in _spans(calendar, day)), start, start + _PAGE))
    *before, total = accumulate((span.end - span.start for span in spans), initial=NOTHING)
    return _Page(tuple(span.start for span in spans), tuple(span.end for span in spans), tuple(before), total)
