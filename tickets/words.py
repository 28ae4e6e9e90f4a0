"""The words that columns hold; those that the pure modules reason about stand there (lifecycle, routing, sla)."""

from enum import IntEnum, StrEnum

INCIDENT = "incident"  # the channel of conversations in which incidents stand: nobody is at the other end


class Role(StrEnum):
    """Staff roles in rising order of right; `rank` compares them."""

    AGENT = "agent"
    LEAD = "lead"
    MANAGER = "manager"
    ADMIN = "admin"

    @property
    def rank(self) -> int:
        return list(Role).index(self)


class Author(StrEnum):
    BUYER = "buyer"
    BOT = "bot"
    AGENT = "agent"
    SYSTEM = "system"


class Direction(StrEnum):
    IN = "in"
    OUT = "out"


class Sending(StrEnum):
    """What is known of an outgoing message."""

    QUEUED = "queued"
    SENT = "sent"
    FAILED = "failed"  # refused for good, `problem` says why
    BLOCKED = "blocked"  # the buyer has blocked the bot
    UNKNOWN = "unknown"  # timed out after sending: may have arrived


class LinkKind(StrEnum):
    """How a ticket relates to an earlier one."""

    RELATED = "related"
    FOLLOWS = "follows"  # the buyer came back when it had ended
    SPLIT = "split"  # was part of it


class Priority(IntEnum):
    """Delivery order between conversations; lower goes first."""

    AGENT_REPLY = 0
    OUTCOME = 1
    BOT_REPLY = 2
    NOTICE = 3


class Trigger(StrEnum):
    """What moved a ticket up; the phrase `trigger.<value>` tells staff."""

    DUE = "due"  # not handled at its due instant
    ASKED = "asked"  # the buyer wants a person
    POOL_EMPTY = "pool_empty"  # no reserve code left
    OPENED = "opened"  # opened for a person from the start
    REOPENED = "reopened"  # the buyer came back again and again
    HURRIED = "hurried"  # the buyer hurried again and again
    BATCH = "batch"  # many codes of one batch are claimed to be bad
    STAFF = "staff"  # somebody who had it asks for a higher hand
    SUPPLIER_SILENT = "supplier_silent"  # the supplier was asked about a claim and has not answered in time
    WINDOW = "window"  # the messenger soon takes no answer any more
    RISK = "risk"  # the law, a payment dispute or a public complaint was spoken of


class Category(StrEnum):
    """What a ticket is about."""

    CLAIM = "claim"
    UNDELIVERED = "undelivered"
    QUESTION = "question"
    REFUND = "refund"
    OTHER = "other"


class Reason(StrEnum):
    """What a buyer says is wrong with a code."""

    ALREADY_USED = "already_used"
    DOES_NOT_EXIST = "does_not_exist"
    NOT_ACTIVATED = "not_activated"
    EXPIRED = "expired"
    WRONG_VALUE = "wrong_value"
    WRONG_REGION = "wrong_region"
    WRONG_PRODUCT = "wrong_product"
    ACCOUNT_PROBLEM = "account_problem"
    NOT_DELIVERED = "not_delivered"
    OTHER = "other"


class Outcome(StrEnum):
    """How a matter ended."""

    REPLACE = "replace"
    REFUND = "refund"
    PARTIAL_REFUND = "partial_refund"
    INSTRUCT = "instruct"  # it works, here is how
    REJECT = "reject"


IN_WORDS = (Outcome.INSTRUCT, Outcome.REJECT)  # outcomes that need words, and nothing else


class Ending(StrEnum):
    """How a cycle ended that reached no outcome."""

    MERGED = "merged"
    SPAM = "spam"
    SILENCE = "silence"  # of the buyer, who was warned
    CLOSED = "closed"  # by staff
