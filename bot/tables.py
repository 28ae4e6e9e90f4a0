"""What arrived and is still to be understood, where each dialogue stands, and which topic is whose."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, Column, Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from audit.tables import BigKey, partial


class InboxState(StrEnum):
    PENDING = "pending"
    DONE = "done"
    DEAD = "dead"  # failed five times; kept for a person to look at


class InboxRow(SQLModel, table=True):
    """A raw update, committed before it is acknowledged; unique per channel account and update id."""

    __tablename__ = "inbox"
    __table_args__ = (
        UniqueConstraint("channel", "account", "update_id"),
        Index(
            "inbox_pending",
            "thread",
            "id",
            **partial("state = 'pending'"),
        ),
        Index("inbox_dead", "id", **partial("state = 'dead'")),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=BigKey)
    channel: str
    account: str
    update_id: str
    thread: str  # "channel:account:address": rows of one thread are handled in order
    sealed: str  # the raw update, encrypted, since buyers paste codes; emptied when done
    received_at: datetime
    state: str = InboxState.PENDING
    attempts: int = 0
    not_before: datetime
    problem: str | None = None
    album: str | None = None  # rows of one thread with the same word here are parts of one message


class TopicState(StrEnum):
    CLAIMED = "claimed"  # this process makes it now, or died while it did
    OPEN = "open"
    CLOSED = "closed"
    UNKNOWN = "unknown"  # asked for, and no answer came: it may stand there without us knowing its number
    GONE = "gone"  # deleted, or refused


class Topic(SQLModel, table=True):
    """The topic of a ticket in the staff's group, or in its buyer's chat with the bot of ours that they write to.

    The row is claimed before the topic is made, so that there are never two.
    """

    __table_args__ = (UniqueConstraint("bot", "ticket_id"), Index("topic_place", "bot", "chat_id", "thread_id"))

    id: int | None = Field(default=None, primary_key=True)
    bot: str
    ticket_id: int = Field(foreign_key="ticket.id", index=True)
    chat_id: str  # of the group, or of the buyer
    thread_id: int | None = None
    state: str = TopicState.CLAIMED
    claimed_at: datetime
    name: str = ""  # as the chat shows it
    card_id: int | None = None  # the message with the ticket's card, for staff
    card: str = ""  # what it says, so that the same is not sent again
    known_version: int = 0  # of the ticket, as the people in the topic were told it
    problem: str | None = None


class TopicMessage(SQLModel, table=True):
    """In which topic of theirs a buyer wrote a message, and where an answer to it goes; without one, in none."""

    __tablename__ = "topic_message"

    message_id: int = Field(
        primary_key=True, foreign_key="message.id", sa_type=BigKey, sa_column_kwargs={"autoincrement": False}
    )
    thread_id: int


class DialogueRow(SQLModel, table=True):
    """Where the dialogue of a conversation stands."""

    __tablename__ = "dialogue"

    conversation_id: int = Field(primary_key=True, foreign_key="conversation.id")
    step: str = "idle"
    facts: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    updated_at: datetime


class Button(SQLModel, table=True):
    """What a button does: the channel carries only the opaque handle."""

    handle: str = Field(primary_key=True)
    conversation_id: int = Field(foreign_key="conversation.id", index=True)
    action: str  # bot.dialogue.acts.Act
    argument: str = ""
    label: str = ""  # what stood on it, so that a press reads like a message
    made_at: datetime


class BusinessConnection(SQLModel, table=True):
    """A shop's own account on a messenger, in whose name a bot of ours may answer."""

    __tablename__ = "business_connection"

    channel: str = Field(primary_key=True)
    account: str = Field(primary_key=True)
    connection: str = Field(primary_key=True)  # the messenger's id of it
    owner: str  # the messenger's id of the shop's account
    can_reply: bool
    is_enabled: bool
    changed_at: datetime


class AccessToken(SQLModel, table=True):
    """What a platform lets us in with for a while; all processes use the same."""

    __tablename__ = "access_token"

    channel: str = Field(primary_key=True)
    account: str = Field(primary_key=True)
    sealed: str
    ends_at: datetime


class Feed(SQLModel, table=True):
    """How far we have read what a platform keeps for us to fetch."""

    channel: str = Field(primary_key=True)
    account: str = Field(primary_key=True)
    name: str = Field(primary_key=True)  # of an account that has several
    cursor: str
    read_at: datetime


class CallCount(SQLModel, table=True):
    """How often an interface was called on a day of the platform's, where that is limited."""

    __tablename__ = "call_count"

    channel: str = Field(primary_key=True)
    account: str = Field(primary_key=True)
    day: str = Field(primary_key=True)  # "2026-03-02"
    call: str = Field(primary_key=True)
    count: int
