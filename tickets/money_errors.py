"""What the desk refuses about money and second persons.

TicketError
├─ NotRefunded                       resolved as refunded, though nothing was paid back
├─ RefundPending                     one is under way: the ticket has no end yet
├─ OtherOrder                        this order is not the ticket's
├─ OverShare                         more than was paid for the code
├─ UnknownOrder                      the shop has no such order
├─ ReferenceMissing                  paid by hand, and no number of the payment
├─ UnknownApproval                   no such thing, or decided
├─ AlreadyAsked                      a second person is asked already
├─ NobodyToAgree                     there is no second person
└─ NotAllowed
   ├─ NeedsSecondPerson              so much needs two
   └─ SamePerson                     who asked is not the second
"""

from tickets.errors import NotAllowed, TicketError


class NotRefunded(TicketError):
    """Ticket {number} has no refund that was paid; ask for it, and carry it out."""


class RefundPending(TicketError):
    """A refund of ticket {number} is under way; refuse it or carry it out first."""


class OtherOrder(TicketError):
    """Order {order_no} is not the one of ticket {number}, and its buyer has not proved it."""


class OverShare(TicketError):
    """For this code {share} was paid; no more goes back for it."""


class UnknownOrder(TicketError):
    """The shop has no order {order_no}."""


class ReferenceMissing(TicketError):
    """Write the number of the payment, so that it can be found again."""


class UnknownApproval(TicketError):
    """There is no open question {approval} for a second person."""


class AlreadyAsked(TicketError):
    """Ticket {number} waits for a second person already."""


class NobodyToAgree(TicketError):
    """Above {limit} another lead or manager must agree, and there is none; add one, or empty claims.two_persons."""


class NeedsSecondPerson(NotAllowed):
    """{amount} needs a second person: ask for this one by itself, and another lead or manager grants it."""


class SamePerson(NotAllowed):
    """You asked for this yourself; another lead or manager must agree."""
