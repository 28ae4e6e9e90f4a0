"""What the desk refuses.

TicketError
├─ UnknownTicket · UnknownAgent      no such thing
├─ NotAllowed                        this role may not
├─ InvalidTransition                 not in this phase
├─ AlreadyTaken                      another agent was first
├─ NotReplaced                       resolved as replaced, though no code was issued
├─ NoOpenClaim                       nothing to replace on this ticket
├─ AlreadyCompensated                this code was refunded: it gets nothing more
├─ LoginTaken                        a staff account has this login
├─ WeakPassword                      too short to keep anybody out
├─ StaleTicket                       the page showed an older version
├─ EmptyMessage · MessageTooLong     bad text
├─ TooSoon                           hurried again too early
├─ Locked                            too many wrong proofs; try later
├─ AlwaysClosed                      a calendar without opening hours
├─ NeverDue                          a clock that would stand still for ever
└─ UnknownCountry                    no public holidays are known for it
"""

from audit.errors import KadeskError


class TicketError(KadeskError):
    """The desk refused this."""


class UnknownTicket(TicketError):
    """There is no ticket {ticket}."""


class UnknownAgent(TicketError):
    """There is no agent {agent}."""


class NotAllowed(TicketError):
    """The role {role} may not {verb}."""


class InvalidTransition(TicketError):
    """Ticket {number} is {phase}; it cannot be {verb}."""


class AlreadyTaken(TicketError):
    """Ticket {number} was taken by {agent}."""


class NotReplaced(TicketError):
    """Ticket {number} has a claim that was not replaced; grant the replacement first."""


class NoOpenClaim(TicketError):
    """Ticket {number} has no undecided claim."""


class AlreadyCompensated(TicketError):
    """The code of ticket {number} was refunded before; it cannot be replaced too."""


class LoginTaken(TicketError):
    """There is a staff account {login} already."""


class WeakPassword(TicketError):
    """A password has at least {least} characters."""


class StaleTicket(TicketError):
    """Ticket {number} has changed since this page was opened."""


class EmptyMessage(TicketError):
    """A message needs some text."""


class MessageTooLong(TicketError):
    """A message may have {limit} characters at most."""


class TooSoon(TicketError):
    """Ticket {number} was hurried a moment ago."""


class Locked(TicketError):
    """Too many wrong answers; locked until {until}."""


class AlwaysClosed(TicketError):
    """The calendar {calendar} has no opening hours."""


class NeverDue(TicketError):
    """A clock on the calendar {calendar} would stand still for ever: its pause has no end and no cap."""


class UnknownCountry(TicketError):
    """No public holidays are known for {country}."""
