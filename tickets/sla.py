"""What is promised, for which matters, and what the facts say about it; `hours` counts the time.

Pure: a verdict follows from instants alone, never from when, or whether, a sweep has run.
"""

from collections.abc import Iterable
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Matter:
    """What a policy is chosen by."""

    tier: str
    category: str
    channel: str
    product: str | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """A target for one metric. Where `tier`, `category`, `channel` or `product` is named, for such matters only."""

    metric: Metric
    target: timedelta
    calendar: str = "24×7"  # the target is counted in its hours
    pause_cap: timedelta | None = None  # how long in all it stands still while the buyer is waited for; None: never
    tier: str | None = None
    category: str | None = None
    channel: str | None = None
    product: str | None = None

    @property
    def conditions(self) -> tuple[str | None, ...]:
        return (self.tier, self.category, self.channel, self.product)

    @property
    def name(self) -> str:
        """The conditions, written out; empty for the one that holds for all."""
        names = ("tier", "category", "channel", "product")
        return " ".join(f"{name}={value}" for name, value in zip(names, self.conditions, strict=True) if value)

    def fits(self, matter: Matter) -> bool:
        facts = (matter.tier, matter.category, matter.channel, matter.product)
        return all(wanted in (None, fact) for wanted, fact in zip(self.conditions, facts, strict=True))


def choose(policies: Iterable[Policy], matter: Matter) -> dict[Metric, Policy]:
    """For each metric the policy with the most conditions that fits; of equals the one written first."""
    chosen: dict[Metric, Policy] = {}
    for policy in policies:
        other = chosen.get(policy.metric)
        if policy.fits(matter) and (other is None or _narrowness(policy) > _narrowness(other)):
            chosen[policy.metric] = policy
    return chosen


def _narrowness(policy: Policy) -> int:
    return sum(condition is not None for condition in policy.conditions)


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
