"""What the desk refuses about money and second persons.

TicketError
├─ NotRefunded                       resolved as refunded, though nothing was paid back
├─ RefundPending                     one is under way: the ticket has no end yet
├─ OtherOrder                        this order is not the ticket's
├─ OverShare                         more than was paid for the code
├─ UnknownOrder                      the shop has no such order
├─ ReferenceMissing                  paid by hand, and no number of the payment
├─ OrderSeen                         the order has a replacement that was looked at
├─ AllPaidBack                       the shop has paid back the whole order by itself
├─ UnknownApproval                   no such thing, or decided
├─ AlreadyAsked                      a second person is asked already
├─ NobodyToAgree                     there is no second person
└─ NotAllowed
   ├─ NeedsSecondPerson              so much needs two
   ├─ SamePerson                     who asked is not the second
   ├─ PaidByAsker                    who asked for so much does not pay it as well
   ├─ HeldForRisk                    a lead decides on a claim that looks like fraud
   └─ PaidBackByShop                 the shop has paid back money of this order by itself
"""

from tickets.errors import CodeSeen, NotAllowed, TicketError


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


class OrderSeen(CodeSeen):
    """The buyer has seen a replacement of this order; refund its other codes one by one, each by its claim."""


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


class PaidByAsker(NotAllowed):
    """You asked for this refund; above {limit} another person pays it and notes that it is paid."""


class HeldForRisk(NotAllowed):
    """The claim about {masked} is held for its risk; a lead must grant its replacement, or refuse it in words."""


class PaidBackByShop(NotAllowed):
    """The shop has paid back {amount} of order {order_no} by itself; before a code goes out a lead must look."""


class AllPaidBack(TicketError):
    """The shop has paid back all of order {order_no} by itself; nothing of it is replaced any more."""
