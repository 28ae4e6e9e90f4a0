import time as stopwatch
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta, timezone
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tickets.errors import AlwaysClosed, NeverDue
from tickets.hours import ALWAYS, WHOLE_DAY, Calendar, DayKind, Pause, Span, Window, due, elapsed, preview

SHANGHAI = ZoneInfo("Asia/Shanghai")
NEW_YORK = ZoneInfo("America/New_York")  # 2026: forward on 8 March at 02:00, back on 1 November at 02:00
SYDNEY = ZoneInfo("Australia/Sydney")
APIA = ZoneInfo("Pacific/Apia")  # had no 30 December 2011
HAVANA = ZoneInfo("America/Havana")  # changes at midnight

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
MICROSECOND = timedelta(microseconds=1)
NOTHING = timedelta()

# 春节 2026: off from 15 to 23 February, worked on Saturday the 14th and Saturday the 28th.
SPRING_FESTIVAL = frozenset(date(2026, 2, day) for day in range(15, 24))
MAKE_UP_DAYS = frozenset({date(2026, 2, 14), date(2026, 2, 28)})


def window(text: str) -> Window:
    opens, closes = text.split("-")
    return Window(time.fromisoformat(opens), time.fromisoformat(closes))


def calendar(hours: str, zone: ZoneInfo = SHANGHAI, days: Iterable[int] = range(5), **changes: object) -> Calendar:
    windows = tuple(window(each) for each in hours.split())
    week = tuple(windows if day in days else () for day in range(7))
    return Calendar("desk", zone, week, **changes)


def local(text: str, zone: ZoneInfo = SHANGHAI) -> datetime:
    """A wall time as an instant; a trailing * means the second of two."""
    wall = datetime.fromisoformat(text.rstrip("*")).replace(tzinfo=zone, fold=int(text.endswith("*")))
    return wall.astimezone(UTC)


LUNCH = calendar("09:00-12:00 13:30-18:00")
FESTIVAL = replace(LUNCH, holidays=SPRING_FESTIVAL, make_up_days=MAKE_UP_DAYS)
NIGHTS = calendar("22:00-06:00", days=range(7))
NIGHTS_OVER_CHANGE = calendar("22:00-06:00", NEW_YORK, range(7))
EARLY_OVER_CHANGE = calendar("01:30-02:30", NEW_YORK, range(7))

