"""The promises of the settings: calendars, policies for special matters, and what they come to for the desk."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BeforeValidator

from audit.errors import KadeskError
from kadesk.values import Country, Hours, Section, Span, Zone
from tickets.hours import ALWAYS
from tickets.routing import Tier
from tickets.rules import STAFFED
from tickets.sla import Metric, Policy
from tickets.timetables import WEEKDAYS, Timetable
from tickets.words import Category

IN_STAFFED_HOURS = (Metric.FIRST_RESPONSE, Metric.NEXT_RESPONSE)  # unless a policy names another calendar
_KNOWN = (ALWAYS.name, STAFFED)


class CalendarSection(Section):
    """[sla.calendars.NAME]"""

    hours: Hours = "closed"
    monday: Hours = ""
    tuesday: Hours = ""
    wednesday: Hours = ""
    thursday: Hours = ""
    friday: Hours = ""
    saturday: Hours = ""
    sunday: Hours = ""
    time_zone: Zone = ""
    holidays: Country = ""

    def timetable(self, name: str, zone: str) -> Timetable:
        days = {day: hours for day in WEEKDAYS if (hours := getattr(self, day))}
        return Timetable(name, self.time_zone or zone, self.hours, days, self.holidays)


def _always(name: object) -> object:
    return ALWAYS.name if name == "24x7" else name  # as it can be typed


class PolicySection(Section):
    """[[sla.policies]]"""

    metric: Metric
    target: Span
    calendar: Annotated[str, BeforeValidator(_always)] = ""
    tier: Tier | None = None
    category: Category | None = None
    channel: Literal["telegram", "wechat", "wecom", "web", "terminal"] | None = None
    product: str | None = None

    @property
    def conditions(self) -> str:
        return Policy(self.metric, self.target, "", None, self.tier, self.category, self.channel, self.product).name


def find_problems(policies: Iterable[PolicySection], calendars: Mapping[str, CalendarSection]) -> list[str]:
    """What is wrong with them together, a sentence each."""
    return [*_problems_of_calendars(calendars), *_problems_of_policies(tuple(policies), calendars)]


def _problems_of_calendars(calendars: Mapping[str, CalendarSection]) -> Iterator[str]:
    for name, section in calendars.items():
        if name == ALWAYS.name:
            yield f"sla.calendars.{name}: this name is taken."
        try:
            section.timetable(name, "UTC").calendar()
        except KadeskError as error:
            yield f"sla.calendars.{name}: {str(error).rstrip('.')}."


def _problems_of_policies(
    policies: tuple[PolicySection, ...], calendars: Mapping[str, CalendarSection]
) -> Iterator[str]:
    seen: set[tuple[Metric, str]] = set()
    names = [*_KNOWN, *(name for name in calendars if name not in _KNOWN)]
    for number, policy in enumerate(policies):
        if policy.calendar and policy.calendar not in names:
            yield f"sla.policies.{number}.calendar: there is no {policy.calendar!r}; choose from {', '.join(names)}."
        if not policy.conditions:
            yield (
                f"sla.policies.{number}: name a tier, category, channel or product; "
                f"for every ticket there is sla.{policy.metric}."
            )
        elif (policy.metric, policy.conditions) in seen:
            yield f"sla.policies.{number}: {policy.conditions} has a {policy.metric} already."
        seen.add((policy.metric, policy.conditions))


def promises_of(
    general: Mapping[Metric, timedelta],
    special: Iterable[PolicySection],
    pause_cap: timedelta,
    timetables: Mapping[str, Timetable],
) -> tuple[Policy, ...]:
    """Every policy, its calendar written out: so a version of it stays what it was, whatever is renamed later."""
    sections = (PolicySection(metric=metric, target=target) for metric, target in general.items())
    return tuple(_policy(section, pause_cap, timetables) for section in (*sections, *special))


def _policy(section: PolicySection, pause_cap: timedelta, timetables: Mapping[str, Timetable]) -> Policy:
    """Without a calendar of its own a promise is counted as its metric usually is."""
    name = section.calendar or (STAFFED if section.metric in IN_STAFFED_HOURS else ALWAYS.name)
    return Policy(
        section.metric,
        section.target,
        timetables[name].text if name in timetables else name,
        pause_cap if section.metric == Metric.RESOLUTION else None,
        *(section.tier, section.category, section.channel, section.product),
    )
