"""The queues of the settings, and what they come to for the desk."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from kadesk.values import Section, only, parse_span
from tickets.routing import GENERAL, Assignment, Routing, Tier
from tickets.words import Category


def _no_skill_for_all(skills: dict[str, str]) -> dict[str, str]:
    if GENERAL in skills:
        raise ValueError(f"everybody pulls from {GENERAL!r}; it asks for no skill")
    return skills


Names = Annotated[dict[str, Annotated[str, Field(min_length=1)]], Field(default_factory=dict)]
Wait = Annotated[timedelta, BeforeValidator(parse_span)]  # it may be nothing: "0 s"


class RoutingSection(Section):
    """[routing]"""

    vip_head_start: Wait
    merchant_head_start: Wait
    assignment: Assignment
    capacity: int = Field(ge=1, le=10_000)
    manager_first: Wait
    queues: Annotated[Names, AfterValidator(only(Category, "there is no category"))]
    skills: Annotated[Names, AfterValidator(_no_skill_for_all)]

    @property
    def head_starts(self) -> Mapping[Tier, timedelta]:
        return {Tier.VIP: self.vip_head_start, Tier.MERCHANT: self.merchant_head_start}

    def routing(self, accounts: Mapping[str, str]) -> Routing:
        """`accounts` are those with a queue of their own, "channel:account" to that queue."""
        return Routing(self.queues, accounts, self.skills, self.capacity, self.assignment, self.manager_first)
