"""What Kadesk asks of a channel, and the plain values that pass between the two.

An adapter verifies and caps what arrives, hands it over as an `Update`, and acknowledges only when `accept` returned:
then it is committed. `Channel.read` turns the update into an `Inbound` later, in another task or after a restart.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

from tickets.pixels import Pixels
from tickets.reply_windows import Allowance
from tickets.tables import Message, Outgoing


class Kind(StrEnum):
    """What a buyer did."""

    START = "start"  # opened the conversation; `text` may carry a deep link's payload
    TEXT = "text"
    PRESS = "press"  # a button; `handle` says which
    PHOTO = "photo"
    DOCUMENT = "document"
    VOICE = "voice"
    STICKER = "sticker"
    VIDEO = "video"
    LOCATION = "location"
    CONTACT = "contact"
    OTHER = "other"
    EDIT = "edit"  # message `message_id` says `text` now
    WITHDRAWN = "withdrawn"  # the messages `withdrawn` were taken back
    LEFT = "left"  # the buyer wants nothing from us any more
    BACK = "back"  # and does again
    BUSINESS = "business"  # an account of the shop's lets us speak for it, or no more: `business`


SILENT = frozenset({Kind.EDIT, Kind.WITHDRAWN, Kind.LEFT, Kind.BACK, Kind.BUSINESS})  # nothing new was said


@dataclass(frozen=True, slots=True)
class Update:
    """One raw update as it arrived, not yet understood."""

    channel: str
    account: str
    update_id: str  # unique per channel and account; a repeat is the same update
    address: str  # of the buyer, so that updates of one buyer stay in order
    raw: str
    album: str = ""  # updates of one address with the same word here are parts of one message


@dataclass(frozen=True, slots=True)
class Business:
    """An account of the shop's, in whose name we may speak."""

    connection: str  # the messenger's id of it
    owner: str  # the messenger's id of the account
    can_reply: bool
    is_enabled: bool


@dataclass(frozen=True, slots=True)
class Inbound:
    """One update in neutral words."""

    channel: str
    account: str
    address: str
    update_id: str
    kind: Kind
    sent_at: datetime
    text: str = ""
    handle: str = ""
    message_id: str = ""  # the channel's own, for edits and replies
    attachments: tuple[Mapping[str, Any], ...] = ()  # what came along, by the channel's own names of it
    pictures: tuple[Pixels, ...] = ()  # drawn anew by the adapter before it stored the update, and stored with it
    name: str = ""  # what the buyer calls themselves there
    language: str = ""  # what the buyer's app speaks; "" when unknown
    reply_to: str = ""  # the message that this one answers, by the channel's own id
    withdrawn: tuple[str, ...] = ()  # the channel's own ids of messages
    connection: str = ""  # the business connection over which it came
    by_owner: bool = False  # said to the buyer by the shop's own person, beside us
    business: Business | None = None


class Accept(Protocol):
    """Stores updates for good; returns how many of them were new."""

    async def __call__(self, *updates: Update) -> int: ...


class Channel(Protocol):
    """One account on one messenger."""

    @property
    def name(self) -> str:
        """The messenger: "telegram", "web", …"""

    @property
    def account(self) -> str:
        """Which bot or shop page of ours."""

    def read(self, update: Update) -> Inbound:
        """Pure: the neutral form of a stored update."""

    async def deliver(self, outgoing: Outgoing, message: Message) -> str:
        """Send one message; return the channel's id of it. Raises DeliveryError."""


@runtime_checkable
class Fetches(Protocol):
    """A channel that names what came along, and keeps it until it is fetched."""

    async def fetch(self, inbound: Inbound, *, is_last: bool) -> Inbound:
        """The message with its pictures drawn anew; what never can be had stays named, with its `problem`.

        Raises `FileAway` when a later try may bring more; after the last try, that has a `problem` as well.
        """


@runtime_checkable
class Rationed(Protocol):
    """A channel whose messenger lets us answer a buyer only so long, and so often."""

    def allowance_after(self, inbound: Inbound) -> Allowance | None:
        """What may be sent after this; None: it allows nothing new."""

    def cost(self, message: Message) -> int:
        """How many messages of the allowance it takes."""

    async def deliver_free(self, outgoing: Outgoing, message: Message) -> str | None:
        """Send it in a way that costs nothing, where there is one now: the channel's id of it, else None."""