EXAMPLES = [
    pytest.param(ALWAYS, "2026-03-02 23:00", 24 * HOUR, "2026-03-03 23:00", id="24x7 adds the target"),
    pytest.param(LUNCH, "2026-03-02 09:00", HOUR, "2026-03-02 10:00", id="inside a window"),
    pytest.param(LUNCH, "2026-03-02 11:30", HOUR, "2026-03-02 14:00", id="over the lunch break"),
    pytest.param(LUNCH, "2026-03-02 12:40", HOUR, "2026-03-02 14:30", id="begun in the lunch break"),
    pytest.param(LUNCH, "2026-03-02 09:00", 3 * HOUR, "2026-03-02 12:00", id="used up when the window closes"),
    pytest.param(LUNCH, "2026-03-02 12:00", MICROSECOND, "2026-03-02 13:30:00.000001", id="exact to the microsecond"),
    pytest.param(LUNCH, "2026-03-06 17:30", HOUR, "2026-03-09 09:30", id="over the weekend"),
    pytest.param(LUNCH, "2026-03-07 12:00", HOUR, "2026-03-09 10:00", id="begun on the weekend"),
    pytest.param(LUNCH, "2026-03-02 08:00", 5 * 7.5 * HOUR, "2026-03-06 18:00", id="a whole week"),
    pytest.param(LUNCH, "2026-03-07 12:00", NOTHING, "2026-03-07 12:00", id="nothing is due at once"),
    pytest.param(NIGHTS, "2026-03-02 23:00", 3 * HOUR, "2026-03-03 02:00", id="night shift"),
    pytest.param(NIGHTS, "2026-03-02 03:00", 4 * HOUR, "2026-03-02 23:00", id="begun in the night shift of yesterday"),
    pytest.param(
        replace(NIGHTS, holidays=frozenset({date(2026, 3, 3)})),
        "2026-03-02 23:00",
        8 * HOUR,
        "2026-03-04 23:00",
        id="a night shift belongs to the day on which it opens",
    ),
    pytest.param(
        NIGHTS_OVER_CHANGE, "2026-03-07 22:00", 7 * HOUR, "2026-03-08 06:00", id="a night shift loses an hour"
    ),
    pytest.param(
        NIGHTS_OVER_CHANGE, "2026-10-31 22:00", 9 * HOUR, "2026-11-01 06:00", id="a night shift gains an hour"
    ),
    pytest.param(EARLY_OVER_CHANGE, "2026-03-08 00:00", 30 * MINUTE, "2026-03-08 03:00", id="closes at a skipped time"),
    pytest.param(EARLY_OVER_CHANGE, "2026-03-08 03:00", MINUTE, "2026-03-09 01:31", id="closed after a skipped time"),
    pytest.param(EARLY_OVER_CHANGE, "2026-11-01 00:00", HOUR, "2026-11-01 01:30*", id="opens at the first of two"),
    pytest.param(EARLY_OVER_CHANGE, "2026-11-01 00:00", 2 * HOUR, "2026-11-01 02:30", id="closes an hour longer"),
    pytest.param(
        calendar("02:15-02:45 09:00-10:00", NEW_YORK, range(7)),
        "2026-03-08 00:00",
        HOUR,
        "2026-03-08 10:00",
        id="a skipped window has no time",
    ),
    pytest.param(
        calendar("02:15:00.5-04:00", NEW_YORK, range(7)),
        "2026-03-08 00:00",
        HOUR,
        "2026-03-08 04:00",
        id="opens when the clock skips",
    ),
    pytest.param(
        calendar("00:00-01:00", HAVANA, range(7)), "2026-03-07 12:00", MINUTE, "2026-03-09 00:01", id="no midnight"
    ),
    pytest.param(
        calendar("09:00-17:00", APIA, range(7)), "2011-12-29 16:00", 2 * HOUR, "2011-12-31 10:00", id="a skipped day"
    ),
    pytest.param(FESTIVAL, "2026-02-13 17:00", 2 * HOUR, "2026-02-14 10:00", id="春节: Saturday the 14th is worked"),
    pytest.param(FESTIVAL, "2026-02-14 17:00", 2 * HOUR, "2026-02-24 10:00", id="春节: nine days off"),
    pytest.param(FESTIVAL, "2026-02-27 17:00", 2 * HOUR, "2026-02-28 10:00", id="春节: Saturday the 28th is worked"),
    pytest.param(FESTIVAL, "2026-02-28 17:00", 2 * HOUR, "2026-03-02 10:00", id="春节: Sunday the 1st is not"),
    pytest.param(FESTIVAL, "2026-02-12 17:00", 72 * HOUR, "2026-03-04 14:00", id="春节: 72 h"),
    pytest.param(
        calendar("09:00-10:00", holidays=frozenset(date(2026, 3, 1) + n * timedelta(days=1) for n in range(27))),
        "2026-02-27 09:30",
        HOUR,
        "2026-03-30 09:30",
        id="an hour over thirty closed days",
    ),
    pytest.param(
        calendar("09:00-10:00", holidays=frozenset(date(2026, 3, 1) + n * timedelta(days=1) for n in range(3_000))),
        "2026-03-01 09:30",
        HOUR,
        "2034-05-18 10:00",
        id="an hour over eight closed years",
    ),
]


@pytest.mark.parametrize(("hours", "start", "target", "expected"), EXAMPLES)
def test_a_target_is_due(hours: Calendar, start: str, target: timedelta, expected: str) -> None:
    started_at = local(start, hours.zone)

    due_at = due(hours, started_at, target)

    assert due_at == local(expected, hours.zone)
    assert due_at.tzinfo is UTC
    assert elapsed(hours, started_at, due_at) == target


