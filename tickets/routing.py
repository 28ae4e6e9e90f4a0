"""Who is served first, and who serves: the order of the queues, and what each agent may pull from them. Pure.

A tier's weight is a head start: a VIP ticket stands as if it had waited that much longer. Ageing then needs no clock (a
normal ticket overtakes a fresh VIP one after the head start), the order of two waiting tickets never changes, and the
database can index it.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum

from tickets import hours
from tickets.words import Role

GENERAL = "general"  # the queue of whatever the owner gave no queue of its own

Place = tuple[str, int]  # a queue, and a level in it

# Fewer departures than this are no pace.
LEAST_DEPARTURES = 5


class Tier(StrEnum):
    NORMAL = "normal"
    VIP = "vip"
    MERCHANT = "merchant"


class Level(IntEnum):
    """Who owns a ticket now."""

    BOT_LANE = 0
    HUMAN_QUEUE = 1
    LEAD = 2
    MANAGER = 3


# From this role up a ticket of the level is pulled from every queue: what rises is open to more people, never to fewer.
OWNERS: dict[Level, Role] = {Level.LEAD: Role.LEAD, Level.MANAGER: Role.MANAGER}


class Assignment(StrEnum):
    """How a ticket comes into an agent's hands."""

    PULL = "pull"  # agents take the next one themselves
    ROUND_ROBIN = "round_robin"  # given to whoever was given nothing for the longest time
    LEAST_LOADED = "least_loaded"  # given to whoever holds the smallest share of what they can


@dataclass(frozen=True, slots=True)
class Routing:
    """The owner's choices for the queues."""

    queues: Mapping[str, str] = field(default_factory=dict)  # category → queue
    accounts: Mapping[str, str] = field(default_factory=dict)  # "channel:account" → queue of what has none by category
    skills: Mapping[str, str] = field(default_factory=dict)  # queue → skill it asks for; not named: its own name
    capacity: int = 20  # open tickets in one agent's hands, where the agent has no number of their own
    assignment: Assignment = Assignment.PULL
    manager_first: timedelta = timedelta(minutes=30)  # a merchant's ticket is kept for its account manager

    def queue_of(self, category: str, channel: str, account: str) -> str:
        """Where a ticket of this category that came in there stands; what is named nowhere stands in GENERAL."""
        return self.queues.get(category) or self.accounts.get(f"{channel}:{account}", GENERAL)

    def skill_of(self, queue: str) -> str | None:
        """What an agent must be able to do to pull from this queue; None: everybody pulls."""
        return None if queue == GENERAL else self.skills.get(queue, queue)

    @property
    def all_queues(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((GENERAL, *self.queues.values(), *self.accounts.values())))

    def reach(self, role: str, skills: Collection[str]) -> tuple[Place, ...]:
        """The queues and levels that an agent pulls from."""
        rank = Role(role).rank
        return tuple(
            (queue, int(level))
            for queue in self.all_queues
            for level in Level
            if self.skill_of(queue) in (None, *skills) or (level in OWNERS and rank >= OWNERS[level].rank)
        )


def rank_at(waiting_since: datetime, tier: str, head_starts: Mapping[Tier, timedelta]) -> datetime:
    """The instant that a waiting ticket is ordered by."""
    return waiting_since - head_starts.get(Tier(tier), timedelta())


def expected_at(ahead: int, departures: Sequence[datetime], now: datetime, calendar: hours.Calendar) -> datetime | None:
    """When somebody with `ahead` others before them is likely to be served; None when too little was seen to say so.

    `departures` are the instants of the last services of their queue. The pace is counted in staffed time up to now, so
    a standstill slows it down and a night does not; the wait is counted in staffed time as well.
    """
    staffed = sorted(at for at in departures if at < now and hours.elapsed(calendar, at, at + timedelta.resolution))
    if len(staffed) < LEAST_DEPARTURES:
        return None
    passed = hours.elapsed(calendar, staffed[0], now)
    # Between n departures lie n - 1 services; the time since the last one is waited for in vain so far.
    return hours.due(calendar, now, passed / (len(staffed) - 1) * (ahead + 1))
