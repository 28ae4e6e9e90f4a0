"""The owner's choices for the desk. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, timedelta, tzinfo

from tickets.fields import TicketField
from tickets.grievance import Grievance
from tickets.hours import Calendar
from tickets.quiet import QuietHours
from tickets.routing import Routing, Tier
from tickets.rungs import Rungs
from tickets.sla import Metric, Policy
from tickets.statuses import Status, statuses
from tickets.timetables import read_calendar

STAFFED = "staffed"  # the calendar of the hours in which people answer


def _head_starts() -> dict[Tier, timedelta]:
    return {Tier.VIP: timedelta(hours=2), Tier.MERCHANT: timedelta(hours=4)}


@dataclass(frozen=True, slots=True)
class RatingRules:
    """Whether buyers are asked what they thought of a cycle, and how long they may answer."""

    ask: bool = True
    correct_within: timedelta = timedelta(minutes=10)  # of the first score
    answer_within: timedelta = timedelta(days=7)  # of the question


@dataclass(frozen=True, slots=True)
class Triggers:
    """What brings a ticket to the leads before it is due."""

    reopened_times: int = 2  # of one ticket
    hurried_times: int = 3  # of one ticket
    grievances: frozenset[Grievance] = frozenset({Grievance.LEGAL, Grievance.DISPUTE, Grievance.COMPLAINT})
    risky_words: tuple[str, ...] = ()  # that count as a complaint, beside those that `grievance` knows


@dataclass(frozen=True, slots=True)
class Reminders:
    """When notices of a moved ticket that nobody has seen are given again."""

    after: timedelta = timedelta(minutes=30)
    times: int = 3


@dataclass(frozen=True, slots=True)
class MoneyRules:
    """How much one person may decide on; minor units of the order's currency."""

    return_limit: int = 5_000  # up to which a code that nobody has seen is paid back without a person
    agent_limit: int = 10_000  # up to which an agent pays back; above it a lead agrees
    two_persons: int | None = None  # above which a second person agrees, also to a replacement; None: never


@dataclass(frozen=True, slots=True)
class BatchRules:
    """When claims take a batch off sale: codes and buyers within a span, and their share of what went out."""

    after: int = 3  # codes claimed
    buyers: int = 2  # who claimed them
    within: timedelta = timedelta(hours=24)
    share: float = 0.02


@dataclass(frozen=True, slots=True)
class DeskRules:
    """Spans and limits, as settings.toml gives them."""

    handling: timedelta = timedelta(hours=24)
    hurry_every: timedelta = timedelta(minutes=30)
    hush: timedelta = timedelta(minutes=30)  # that the bot is silent where a person of the shop wrote past it
    message_limit: int = 4_000  # characters
    # How much longer a tier counts as waiting.
    head_starts: Mapping[Tier, timedelta] = field(default_factory=_head_starts)
    routing: Routing = field(default_factory=Routing)
    staff_language: str = "zh"
    zone: tzinfo = UTC  # of the times that buyers are told
    statuses: Mapping[str, Status] = field(default_factory=statuses)
    reopen_within: timedelta = timedelta(days=7)  # a settled ticket hears its buyer so long; later words open a new one
    # A buyer who is waited for and silent is warned after the first span; after the second the ticket closes.
    silence_warned_after: timedelta = timedelta(days=2)
    silence_closes_after: timedelta = timedelta(days=1)
    rungs: Rungs = field(default_factory=Rungs)
    batches: BatchRules = field(default_factory=BatchRules)
    money: MoneyRules = field(default_factory=MoneyRules)
    # A supplier who was asked about a claim and is silent is brought to mind after each of these.
    supplier_reminders: tuple[timedelta, ...] = (timedelta(hours=4), timedelta(hours=12))
    ratings: RatingRules = field(default_factory=RatingRules)
    fields: tuple[TicketField, ...] = ()  # the owner's own facts about a ticket
    triggers: Triggers = field(default_factory=Triggers)
    reminders: Reminders = field(default_factory=Reminders)
    quiet: QuietHours = field(default_factory=QuietHours)  # when notices to staff wait

    policies: tuple[Policy, ...] = ()  # beside the handling promise, and for special matters
    calendars: Mapping[str, Calendar] = field(default_factory=dict)  # that the policies name

    @property
    def promises(self) -> tuple[Policy, ...]:
        """Every policy, the handling promise among them."""
        return (Policy(Metric.HANDLING, self.handling), *self.policies)

    @property
    def staffed(self) -> Calendar:
        """When people answer."""
        return self.calendar(STAFFED)

    def calendar(self, name: str) -> Calendar:
        """The calendar of that name, or the one that is written out there by a version of a policy."""
        return self.calendars.get(name) or read_calendar(name)
