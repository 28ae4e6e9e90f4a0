"""What Kadesk asks of a channel, and the plain values that pass between the two.

An adapter verifies and caps what arrives, hands it over as an `Update`, and acknowledges only when `accept` returned:
then it is committed. `Channel.read` turns the update into an `Inbound` later, in another task or after a restart.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

from tickets.file_kinds import File
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
    HELD = "held"  # a person of the shop took the conversation over, beside us
    ENDED = "ended"  # and ended it: nothing can be sent before the buyer's next word


# Nothing new was said.
SILENT = frozenset({Kind.EDIT, Kind.WITHDRAWN, Kind.LEFT, Kind.BACK, Kind.BUSINESS, Kind.HELD, Kind.ENDED})


class Past(StrEnum):
    """How a word counts that others had to answer, or that was said long before the account was ours."""

    KEPT = "kept"  # for people to read
    LAST = "last"  # its buyer's last one, which nobody answered as far as is known: what it asks for is answered


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
    files: tuple[File, ...] = ()  # documents, recordings and videos, fetched
    name: str = ""  # what the buyer calls themselves there
    language: str = ""  # what the buyer's app speaks; "" when unknown
    reply_to: str = ""  # the message that this one answers, by the channel's own id
    topic_id: int | None = None  # the topic in their own chat where it was said, where the messenger has them
    topic_name: str = ""  # under which that was made, as far as it is told
    withdrawn: tuple[str, ...] = ()  # the channel's own ids of messages
    connection: str = ""  # the business connection over which it came
    by_owner: bool = False  # said to the buyer by the shop's own person, beside us
    business: Business | None = None
    answer_by: datetime | None = None  # until then one message may be sent, though nothing else can
    past: Past | None = None  # None: said to us


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

    async def fetch(self, inbound: Inbound, *, is_last: bool, file_limit: int = 0) -> Inbound:
        """The message with its pictures drawn anew; what never can be had stays named, with its `problem`.

        Documents, recordings and videos come as they are, up to `file_limit` bytes; with 0 they are only named.
        Raises `FileAway` when a later try may bring more; after the last try, that has a `problem` as well.
        """


class Photo(Protocol):
    """A picture on its way out."""

    async def jpeg(self) -> bytes:
        """Its file. Raises `Refused` when it was deleted meanwhile."""

    async def name(self, within: timedelta) -> str:
        """What the messenger calls it, if it was handed over within this time; else ""."""

    async def call(self, name: str) -> None:
        """The messenger has it, under this name: no later try hands it over again. "": it has it no more."""


@runtime_checkable
class SendsPictures(Protocol):
    """A channel whose messenger shows pictures."""

    async def deliver_pictures(self, outgoing: Outgoing, message: Message, photos: Sequence[Photo]) -> str:
        """As `deliver`; where words and pictures are several messages, the next of them alone (`Unfinished`)."""


@runtime_checkable
class Rationed(Protocol):
    """A channel whose messenger lets us answer a buyer only so long, and so often.

    What takes several messages goes out one by one, each paid for: `deliver` sends the next of them (`Unfinished`).
    """

    def allowance_after(self, inbound: Inbound) -> Allowance | None:
        """What may be sent after this; None: it allows nothing new."""

    def cost(self, message: Message) -> int:
        """How many messages of the allowance it takes, each picture one."""

    async def deliver_free(self, outgoing: Outgoing, message: Message) -> str | None:
        """Send it in a way that costs nothing, where there is one now: the channel's id of it, else None."""


@runtime_checkable
class KnowsRepeats(Protocol):
    """A channel whose messenger shows nobody the same message twice."""

    async def deliver_again(self, outgoing: Outgoing, message: Message, photos: Sequence[Photo]) -> str:
        """Its sender stopped, and the next part of it may have arrived: as `deliver_pictures`."""
