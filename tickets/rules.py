"""The owner's choices for the desk. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from tickets.hours import ALWAYS, Calendar
from tickets.routing import Tier
from tickets.rungs import Rungs
from tickets.sla import Metric, Policy


def _head_starts() -> dict[Tier, timedelta]:
    return {Tier.VIP: timedelta(hours=2), Tier.MERCHANT: timedelta(hours=4)}


@dataclass(frozen=True, slots=True)
class DeskRules:
    """Spans and limits, as settings.toml gives them."""

    handling: timedelta = timedelta(hours=24)
    hurry_every: timedelta = timedelta(minutes=30)
    message_limit: int = 4_000  # characters
    # How much longer a tier counts as waiting.
    head_starts: Mapping[Tier, timedelta] = field(default_factory=_head_starts)
    staff_language: str = "zh"
    rungs: Rungs = field(default_factory=Rungs)

    policies: tuple[Policy, ...] = ()  # beside the handling promise, and for special matters
    calendars: Mapping[str, Calendar] = field(default_factory=dict)  # that the policies name

    @property
    def promises(self) -> tuple[Policy, ...]:
        """Every policy, the handling promise among them."""
        return (Policy(Metric.HANDLING, self.handling), *self.policies)

    def calendar(self, name: str) -> Calendar:
        """The calendar of that name; one that the settings know no more counts every hour."""
        return self.calendars.get(name, ALWAYS)
