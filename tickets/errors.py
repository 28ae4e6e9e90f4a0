"""What the desk refuses.

TicketError
├─ UnknownTicket · UnknownAgent · UnknownBuyer   no such thing
├─ IsAway · HandsFull                nothing new for this agent
├─ NotAllowed                        this role may not
│  ├─ HeldByColleague                its holder may, and a lead
│  ├─ RisenAbove                     it stands with the leads or managers, and one of them is there
│  └─ OverLimit                      so dear a code a lead replaces
├─ InvalidTransition                 not in this phase
├─ StillOwed                         the buyer waits for an answer: nothing to close yet
├─ SameTicket · OtherBuyer           these two cannot be joined
├─ AlreadyMerged                     its matter is in another ticket
├─ Nested                            an incident is one level deep
├─ NotLinked                         no link that could be taken back
├─ NothingChosen                     a split without messages of this ticket
├─ Undecided                         a claim is to be decided first
├─ NotSpam                           not marked as spam, so nothing to take back
├─ NotLost                           nothing to send again
├─ PastInstant                       a snooze ends later
├─ OutcomeMissing                    resolving says how
├─ AlreadyTaken                      another agent was first
├─ BatchStands                       this batch is kept back already, or not at all
├─ NoSupplier · AskedAlready         nobody to be asked about this claim; or they were
├─ NotAsked · AnsweredAlready        there is no such question open
├─ NotReplaced                       resolved as replaced, though no code was issued
├─ NoOpenClaim                       nothing to replace on this ticket
├─ SeveralClaims                     one word is not for all of them
├─ NotInWords                        an outcome that words alone do not bring
├─ ClaimStands                       a claim cannot go from its state to that one
├─ AlreadyCompensated                this code was refunded: it gets nothing more
├─ CodeSeen                          the replacement was looked at: no refund beside it, and no new link
├─ NoReplacement                     there is none that could be linked again
├─ Contested                         another buyer's claim about the same code is open
├─ LoginTaken                        a staff account has this login
├─ LinkCodeWrong · LinkedElsewhere   no code that links a Telegram user; or the user is linked already
├─ WeakPassword                      too short to keep anybody out
├─ StaleTicket                       the page showed an older version
├─ EmptyMessage · MessageTooLong     bad text
├─ NoPicture · PictureTooLarge       nothing that could be drawn anew
├─ TooManyPictures · PictureTooNarrow  more than go out with one message; a strip that messengers do not show
├─ BreakerOpen · UnknownBreaker      too many replacements went out; no such pause
├─ CodeInText                        staff wrote a code: it goes out by a link alone
├─ NothingMasked · ReasonMissing     nothing to look at, or nothing said why
├─ LookedEnough                      so many masked messages a lead opens
├─ BadTag · TooManyTags              no word that could be a tag; enough of them
├─ UnknownField                      the owner has declared no such field
├─ BadField                          no value of this field
│  └─ NotANumber · NotADate · NotAChoice
├─ UnknownStatus                     the owner has named no such status
├─ UnknownMacro · MacroNameTaken     no such thing, or one too many
├─ EmptyMacro · UnknownPlaceholder   a macro that cannot be kept
├─ UnfilledPlaceholder               the ticket lacks what the macro's reply names
├─ UnknownRating · RatingClosed      never asked, or too late
├─ TooSoon                           hurried again too early
├─ AlwaysClosed                      a calendar without opening hours
├─ NeverDue                          a clock that would stand still for ever
├─ MailNotSent                       the mail server has not taken a letter
├─ MailMoved                         a letter that has left the list of those that got stuck
└─ UnknownCountry                    no public holidays are known for it
"""

from audit.errors import KadeskError


class TicketError(KadeskError):
    """The desk refused this."""


class UnknownTicket(TicketError):
    """There is no ticket {ticket}."""


class UnknownAgent(TicketError):
    """There is no agent {agent}."""


class UnknownBuyer(TicketError):
    """There is no buyer {buyer}."""


class IsAway(TicketError):
    """{agent} is away; nothing new comes to them until they are back."""


class HandsFull(TicketError):
    """{agent} holds {capacity} open tickets or more; settle one before the next."""


class NotAllowed(TicketError):
    """The role {role} may not {verb}."""


class HeldByColleague(NotAllowed):
    """Ticket {number} is in the hands of {agent}; they or a lead decide on it."""


class RisenAbove(NotAllowed):
    """Ticket {number} has risen to the role {owner}; the role {role} may not decide on it."""


class OverLimit(NotAllowed):
    """A code of {product} is worth more than agents may replace; a lead must grant it."""


class InvalidTransition(TicketError):
    """Ticket {number} is {phase}; it cannot be {verb}."""


class StillOwed(TicketError):
    """Ticket {number} still owes the buyer an answer; reply or resolve it first."""


class SameTicket(TicketError):
    """Ticket {number} cannot be joined with itself."""


class OtherBuyer(TicketError):
    """Tickets {number} and {other} belong to different buyers; link them instead."""


class AlreadyMerged(TicketError):
    """Ticket {number} was merged into {into}; go on there."""


class Nested(TicketError):
    """Ticket {number} cannot be part of {parent}: an incident is one level deep."""


class NotLinked(TicketError):
    """Tickets {number} and {other} have no link that could be taken back."""


class NothingChosen(TicketError):
    """Choose messages of ticket {number} to split off, at least one of them the buyer's."""