@pytest.mark.parametrize(
    ("hours", "start", "end", "expected"),
    [
        pytest.param(LUNCH, "2026-03-02 00:00", "2026-03-03 00:00", 7.5 * HOUR, id="a day"),
        pytest.param(LUNCH, "2026-03-02 12:00", "2026-03-02 13:30", NOTHING, id="the lunch break"),
        pytest.param(LUNCH, "2026-03-06 18:00", "2026-03-09 09:00", NOTHING, id="the weekend"),
        pytest.param(LUNCH, "2026-03-02 17:00", "2026-03-02 09:00", NOTHING, id="the clock was put back"),
        pytest.param(ALWAYS, "2026-03-02 17:00", "2026-03-02 09:00", NOTHING, id="the clock was put back, 24x7"),
        pytest.param(FESTIVAL, "2026-02-01 00:00", "2026-03-01 00:00", 16 * 7.5 * HOUR, id="a month with 春节"),
        pytest.param(NIGHTS_OVER_CHANGE, "2026-03-07 12:00", "2026-03-08 12:00", 7 * HOUR, id="spring forward"),
        pytest.param(NIGHTS_OVER_CHANGE, "2026-10-31 12:00", "2026-11-01 12:00", 9 * HOUR, id="fall back"),
    ],
)
def test_open_time_elapses(hours: Calendar, start: str, end: str, expected: timedelta) -> None:
    assert elapsed(hours, local(start, hours.zone), local(end, hours.zone)) == expected


def test_every_working_day_of_a_quarter_ends_on_time() -> None:
    start = local("2026-04-01 00:00")
    closings = [local("2026-04-01 18:00") + n * DAY for n in range(90) if (2 + n) % 7 < 5]

    assert [due(LUNCH, start, n * 7.5 * HOUR) for n in range(1, len(closings) + 1)] == closings


def test_windows_of_a_whole_day_count_whole_in_every_week() -> None:
    tuesdays = calendar("22:00-22:00", NEW_YORK, [1])
    start = local("2026-06-01 00:00", NEW_YORK)

    assert [elapsed(tuesdays, start, start + 7 * n * DAY) for n in range(12)] == [24 * n * HOUR for n in range(12)]


def paused(text: str) -> tuple[Pause, ...]:
    spans = (each.split(" - ") for each in text.split(", "))
    return tuple(Pause(local(since), local(until) if until != "now" else None) for since, until in spans)


@pytest.mark.parametrize(
    ("pauses", "cap", "expected"),
    [
        pytest.param("2026-03-02 10:00 - 2026-03-02 11:00", 8 * HOUR, "2026-03-02 15:30", id="moves by its open time"),
        pytest.param("2026-03-02 11:00 - 2026-03-02 14:00", 8 * HOUR, "2026-03-02 16:00", id="closed time is no pause"),
        pytest.param("2026-03-02 08:00 - 2026-03-02 10:00", 8 * HOUR, "2026-03-02 15:30", id="begun before the clock"),
        pytest.param("2026-03-02 10:00 - 2026-03-04 10:00", HOUR, "2026-03-02 15:30", id="the cap ends a pause"),
        pytest.param("2026-03-02 10:00 - now", HOUR, "2026-03-02 15:30", id="the cap ends a pause without end"),
        pytest.param("2026-03-02 10:00 - 2026-03-02 11:00", NOTHING, "2026-03-02 14:30", id="no pause is granted"),
        pytest.param(
            "2026-03-02 10:00 - 2026-03-02 11:00, 2026-03-02 13:30 - 2026-03-02 15:00",
            2 * HOUR,
            "2026-03-02 16:30",
            id="the cap is on the sum",
        ),
        pytest.param(
            "2026-03-02 10:30 - 2026-03-02 11:30, 2026-03-02 10:00 - 2026-03-02 11:00",
            8 * HOUR,
            "2026-03-02 16:00",
            id="shared time counts once",
        ),
        pytest.param("2026-03-02 14:30 - 2026-03-02 16:00", 8 * HOUR, "2026-03-02 14:30", id="due before it begins"),
        pytest.param("2026-03-02 11:00 - 2026-03-02 10:00", 8 * HOUR, "2026-03-02 14:30", id="ended before it began"),
    ],
)
def test_a_pause_moves_what_is_due(pauses: str, cap: timedelta, expected: str) -> None:
    started_at, target = local("2026-03-02 09:00"), 4 * HOUR

    due_at = due(LUNCH, started_at, target, paused(pauses), cap)

    assert due_at == local(expected)
    assert elapsed(LUNCH, started_at, due_at, paused(pauses), cap) == target


