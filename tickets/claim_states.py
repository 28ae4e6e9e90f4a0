"""Where a filed claim stands, and where it may go from there: the state machine as data. Pure.

What comes before (whose order, which code, what is wrong with it) are steps of the dialogue. `tickets.filing.move` is
what moves a claim.
"""

from collections.abc import Mapping
from enum import StrEnum


class ClaimState(StrEnum):
    """A filed claim is in exactly one of these."""

    TRIAGE = "triage"  # all is there to judge it; never left standing here
    EVIDENCE = "evidence"  # the buyer is asked for a screenshot
    SUPPLIER_CHECK = "supplier_check"  # the supplier is asked
    FETCHING = "fetching"  # it is granted, and the shop is asked for a code of its own stock
    REVIEW = "review"  # a person decides
    HELD = "held"  # it may be fraud: a person decides, and nothing goes out before
    DECIDED = "decided"  # it has an outcome
    DELIVERED = "delivered"  # and the buyer has looked at what it brought
    REOPENED = "reopened"  # that was not the end: its replacement is claimed, or it is decided anew
    CLOSED = "closed"


_S = ClaimState
MOVES: Mapping[ClaimState, frozenset[ClaimState]] = {
    _S.TRIAGE: frozenset({_S.EVIDENCE, _S.SUPPLIER_CHECK, _S.FETCHING, _S.REVIEW, _S.HELD, _S.DECIDED}),
    _S.EVIDENCE: frozenset({_S.TRIAGE, _S.FETCHING, _S.REVIEW, _S.HELD, _S.DECIDED, _S.CLOSED}),
    # People may ask for a screenshot wherever they have the claim.
    _S.SUPPLIER_CHECK: frozenset({_S.EVIDENCE, _S.FETCHING, _S.REVIEW, _S.HELD, _S.DECIDED, _S.CLOSED}),
    _S.FETCHING: frozenset({_S.REVIEW, _S.DECIDED, _S.CLOSED}),
    _S.REVIEW: frozenset({_S.EVIDENCE, _S.SUPPLIER_CHECK, _S.FETCHING, _S.HELD, _S.DECIDED, _S.CLOSED}),
    _S.HELD: frozenset({_S.EVIDENCE, _S.SUPPLIER_CHECK, _S.FETCHING, _S.REVIEW, _S.DECIDED, _S.CLOSED}),
    _S.DECIDED: frozenset({_S.DELIVERED, _S.REOPENED, _S.CLOSED}),
    _S.DELIVERED: frozenset({_S.REOPENED, _S.CLOSED}),
    _S.REOPENED: frozenset({_S.DECIDED, _S.CLOSED}),
    # A link that was made anew is opened; a refund after all.
    _S.CLOSED: frozenset({_S.DELIVERED, _S.REOPENED}),
}
UNDECIDED = frozenset({_S.TRIAGE, _S.EVIDENCE, _S.SUPPLIER_CHECK, _S.FETCHING, _S.REVIEW, _S.HELD})
SETTLED = frozenset({_S.DECIDED, _S.DELIVERED, _S.REOPENED})  # it has an outcome, and rests until it is closed


def can_move(old: str, new: ClaimState) -> bool:
    """Whether the table has this step. From a state to itself there is none."""
    return new in MOVES[ClaimState(old)]
