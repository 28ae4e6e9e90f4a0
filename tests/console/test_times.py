from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from console.times import day_and_time, full, in_words, stamp
from console.words import words

SHANGHAI = ZoneInfo("Asia/Shanghai")
NOW = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("span", "zh", "en"),
    [
        pytest.param(timedelta(seconds=-5), "0 秒", "0 s", id="never negative"),
        pytest.param(timedelta(seconds=59.9), "59 秒", "59 s", id="never rounded up"),
        pytest.param(timedelta(minutes=1), "1 分", "1 min", id="minute"),
        pytest.param(timedelta(hours=3, minutes=12, seconds=50), "3 小时 12 分", "3 h 12 min", id="two units"),
        pytest.param(timedelta(hours=24), "24 小时", "24 h", id="the promise is read in hours"),
        pytest.param(timedelta(hours=47, minutes=59), "47 小时 59 分", "47 h 59 min", id="hours until two days"),
        pytest.param(timedelta(days=2), "2 天", "2 d", id="days from two on"),
        pytest.param(timedelta(days=9, hours=5, minutes=59), "9 天 5 小时", "9 d 5 h", id="days and hours"),
    ],
)
def test_a_span_is_said_by_its_two_largest_units(span: timedelta, zh: str, en: str) -> None:
    assert (in_words(words("zh"), span), in_words(words("en"), span)) == (zh, en)


@pytest.mark.parametrize(
    ("at", "text"),
    [
        pytest.param(datetime(2026, 3, 1, 16, 5, tzinfo=UTC), "00:05", id="today in Shanghai, yesterday in UTC"),
        pytest.param(datetime(2026, 3, 1, 15, 59, tzinfo=UTC), "03-01 23:59", id="yesterday in Shanghai"),
        pytest.param(datetime(2025, 12, 31, 15, 0, tzinfo=UTC), "2025-12-31 23:00", id="another year"),
    ],
)
def test_an_instant_is_as_short_as_it_can_be_told_clearly(at: datetime, text: str) -> None:
    assert day_and_time(at, SHANGHAI, NOW) == text


def test_a_whole_instant_names_its_zone() -> None:
    assert stamp(NOW, SHANGHAI) == "2026-03-02 12:00:00"
    assert full(NOW, SHANGHAI) == "2026-03-02 12:00:00 Asia/Shanghai"