def test_a_pause_that_lasts_stops_the_clock() -> None:
    pauses = paused("2026-03-02 10:00 - now")

    assert elapsed(LUNCH, local("2026-03-02 09:00"), local("2026-03-05 18:00"), pauses) == HOUR


def test_a_pause_without_end_or_cap_is_refused() -> None:
    with pytest.raises(NeverDue, match="desk"):
        due(LUNCH, local("2026-03-02 09:00"), HOUR, paused("2026-03-02 10:00 - now"))


def test_a_calendar_without_windows_is_refused() -> None:
    with pytest.raises(AlwaysClosed, match="The calendar desk has no opening hours"):
        calendar("09:00-17:00", days=())


def test_a_week_has_seven_days() -> None:
    with pytest.raises(ValueError, match="7 days, not 5"):
        Calendar("desk", week=((WHOLE_DAY,),) * 5)


def test_instants_need_a_zone() -> None:
    naive = datetime(2026, 3, 2, 9)  # noqa: DTZ001

    with pytest.raises(ValueError, match="needs a zone"):
        due(LUNCH, naive, HOUR)
    with pytest.raises(ValueError, match="needs a zone"):
        elapsed(ALWAYS, naive, naive)


def test_local_instants_are_not_added_on_the_wall() -> None:
    start = datetime(2026, 3, 7, 12, tzinfo=NEW_YORK)

    due_at = due(ALWAYS, start, 24 * HOUR)

    assert due_at == local("2026-03-08 13:00", NEW_YORK)
    assert due_at.tzinfo is UTC
    assert elapsed(ALWAYS, start, due_at.astimezone(NEW_YORK)) == 24 * HOUR


def test_negative_targets_and_caps_are_refused() -> None:
    start = local("2026-03-02 09:00")

    with pytest.raises(ValueError, match="negative"):
        due(LUNCH, start, -HOUR)
    with pytest.raises(ValueError, match="negative"):
        due(LUNCH, start, HOUR, cap=-HOUR)
    with pytest.raises(ValueError, match="negative"):
        elapsed(LUNCH, start, start, cap=-HOUR)


def test_a_shop_can_close_on_a_make_up_day() -> None:
    closed = replace(FESTIVAL, holidays=SPRING_FESTIVAL | {date(2026, 2, 14)})

    assert due(closed, local("2026-02-13 17:00"), 2 * HOUR) == local("2026-02-24 10:00")


def test_a_make_up_day_keeps_the_windows_of_a_weekday() -> None:
    week = (*((window("09:00-17:00"),) for _ in range(4)), (window("09:00-12:00"),), (), ())
    like_monday = Calendar("desk", SHANGHAI, week, make_up_days=MAKE_UP_DAYS)
    like_friday = replace(like_monday, make_up_as=4)
    saturday = local("2026-02-14 00:00"), local("2026-02-15 00:00")

    assert elapsed(like_monday, *saturday) == 8 * HOUR
    assert elapsed(like_friday, *saturday) == 3 * HOUR


