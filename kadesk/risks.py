"""The risk and the circuit breakers of the settings, and what they come to for claims."""

import re
from datetime import timedelta
from decimal import Decimal
from typing import Annotated

from pydantic import BeforeValidator, Field

from kadesk.values import Section, Span, parse_span
from tickets.breakers import BreakerRules, Limit, Scope
from tickets.risk import RiskRules, Signal

_LIMIT = re.compile(r"(\d+)\s+in\s+(.+)")


def parse_limit(value: object) -> Limit | None:
    """ "5 in 24 h"; None of "0"."""
    if isinstance(value, Limit) or value is None:
        return value
    text = str(value).strip()
    if text == "0":
        return None
    written = _LIMIT.fullmatch(text)
    window = parse_span(written[2]) if written else timedelta()
    if written is None or int(written[1]) < 1 or window <= timedelta():
        raise ValueError(f"write so many in so long, such as '5 in 24 h', or '0', not {text!r}")
    return Limit(int(written[1]), window)


Rate = Annotated[Limit | None, BeforeValidator(parse_limit)]
Wait = Annotated[timedelta, BeforeValidator(parse_span)]  # it may be nothing: "0 s"
Points = Annotated[int, Field(ge=-1000, le=1000)]


class RiskSection(Section):
    """[risk]; a key that is not a span, a count or a limit names a signal."""

    person_from: int = Field(ge=0)
    window: Span
    free_claims: int = Field(ge=0)
    free_share: float = Field(ge=0, le=1)
    slow_after: Span
    late_after: Span
    seen_after: Span
    hasty_within: Wait
    dear_from: Decimal = Field(ge=0)
    new_for: Span
    place_most: int = Field(ge=0)
    vouched_from: int = Field(ge=1)
    batch_from: int = Field(ge=1)
    known_for: Span
    whole_orders: int = Field(ge=1)

    many_claims: Points
    many_orders: Points
    several: Points
    most_of_order: Points
    slow: Points
    late: Points
    seen: Points
    refused: Points
    refunded: Points
    same_picture: Points
    like_picture: Points
    linked: Points
    same_contact: Points
    same_place: Points
    other_contact: Points
    others_code: Points
    strays: Points
    wrong_proofs: Points
    dear: Points
    new_and_dear: Points
    second_round: Points
    hasty: Points
    bad_batch: Points
    history: Points

    @property
    def rules(self) -> RiskRules:
        return RiskRules(
            person_from=self.person_from,
            points={signal: getattr(self, signal) for signal in Signal},
            window=self.window,
            free_claims=self.free_claims,
            free_share=self.free_share,
            slow_after=self.slow_after,
            late_after=self.late_after,
            seen_after=self.seen_after,
            hasty_within=self.hasty_within,
            dear_from=int(self.dear_from * 100),
            new_for=self.new_for,
            place_most=self.place_most,
            vouched_from=self.vouched_from,
            batch_from=self.batch_from,
            known_for=self.known_for,
            whole_orders=self.whole_orders,
        )


class BreakersSection(Section):
    """[breakers]"""

    buyer: Rate
    product: Rate
    batch: Rate
    supplier: Rate
    agent: Rate
    hour: Rate
    closes_after: Wait

    @property
    def rules(self) -> BreakerRules:
        limits = {scope: limit for scope in Scope if (limit := getattr(self, scope)) is not None}
        return BreakerRules(limits, self.closes_after or None)
