"""The four phases of a ticket and the moves between them. Pure."""

from datetime import datetime, timedelta
from enum import StrEnum


class Phase(StrEnum):
    OPEN = "open"
    WAITING = "waiting"  # on the buyer
    RESOLVED = "resolved"
    CLOSED = "closed"


# Somebody still owes somebody an answer.
ACTIVE = frozenset({Phase.OPEN, Phase.WAITING})

# To where it stands already: an open ticket hears more, a waiting one is answered again; resolving twice is an error.
# A closed ticket is history: the buyer's next word opens a new one.
MOVES: dict[Phase, frozenset[Phase]] = {
    Phase.OPEN: frozenset({Phase.OPEN, Phase.WAITING, Phase.RESOLVED, Phase.CLOSED}),
    Phase.WAITING: frozenset({Phase.OPEN, Phase.WAITING, Phase.RESOLVED, Phase.CLOSED}),
    Phase.RESOLVED: frozenset({Phase.OPEN, Phase.CLOSED}),
    Phase.CLOSED: frozenset(),
}


def can_move(phase: str, target: Phase) -> bool:
    """Whether a ticket in `phase` may go to `target`."""
    return target in MOVES[Phase(phase)]


def is_active(phase: str) -> bool:
    return phase in ACTIVE


def may_reopen(phase: str, ended_at: datetime | None, now: datetime, window: timedelta) -> bool:
    """Whether the buyer's word opens the ticket again, in a new cycle; after the window it opens a new ticket.

    The instant decides, not whether a job has closed the ticket since.
    """
    return phase == Phase.RESOLVED and ended_at is not None and now <= ended_at + window