def test_a_preview_shows_what_each_day_does() -> None:
    days = preview(FESTIVAL, date(2026, 2, 13), 12)

    assert [day.day for day in days] == [date(2026, 2, 13) + n * timedelta(days=1) for n in range(12)]
    kinds = [DayKind.REGULAR, DayKind.MAKE_UP, *[DayKind.HOLIDAY] * 9, DayKind.REGULAR]
    assert [day.kind for day in days] == kinds
    worked = (
        Span(local("2026-02-14 09:00"), local("2026-02-14 12:00")),
        Span(local("2026-02-14 13:30"), local("2026-02-14 18:00")),
    )
    assert days[1].spans == worked
    assert all(not day.spans for day in days[2:11])


def test_a_preview_lists_a_night_shift_under_the_day_that_it_opens_on() -> None:
    [day] = preview(NIGHTS_OVER_CHANGE, date(2026, 10, 31), 1)

    assert day.spans == (Span(local("2026-10-31 22:00", NEW_YORK), local("2026-11-01 06:00", NEW_YORK)),)


def test_a_long_holiday_costs_milliseconds_at_most() -> None:
    start = local("2026-02-12 17:00")

    def seconds(hours: Calendar) -> float:
        begun = stopwatch.perf_counter()
        due(hours, start, 72 * HOUR)
        return stopwatch.perf_counter() - begun

    # The best of a few: a shared machine can stall any one of them.
    assert min(seconds(replace(FESTIVAL, name=f"desk {n}")) for n in range(9)) < 0.01
    assert min(seconds(FESTIVAL) for _ in range(9)) < 0.001


# Properties: any week, in zones that change by an hour, half an hour, a day, at midnight, for good.

