"""Quiet hours: when staff are left alone. Pure. A ticket moves at any hour; its notices wait for the morning."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from tickets.hours import ALWAYS, Calendar, due
from tickets.routing import Level


@dataclass(frozen=True, slots=True)
class QuietHours:
    """The owner's choice; by default nobody is ever left alone."""

    awake: Calendar = ALWAYS  # outside of its hours notices wait
    urgent_from: Level | None = None  # tickets of this level and above disturb at any hour; None: none does

    def not_before(self, now: datetime, level: int) -> datetime | None:
        """When a notice of `now` about a ticket of `level` may appear; None: at once."""
        if self.awake.is_always_open or (self.urgent_from is not None and level >= self.urgent_from):
            return None
        tick = timedelta.resolution
        # The first tick of open time from now on ends a tick after the hours begin.
        begins = due(self.awake, now, tick) - tick
        return begins if begins > now else None
