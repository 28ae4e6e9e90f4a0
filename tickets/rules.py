"""The owner's choices for the desk. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from tickets.routing import Tier
from tickets.rungs import Rungs
from tickets.sla import Metric


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

    @property
    def targets(self) -> dict[Metric, timedelta]:
        """What a new cycle promises."""
        return {Metric.HANDLING: self.handling}
