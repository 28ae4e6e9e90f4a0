"""The settings of refunds and second persons, and what they come to for the desk."""

from decimal import Decimal
from typing import Annotated

from pydantic import BeforeValidator, Field

from kadesk.values import Section
from tickets.rules import MoneyRules


def _nothing(value: object) -> object:
    return None if value == "" else value


Sum = Annotated[Decimal, Field(ge=0, decimal_places=2)]
SumOrNothing = Annotated[Sum | None, BeforeValidator(_nothing)]


class RefundsSection(Section):
    """[refunds]"""

    return_limit: Sum
    agent_limit: Sum

    def rules(self, two_persons: Decimal | None) -> MoneyRules:
        """With the sum above which [claims] wants a second person."""
        return MoneyRules(
            return_limit=int(self.return_limit * 100),
            agent_limit=int(self.agent_limit * 100),
            two_persons=None if two_persons is None else int(two_persons * 100),
        )
