"""How a delivery or a channel can fail.

ChannelError                 an update that is refused at the door
├─ UpdateTooLarge
├─ Forged                   not from whom it says, or not from now
│  ├─ ForeignToken           signed, but with another token than ours
│  ├─ ForeignKey             signed with ours, and sealed with another key or for another account
│  ├─ WrongClock             signed with ours, at another time
│  └─ Unsealed               signed with ours, and not sealed
├─ BadXml
├─ BadSealKey              what the owner gave seals no callbacks
├─ UnreadableUpdate
└─ BadToken                 what the owner gave is no bot token
FileAway                     a file that came along cannot be fetched now
NotLaidAside                 it is not on the dead-letter list, or not any more
DeliveryError                carries the decision: `is_permanent`, and `retry_after` when the channel named it
├─ BuyerUnreachable          permanent
│  ├─ BuyerBlocked
│  ├─ BuyerGone              the account was deleted
│  └─ NeverStarted           a bot may not write first
├─ Refused                   permanent: the channel says no to this message
│  ├─ WindowClosed           the buyer was silent for too long
│  ├─ NotConnected           the shop's account does not let the bot speak for it
│  ├─ TopicGone              the topic that it was for was deleted
│  ├─ NoPictures             words alone go out on this channel
│  ├─ MediaGone              the platform has a file no more
│  ├─ WrongState             a person has the conversation on the platform itself
│  └─ BudgetSpent            too many messages since the buyer's last word
├─ RateLimited               retry after the time given
│  └─ QuotaSpent             the platform takes no more calls of this account today
├─ ChannelDown               retry later
│  └─ ShutOut                the platform does not let us in, until the owner changes something
├─ ChatMoved                 retry at the address given
├─ Unfinished                a part of it arrived: ask for the rest
└─ Ambiguous                 timed out after sending: it may have arrived
"""

from datetime import timedelta

from audit.errors import KadeskError


class ChannelError(KadeskError):
    """The channel refused this update."""


class UpdateTooLarge(ChannelError):
    """An update may have {limit} bytes at most."""


class UnreadableUpdate(ChannelError):
    """The update says neither who sent it nor where."""


class Forged(ChannelError):
    """This callback does not come from the platform, or not from now."""


class ForeignToken(Forged):
    """This callback is signed with another token than ours."""


class ForeignKey(Forged):
    """This callback is sealed with another key than ours, or for another account."""


class WrongClock(Forged):
    """This callback is from another time than ours."""


class Unsealed(Forged):
    """This callback is not sealed, and must be."""


class BadXml(ChannelError):
    """This is not the XML of a callback."""


class BadSealKey(ChannelError):
    """Callbacks need a token and an EncodingAESKey of 43 characters, as the platform's settings page shows them."""


class BadToken(ChannelError):
    """This is no bot token; it looks like 123456789:AAH… and comes from @BotFather."""


class FileAway(KadeskError):
    """A file that came with the message cannot be fetched now."""

    def __init__(self, retry_after: timedelta = timedelta(0)) -> None:
        super().__init__()
        self.retry_after = retry_after  # at the earliest, as far as the channel says


class NotLaidAside(KadeskError):
    """Message {row} is not among those laid aside, or not any more."""


class DeliveryError(KadeskError):
    """The message was not delivered."""

    is_permanent = False
    retry_after: timedelta | None = None


class BuyerUnreachable(DeliveryError):
    """The buyer cannot be reached: {reason}"""

    is_permanent = True


class BuyerBlocked(BuyerUnreachable):
    """The buyer has blocked us: {reason}"""


class BuyerGone(BuyerUnreachable):
    """The buyer's account was deleted: {reason}"""


class NeverStarted(BuyerUnreachable):
    """The buyer has never written to us here: {reason}"""


class Refused(DeliveryError):
    """The channel refused the message: {reason}"""

    is_permanent = True


class WindowClosed(Refused):
    """The buyer was silent for too long to be written to: {reason}"""


class NotConnected(Refused):
    """The shop's account does not let the bot speak for it: {reason}"""


class TopicGone(Refused):
    """The topic was deleted: {reason}"""


class WrongState(Refused):
    """A person of the shop has this conversation on the platform itself: {reason}"""


class NoPictures(Refused):
    """This channel shows no pictures: the buyer got the words alone, if there were any."""


class MediaGone(Refused):
    """The platform has the file no more: {reason}"""


class BudgetSpent(Refused):
    """Too many messages since the buyer's last word: nothing can be sent before the next."""

    def __init__(self) -> None:
        super().__init__(reason="all messages that the platform allows were sent")


class RateLimited(DeliveryError):
    """The channel asks to wait {seconds} seconds."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds=seconds)
        self.retry_after = timedelta(seconds=seconds)


class QuotaSpent(RateLimited):
    """The platform takes no more calls of this account today."""

    def __init__(self, until_tomorrow: timedelta) -> None:
        super().__init__(until_tomorrow.total_seconds())


class ChannelDown(DeliveryError):
    """The channel does not answer: {reason}"""


class ShutOut(ChannelDown):
    """The platform does not let us in: {reason}"""

    def __init__(self, reason: str, what: str) -> None:
        super().__init__(reason=reason)
        self.what = what  # is to be changed: "secret", "address" or "interface", see `bot.health.Trouble`


class ChatMoved(DeliveryError):
    """The chat has the address {address} now."""


class Unfinished(DeliveryError):
    """A part of the message arrived, {foreign_id}; the rest is to be sent."""


class Ambiguous(DeliveryError):
    """The channel did not confirm the message; it may have arrived."""
