"""Instants and spans in words, in the reader's language and the console's time zone. Pure."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from console.words import Words

_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def in_words(say: Words, span: timedelta) -> str:
    """A span by its two largest units: "3 h 12 min", "45 s". Never rounded up, so nothing looks later than it is.

    Days begin at two, since a promise of 24 h is read in hours.
    """
    seconds = max(0, int(span.total_seconds()))
    if seconds < _MINUTE:
        return say("span.seconds", n=seconds)
    if seconds < _HOUR:
        return say("span.minutes", n=seconds // _MINUTE)
    if seconds < 2 * _DAY:
        hours, rest = divmod(seconds, _HOUR)
        return _join(say("span.hours", n=hours), say("span.minutes", n=rest // _MINUTE) if rest >= _MINUTE else "")
    days, rest = divmod(seconds, _DAY)
    return _join(say("span.days", n=days), say("span.hours", n=rest // _HOUR) if rest >= _HOUR else "")


def _join(*parts: str) -> str:
    return " ".join(part for part in parts if part)


def day_and_time(at: datetime, zone: ZoneInfo, now: datetime) -> str:
    """The shortest text that is still clear: time today, month and day this year, else the whole date."""
    here, today = at.astimezone(zone), now.astimezone(zone)
    if here.date() == today.date():
        return here.strftime("%H:%M")
    return here.strftime("%m-%d %H:%M" if here.year == today.year else "%Y-%m-%d %H:%M")


def stamp(at: datetime, zone: ZoneInfo) -> str:
    """The whole instant, where the page names the zone elsewhere."""
    return at.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")


def full(at: datetime, zone: ZoneInfo) -> str:
    """The whole instant with its zone."""
    return f"{stamp(at, zone)} {zone}"
