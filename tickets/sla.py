"""What a target promises: when it is due, and what the facts say about it.

Pure: a verdict follows from instants alone, never from when, or whether, a sweep has run.
"""

from datetime import datetime, timedelta
from enum import StrEnum


class Metric(StrEnum):
    FIRST_RESPONSE = "first_response"
    NEXT_RESPONSE = "next_response"
    HANDLING = "handling"  # the 24 h promise
    RESOLUTION = "resolution"


class Verdict(StrEnum):
    MET = "met"
    BREACHED = "breached"
    RUNNING = "running"
    EXCLUDED = "excluded"  # stopped in time: merged, spam


def due(started_at: datetime, target: timedelta) -> datetime:
    """The last instant that keeps the promise."""
    return started_at + target


def verdict(due_at: datetime, met_at: datetime | None, stopped_at: datetime | None, now: datetime) -> Verdict:
    """Judge a clock as of `now`. Met exactly at the due instant is met; late when it was stopped stays breached."""
    if met_at is not None and met_at <= due_at:
        return Verdict.MET
    if stopped_at is not None and stopped_at <= due_at:
        return Verdict.EXCLUDED
    # An unmet clock is breached after its due instant, not at it: it can still be met in that instant.
    if met_at is not None or now > due_at:
        return Verdict.BREACHED
    return Verdict.RUNNING


def elapsed(started_at: datetime, met_at: datetime | None, stopped_at: datetime | None, now: datetime) -> timedelta:
    """How long it took, or has taken so far."""
    return (met_at or stopped_at or now) - started_at
