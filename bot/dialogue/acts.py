"""What a buyer can mean: one word for each, typed or pressed. A button's stored action is such a word."""

from dataclasses import dataclass, field
from enum import StrEnum

from faq.matcher import Match
from tickets.tables import Reason


class Act(StrEnum):
    # Possible at every step, typed or pressed
    START = "start"
    MENU = "menu"
    CANCEL = "cancel"
    HUMAN = "human"
    GRIEVANCE = "grievance"  # anger, or the law: a person at once; argument: Grievance
    TICKETS = "tickets"
    HURRY = "hurry"

    # Begin something
    REPORT = "report"  # a bad code; argument: Reason, if known
    FIND = "find"  # an order; argument: Goal
    ORDER = "order"  # an order number, perhaps with its proof
    USE_ORDER = "use_order"  # one that was proved before; argument: goal/order number
    MISSING = "missing"  # not all was delivered; argument: order number
    REFUND = "refund"  # of one code; argument: order number/fingerprint

    # Answer what the bot asked
    PROOF = "proof"
    MAIL_CODE = "mail_code"  # instead of a proof: mail a code to the address of the order
    WAS_CODE = "was_code"  # "that was the code, not the order number"
    IS_ORDER = "is_order"  # "that number was the order"
    PICK_CODE = "code"  # argument: order number/fingerprint
    ALL_CODES = "all_codes"  # argument: order number
    MORE_CODES = "more_codes"  # others beside those picked; argument: order number
    CODES_DONE = "codes_done"  # no others
    TYPED_CODE = "typed_code"
    REASON = "reason"  # argument: Reason
    PICTURE = "picture"  # the screenshot that a claim waits for
    NO_PROOF = "no_proof"  # there is none
    AGAIN = "again"  # what was given in place of a bad code is bad as well

    # Ask, and judge the answer
    ASK = "ask"
    CHOOSE = "choose"  # a suggestion; argument: question id/entry key
    NONE_FITS = "none_fits"  # no suggestion does; argument: question id
    RELATED = "related"  # an entry offered after another; argument: entry key
    HELPED = "helped"  # argument: question ids, joined by commas
    MISSED = "missed"  # argument: the same

    # Judge what people did
    RATE = "rate"  # argument: cycle id/score
    ADD_COMMENT = "add_comment"  # argument: cycle id
    COMMENT = "comment"  # the words

    # Nothing of these
    CHAT = "chat"  # hello, thanks
    ABUSE = "abuse"
    EMPTY = "empty"  # emoji and marks
    NUMBER = "number"  # a number that may be anything
    MEDIA = "media"
    TOO_LONG = "too_long"
    UNCLEAR = "unclear"  # not what this step asked for
    STALE = "stale"  # a button that we do not know any more


# What a button carries may only be one of these: the rest need words.
PRESSABLE = frozenset(Act) - {
    *(Act.PROOF, Act.TYPED_CODE, Act.ORDER, Act.ASK, Act.STALE, Act.TOO_LONG, Act.NUMBER, Act.GRIEVANCE, Act.COMMENT),
    *(Act.PICTURE, Act.AGAIN),
}


# What is said beside the point: the bot answers it, then comes back to what it had asked.
ASIDES = frozenset({Act.ASK, Act.CHAT, Act.EMPTY, Act.MEDIA, Act.TOO_LONG, Act.UNCLEAR, Act.ABUSE})
# Words that belong to the person who has the case, if there is one.
TALK = ASIDES | {Act.ORDER, Act.REPORT, Act.AGAIN, Act.NUMBER}


class Goal(StrEnum):
    """What an order is wanted for."""

    LOOK = "look"
    CLAIM = "claim"
    UNDELIVERED = "undelivered"
    REFUND = "refund"


@dataclass(frozen=True, slots=True)
class Intent:
    """What one message means. `secret` and `codes` are never stored."""

    act: Act
    stored: str  # the message as it may be kept
    argument: str = ""
    goal: Goal | None = None
    order_no: str = ""
    secret: str = field(default="", repr=False)  # a proof
    # What was typed and may be codes; each with the other ways to read it, the likeliest first.
    codes: tuple[tuple[str, ...], ...] = field(default=(), repr=False)
    reason: Reason | None = None
    match: Match | None = None
    beside: Match | None = None  # a second question in the same message, surely understood

    @property
    def typed(self) -> tuple[str, ...]:
        """All that may be a code."""
        return tuple(dict.fromkeys(one for ways in self.codes for one in ways))