ZONES = [
    UTC,
    *map(ZoneInfo, ["Asia/Shanghai", "Asia/Kathmandu", "Asia/Pyongyang", "Africa/Casablanca", "Europe/London"]),
    *map(ZoneInfo, ["Europe/Istanbul", "America/New_York", "America/St_Johns", "Australia/Lord_Howe"]),
    HAVANA,
    SYDNEY,
    APIA,
]
CHANGES = [
    datetime(*day, tzinfo=UTC)
    for day in [
        (2011, 3, 13),  # New York; St John's a minute after midnight
        (2011, 11, 6),
        (2011, 12, 30),  # Apia
        (2015, 8, 14),  # Pyongyang
        (2016, 9, 7),  # Istanbul
        (2026, 2, 15),  # Casablanca
        (2026, 3, 8),  # New York, Havana
        (2026, 3, 29),  # London
        (2026, 4, 4),  # Sydney, Lord Howe
        (2026, 10, 3),
        (2026, 10, 25),
        (2026, 11, 1),
    ]
]
instants = st.one_of(
    st.builds(lambda at, by: at + by, st.sampled_from(CHANGES), st.timedeltas(-10 * DAY, 10 * DAY)),
    st.datetimes(datetime(2009, 1, 1), datetime(2029, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
)
quarters = st.builds(lambda n: time(n // 4, n % 4 * 15), st.integers(0, 95))
times = st.one_of(quarters, st.times())
windows = st.builds(Window, times, times)


def dates(around: datetime) -> st.SearchStrategy[frozenset[date]]:
    offsets = st.integers(-5, 45).map(lambda n: around.date() + n * DAY)
    return st.frozensets(offsets, max_size=12)


@st.composite
def calendars(
    draw: st.DrawFn, around: datetime, each: st.SearchStrategy[Window] = windows, zones: list[timezone] = ZONES
) -> Calendar:
    kinds = draw(st.lists(st.lists(each, max_size=3).map(tuple), min_size=1, max_size=3).filter(any))
    week = (*kinds, *(draw(st.sampled_from(kinds)) for _ in range(7 - len(kinds))))
    return Calendar("any", draw(st.sampled_from(zones)), week, draw(dates(around)), draw(dates(around)))


def length(window: Window) -> timedelta:
    span = datetime.combine(date.min, window.closes) - datetime.combine(date.min, window.opens)
    return span if span > NOTHING else span + DAY


def targets(hours: Calendar, weeks: int = 3) -> st.SearchStrategy[timedelta]:
    """Targets that a calendar can meet in a few weeks, so that a week of microseconds is not asked for hours."""
    return st.timedeltas(NOTHING, weeks * sum((length(each) for day in hours.week for each in day), NOTHING))


@st.composite
def cases(draw: st.DrawFn) -> tuple[Calendar, datetime, timedelta]:
    start = draw(instants)
    hours = draw(calendars(start))
    return hours, start, draw(targets(hours))


@st.composite
def pauses_after(draw: st.DrawFn, start: datetime) -> tuple[Pause, ...]:
    moments = st.timedeltas(-2 * DAY, 30 * DAY).map(lambda by: start + by)
    return tuple(draw(st.lists(st.builds(Pause, moments, st.one_of(st.none(), moments)), max_size=4)))


@st.composite
def paused_cases(draw: st.DrawFn) -> tuple[Calendar, datetime, timedelta, tuple[Pause, ...], timedelta]:
    hours, start, target = draw(cases())
    return hours, start, target, draw(pauses_after(start)), draw(targets(hours, weeks=1))


# Others share the machine: neither a slow example nor slow drawing says anything about the calendar.
patient = settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow])


@patient
@given(cases())
def test_when_it_is_due_its_target_has_elapsed(case: tuple[Calendar, datetime, timedelta]) -> None:
    hours, start, target = case

    due_at = due(hours, start, target)

    assert due_at >= start
    assert elapsed(hours, start, due_at) == target


@patient
@given(cases())
def test_a_microsecond_before_it_is_due_a_microsecond_is_left(case: tuple[Calendar, datetime, timedelta]) -> None:
    hours, start, target = case
    assume(target)

    due_at = due(hours, start, target)

    assert elapsed(hours, start, due_at - MICROSECOND) == target - MICROSECOND


@patient
@given(cases())
def test_it_is_never_due_in_closed_time(case: tuple[Calendar, datetime, timedelta]) -> None:
    hours, start, target = case
    assume(target)

    due_at = due(hours, start, target)

    around = preview(hours, due_at.date() - 3 * DAY, 6)
    assert any(span.start < due_at <= span.end for day in around for span in day.spans)


@patient
@given(cases(), st.data())
def test_a_longer_target_is_never_due_earlier(case: tuple[Calendar, datetime, timedelta], data: st.DataObject) -> None:
    hours, start, target = case
    longer = target + data.draw(targets(hours))

    assert due(hours, start, longer) >= due(hours, start, target)


@patient
@given(paused_cases(), st.data())
def test_a_holiday_never_makes_it_due_earlier(case: tuple, data: st.DataObject) -> None:
    hours, start, target, pauses, cap = case
    more = replace(hours, holidays=hours.holidays | data.draw(dates(start)))

    assert due(more, start, target) >= due(hours, start, target)
    assert due(more, start, target, pauses, cap) >= due(hours, start, target, pauses, cap)


@patient
@given(paused_cases(), st.integers(0, 6), windows)
def test_a_window_more_never_makes_it_due_later(case: tuple, weekday: int, added: Window) -> None:
    hours, start, target, pauses, cap = case
    week = tuple((*day, added) if place == weekday else day for place, day in enumerate(hours.week))
    more = replace(hours, week=week)

    assert due(more, start, target) <= due(hours, start, target)
    assert due(more, start, target, pauses, cap) <= due(hours, start, target, pauses, cap)


@patient
@given(cases(), st.timedeltas(NOTHING, 400 * DAY), st.timedeltas(NOTHING, 400 * DAY))
def test_what_elapses_adds_up(case: tuple[Calendar, datetime, timedelta], first: timedelta, then: timedelta) -> None:
    hours, start, _ = case
    middle, end = start + first, start + first + then

    assert elapsed(hours, start, middle) + elapsed(hours, middle, end) == elapsed(hours, start, end)


@patient
@given(cases(), st.lists(times, min_size=3, max_size=3, unique=True).map(sorted))
def test_a_window_cut_in_two_is_the_same_time(case: tuple[Calendar, datetime, timedelta], cuts: list[time]) -> None:
    hours, start, target = case
    whole, halves = Window(cuts[0], cuts[2]), tuple(Window(*pair) for pair in pairwise(cuts))
    in_one = replace(hours, week=tuple((*day, whole) for day in hours.week))
    in_two = replace(hours, week=tuple((*day, *halves) for day in hours.week))

    assert due(in_two, start, target) == due(in_one, start, target)


@patient
@given(instants, st.timedeltas(NOTHING, 60 * DAY), st.sampled_from(ZONES), times, times)
def test_a_day_without_gaps_is_plain_addition(
    start: datetime, target: timedelta, zone: timezone, noon: time, evening: time
) -> None:
    cuts = [time(), *sorted({noon, evening} - {time()}), time()]
    always = Calendar("shifts", zone, (tuple(Window(*pair) for pair in pairwise(cuts)),) * 7)

    assert due(always, start, target) == due(ALWAYS, start, target) == start + target
    assert elapsed(always, start, start + target) == elapsed(ALWAYS, start, start + target) == target


@patient
@given(cases(), st.sampled_from(ZONES))
def test_the_zone_in_which_an_instant_is_written_means_nothing(
    case: tuple[Calendar, datetime, timedelta], zone: timezone
) -> None:
    hours, start, target = case
    due_at = due(hours, start, target)

    assert due(hours, start.astimezone(zone), target) == due_at
    assert elapsed(hours, start.astimezone(zone), due_at.astimezone(zone)) == target


@patient
@given(paused_cases())
def test_a_pause_never_shortens_and_never_exceeds_its_cap(case: tuple) -> None:
    hours, start, target, pauses, cap = case

    due_at = due(hours, start, target, pauses, cap)

    assert due(hours, start, target) <= due_at <= due(hours, start, target + cap)
    assert elapsed(hours, start, due_at, pauses, cap) == target
    assert NOTHING <= elapsed(hours, start, due_at) - target <= cap


@patient
@given(paused_cases(), st.data())
def test_a_pause_more_never_makes_it_due_earlier(case: tuple, data: st.DataObject) -> None:
    hours, start, target, pauses, cap = case
    more = pauses + data.draw(pauses_after(start))

    assert due(hours, start, target, more, cap) >= due(hours, start, target, pauses, cap)
    assert due(hours, start, target, pauses[::-1], cap) == due(hours, start, target, pauses, cap)


# The slow way: look at the clock on the wall every quarter of an hour.


def count_open_quarters(hours: Calendar, start: datetime, quarters: int) -> int:
    instants = [start + n * 15 * MINUTE for n in range(-4 * 96, quarters + 4 * 96)]
    walls = [at.astimezone(hours.zone).replace(tzinfo=None) for at in instants]
    is_open = [False] * len(instants)
    for number in range(-3, quarters // 96 + 3):
        day = (start + number * DAY).date()
        for each in hours.windows(day):
            opens = datetime.combine(day, each.opens)
            closes = datetime.combine(day if each.closes > each.opens else day + DAY, each.closes)
            first = next(n for n, wall in enumerate(walls) if wall >= opens)
            last = next(n for n, wall in enumerate(walls) if wall >= closes)
            is_open[first:last] = [True] * (last - first)
    return sum(is_open[4 * 96 : 4 * 96 + quarters])


@settings(patient, max_examples=50)
@given(st.data(), st.sampled_from(CHANGES), st.integers(-8, 8), st.integers(0, 500))
def test_it_agrees_with_looking_at_the_clock(
    data: st.DataObject, around: datetime, earlier: int, quarters_long: int
) -> None:
    on_quarters = [zone for zone in ZONES if str(zone) != "America/St_Johns"]  # which changed a minute past midnight
    start = around + earlier * 3 * HOUR
    hours = data.draw(calendars(start, st.builds(Window, quarters, quarters), on_quarters))

    counted = count_open_quarters(hours, start, quarters_long)

    assert elapsed(hours, start, start + quarters_long * 15 * MINUTE) == counted * 15 * MINUTE