class Undecided(TicketError):
    """Ticket {number} has an undecided claim; decide it first."""


class NotSpam(TicketError):
    """Ticket {number} is not marked as spam."""


class NotLost(TicketError):
    """This message has arrived, or waits to be sent."""


class PastInstant(TicketError):
    """A snooze must end later than now."""


class OutcomeMissing(TicketError):
    """Ticket {number} is resolved with an outcome; choose one."""


class AlreadyTaken(TicketError):
    """Ticket {number} was taken by {agent}."""


class NotReplaced(TicketError):
    """Ticket {number} has a claim that was not replaced; grant the replacement first."""


class BatchStands(TicketError):
    """Somebody else has decided on batch {batch} meanwhile; look at it again."""


class NoSupplier(TicketError):
    """No supplier who answers is known for code {masked}."""


class AskedAlready(TicketError):
    """The supplier was asked about code {masked} already."""


class NotAsked(TicketError):
    """No supplier was asked about claim {claim}."""


class AnsweredAlready(TicketError):
    """The supplier's answer about code {masked} was written down already."""


class SeveralClaims(TicketError):
    """Ticket {number} has {count} undecided claims; decide each of them."""


class NoOpenClaim(TicketError):
    """Ticket {number} has no undecided claim."""


class NotInWords(TicketError):
    """Words alone do not bring {outcome}."""


class ClaimStands(TicketError):
    """A claim that is {state} cannot become {wanted}."""


class AlreadyCompensated(TicketError):
    """The code of ticket {number} was refunded before; it gets nothing more."""


class CodeSeen(TicketError):
    """The buyer of ticket {number} has seen the replacement; a claim about that code is the way on."""


class NoReplacement(TicketError):
    """Ticket {number} has no replacement that could be linked again."""


class Contested(TicketError):
    """Another buyer's claim about the code of ticket {number} is open on {other}; settle that one first."""


class LoginTaken(TicketError):
    """There is a staff account {login} already."""


class LinkCodeWrong(TicketError):
    """This code is wrong, used or older than ten minutes; take a new one from the console, page "My account"."""


class LinkedElsewhere(TicketError):
    """This Telegram user is linked to another account; unlink it there first."""


class WeakPassword(TicketError):
    """A password has at least {least} characters."""


class StaleTicket(TicketError):
    """Ticket {number} has changed since this page was opened."""


class EmptyMessage(TicketError):
    """A message needs some text."""


class MessageTooLong(TicketError):
    """A message may have {limit} characters at most."""


class NoPicture(TicketError):
    """This is no picture that can be read; send a screenshot as PNG, JPEG, WebP or GIF."""


class PictureTooLarge(TicketError):
    """This picture is too large; {megabytes} MB and 25 million pixels are the most."""


class TooManyPictures(TicketError):
    """A message may have {most} pictures at most."""


class PictureTooNarrow(TicketError):
    """A picture may be {ratio} times as long as it is wide at most, or as wide as it is long."""


class BreakerOpen(TicketError):
    """Replacements are paused: many went out lately ({scope}). A lead looks at it and lifts the pause."""


class UnknownBreaker(TicketError):
    """There is no pause {breaker} that could be lifted."""


class CodeInText(TicketError):
    """This text holds what looks like a code ({masked}); codes go to buyers by a one-time link alone."""


class BadTag(TicketError):
    """A tag has 1 to {limit} letters and digits; spaces and . : / + - may stand between them."""


class TooManyTags(TicketError):
    """Ticket {number} may have {limit} tags at most."""


class UnknownField(TicketError):
    """There is no ticket field {field}."""


class BadField(TicketError):
    """{field} may have {limit} characters at most."""


class NotANumber(BadField):
    """{field} is a number such as 12 or 3.5."""


class NotADate(BadField):
    """{field} is a date such as 2026-03-02."""


class NotAChoice(BadField):
    """{field} is one of: {choices}."""


class UnknownStatus(TicketError):
    """There is no status {status}."""


class UnknownMacro(TicketError):
    """There is no macro {macro}."""


class MacroNameTaken(TicketError):
    """There is a macro {name} already."""


class EmptyMacro(TicketError):
    """A macro needs a name, and a reply or an action."""


class UnknownPlaceholder(TicketError):
    """{placeholder} is no placeholder; there are {known}."""


class UnfilledPlaceholder(TicketError):
    """Ticket {number} has nothing to put in the place of {placeholder}; write it yourself or take it out."""


class UnknownRating(TicketError):
    """There is no such rating to give."""


class RatingClosed(TicketError):
    """This rating stands; it cannot be changed any more."""


class TooSoon(TicketError):
    """Ticket {number} was hurried a moment ago."""


class AlwaysClosed(TicketError):
    """The calendar {calendar} has no opening hours."""


class NeverDue(TicketError):
    """A clock on the calendar {calendar} would stand still for ever: its pause has no end and no cap."""


class MailMoved(TicketError):
    """Mail {mail} has been sent or dropped meanwhile."""


class UnknownCountry(TicketError):
    """No public holidays are known for {country}."""


class NothingMasked(TicketError):
    """This message shows everything that was typed."""


class ReasonMissing(TicketError):
    """Write why you need to see it."""


class LookedEnough(NotAllowed):
    """You have opened {limit} masked messages in a shift; ask a lead."""


class MailNotSent(TicketError):
    """A letter was not sent: {problem}.

    The facts are `problem`, which never says to whom or what, and `permanent`: no other try will do.
    """
