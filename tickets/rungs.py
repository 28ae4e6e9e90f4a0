"""The rungs of the escalation ladder: when a clock wakes the sweep, and who owns the ticket from then on. Pure.

All instants are counted from the due instant, so that a shorter promise moves the whole ladder.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from tickets.routing import Level

WARNING = 0  # the promise can still be kept
DUE = 1
LEAD = 2
MANAGER = 3  # and every rung above: the manager again


@dataclass(frozen=True, slots=True)
class Rungs:
    """The owner's spans of the ladder."""

    warn_before: timedelta = timedelta(hours=4)
    lead_after: timedelta = timedelta(hours=4)
    manager_after: timedelta = timedelta(hours=24)
    again_every: timedelta = timedelta(hours=24)

    def at(self, rung: int, due_at: datetime) -> datetime:
        """The instant of a rung."""
        match rung:
            case 0:
                return due_at - self.warn_before
            case 1:
                return due_at
            case 2:
                return due_at + self.lead_after
        return due_at + max(self.manager_after, self.lead_after) + (rung - MANAGER) * self.again_every

    def first(self, started_at: datetime, due_at: datetime) -> int:
        """Where a clock begins: a promise shorter than the warning has none."""
        return WARNING if self.at(WARNING, due_at) > started_at else DUE

    def current(self, rung: int, due_at: datetime, now: datetime) -> int:
        """What to do at a rung found as late as `now`: nobody is warned of what is late already."""
        return DUE if rung == WARNING and now > due_at else rung

    def after(self, rung: int, due_at: datetime, now: datetime) -> int:
        """The next rung. Of several reminders that an outage has missed, one is enough."""
        if rung < MANAGER:
            return rung + 1
        missed = (now - self.at(rung, due_at)) // self.again_every
        return rung + 1 + max(0, missed)


def level(rung: int) -> Level:
    """Who owns a ticket at a rung above the warning."""
    return Level(min(rung, MANAGER))
