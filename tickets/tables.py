"""What the desk remembers: people, conversations, messages, tickets and their clocks, and what is still to be sent.

Columns that end in `_at` are aware UTC instants. Words such as `phase` or `state` hold a value of the enum named beside
them.
"""

from datetime import datetime, timedelta
from typing import Any, Protocol

from sqlalchemy import JSON, Column, Index, Interval, UniqueConstraint
from sqlmodel import Field, SQLModel

from audit.tables import BigKey, partial

# Whoever reads a row needs the words in it, and the rows beside it: they are to be had here too.
from tickets.claim_tables import Approval as Approval
from tickets.claim_tables import BatchIncident as BatchIncident
from tickets.claim_tables import Breaker as Breaker
from tickets.claim_tables import Claim as Claim
from tickets.claim_tables import Mail as Mail
from tickets.claim_tables import MailedCode as MailedCode
from tickets.claim_tables import OrderBinding as OrderBinding
from tickets.claim_tables import OwnershipMiss as OwnershipMiss
from tickets.claim_tables import Picture as Picture
from tickets.claim_tables import SupplierCheck as SupplierCheck
from tickets.file_tables import KeptFile as KeptFile
from tickets.lifecycle import Phase as Phase
from tickets.link_tables import LinkCode as LinkCode
from tickets.link_tables import StaffLink as StaffLink
from tickets.people import Agent as Agent
from tickets.people import Buyer as Buyer
from tickets.people import Identity as Identity
from tickets.routing import GENERAL
from tickets.routing import Level as Level
from tickets.routing import Tier as Tier
from tickets.sla import Metric as Metric
from tickets.window_tables import ReplyWindow as ReplyWindow
from tickets.words import Author as Author
from tickets.words import Category as Category
from tickets.words import Direction as Direction
from tickets.words import Ending as Ending
from tickets.words import LinkKind as LinkKind
from tickets.words import Outcome as Outcome
from tickets.words import Priority as Priority
from tickets.words import Reason as Reason
from tickets.words import Role as Role
from tickets.words import Sending as Sending
from tickets.words import Trigger as Trigger


class Row(Protocol):
    id: int | None


def id_of(row: Row) -> int:
    """The number of a row that was read or flushed; one that was neither has none yet."""
    assert row.id is not None
    return row.id


class Conversation(SQLModel, table=True):
    """The thread with one identity."""

    id: int | None = Field(default=None, primary_key=True)
    identity_id: int = Field(foreign_key="identity.id", unique=True)
    buyer_id: int = Field(foreign_key="buyer.id", index=True)
    channel: str
    account: str
    address: str
    created_at: datetime
    last_in_at: datetime | None = None  # the buyer's last message
    blocked_at: datetime | None = None  # since when the buyer wants nothing from us here
    hushed_until: datetime | None = None  # the bot leaves the word to the shop's own person until then


class Message(SQLModel, table=True):
    """One utterance. Codes in it are masked before it is stored."""

    __table_args__ = (Index("message_of_conversation", "conversation_id", "id"),)

    id: int | None = Field(default=None, primary_key=True, sa_type=BigKey)
    conversation_id: int = Field(foreign_key="conversation.id")
    ticket_id: int | None = Field(default=None, foreign_key="ticket.id", index=True)
    direction: str  # Direction
    author: str  # Author
    agent_id: int | None = Field(default=None, foreign_key="agent.id")
    is_note: bool = False  # seen by staff only
    text: str
    sealed: str | None = None  # as it was typed, encrypted, when something in it was masked
    link_id: int | None = Field(default=None, foreign_key="reveal_link.id")  # what the mark in the text stands for
    foreign_id: str | None = None  # of an inbound message: the channel's own id of it
    attachments: list[dict[str, Any]] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    buttons: list[dict[str, str]] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    created_at: datetime
    withdrawn_at: datetime | None = None  # when its author took it back; it is kept


class MessageRevision(SQLModel, table=True):
    """What a message said before it was edited."""

    __tablename__ = "message_revision"

    id: int | None = Field(default=None, primary_key=True)
    message_id: int = Field(foreign_key="message.id", index=True, sa_type=BigKey)
    text: str
    sealed: str | None = None  # as `Message.sealed`, under the message's number
    replaced_at: datetime


class Ticket(SQLModel, table=True):
    """A promise to settle one matter in a conversation."""

    __table_args__ = (
        Index(
            "ticket_queue",
            "queue",
            "level",
            "rank_at",
            "id",
            **partial("phase = 'open' AND assignee_id IS NULL AND snoozed_until IS NULL"),
        ),
        Index("ticket_held", "assignee_id", **partial("phase = 'open'")),
        Index("ticket_snoozed", "snoozed_until", **partial("snoozed_until IS NOT NULL")),
        Index("ticket_closing", "closes_at", **partial("closes_at IS NOT NULL")),
    )

    id: int | None = Field(default=None, primary_key=True)
    number: str = Field(unique=True)  # shown to people, "K-000123"
    conversation_id: int = Field(foreign_key="conversation.id", index=True)
    buyer_id: int = Field(foreign_key="buyer.id", index=True)
    category: str  # Category
    subject: str
    queue: str = Field(default=GENERAL, sa_column_kwargs={"server_default": GENERAL})  # decides who pulls it
    status: str  # name shown
    phase: str = Field(default=Phase.OPEN, index=True)
    level: int = Level.BOT_LANE
    assignee_id: int | None = Field(default=None, foreign_key="agent.id", index=True)
    waiting_since: datetime | None = None  # the buyer's first unanswered word; None when the ball is with the buyer
    rank_at: datetime | None = None  # waiting_since less the head start of the buyer's tier: the queue's order
    hurried_at: datetime | None = None  # the last 催单
    hurries: int = 0
    order_ref: str | None = None  # "shop/order number"
    product: str | None = None  # sku of the goods that it is about
    snoozed_until: datetime | None = None  # out of the queue until then, or until the buyer speaks; no clock stops
    closes_at: datetime | None = None  # the next step of the close after silence: its warning, then itself
    warned_at: datetime | None = None  # when the buyer was told that silence will close it
    merged_into_id: int | None = Field(default=None, foreign_key="ticket.id", index=True)
    parent_id: int | None = Field(default=None, foreign_key="ticket.id", index=True)  # the incident that it is part of
    fields: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False, server_default="{}"))
    created_at: datetime
    version: int = 1  # counts changes; a page that shows an old one may not write


class TicketTag(SQLModel, table=True):
    """A word that staff put on a ticket."""

    __tablename__ = "ticket_tag"

    ticket_id: int = Field(foreign_key="ticket.id", primary_key=True)
    tag: str = Field(primary_key=True, index=True)


class TicketLink(SQLModel, table=True):
    """Two tickets that have to do with each other; the later one names the earlier."""

    __tablename__ = "ticket_link"

    ticket_id: int = Field(foreign_key="ticket.id", primary_key=True)
    other_id: int = Field(foreign_key="ticket.id", primary_key=True, index=True)
    kind: str  # LinkKind


class Rating(SQLModel, table=True):
    """What the buyer thought of a cycle; asked once."""

    cycle_id: int = Field(foreign_key="cycle.id", primary_key=True)
    ticket_id: int = Field(foreign_key="ticket.id", index=True)
    agent_id: int | None = Field(default=None, foreign_key="agent.id")  # who held the ticket at its end
    asked_at: datetime
    score: int | None = None  # 1 to 5
    comment: str | None = None
    rated_at: datetime | None = None


class Macro(SQLModel, table=True):
    """A saved reply with actions, which one verb carries out together."""

    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(unique=True)
    reply: str | None = None  # to the buyer; {number}, {buyer} and {product} are filled in
    status: str | None = None
    tags: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    assign_to_id: int | None = Field(default=None, foreign_key="agent.id")
    is_active: bool = True
    created_at: datetime


class Cycle(SQLModel, table=True):
    """One stretch open → resolved of a ticket."""

    __table_args__ = (UniqueConstraint("ticket_id", "ordinal"),)

    id: int | None = Field(default=None, primary_key=True)
    ticket_id: int = Field(foreign_key="ticket.id", index=True)
    ordinal: int  # 1 for the first
    opened_at: datetime
    resolved_at: datetime | None = None  # when it ended, with an outcome or without
    outcome: str | None = None  # Outcome or Ending


class SlaPolicy(SQLModel, table=True):
    """A version of the targets; a running clock keeps the version it started with."""

    __tablename__ = "sla_policy"

    id: int | None = Field(default=None, primary_key=True)
    metric: str  # Metric
    name: str = ""  # Policy.name: the conditions under which it is chosen
    target: timedelta = Field(sa_column=Column(Interval, nullable=False))
    calendar: str = "24×7"
    pause_cap: timedelta | None = Field(default=None, sa_column=Column(Interval))
    since: datetime


class Pause(SQLModel, table=True):
    """A stretch of a cycle in which the buyer was waited for."""

    id: int | None = Field(default=None, primary_key=True)
    cycle_id: int = Field(foreign_key="cycle.id", index=True)
    since: datetime
    until: datetime | None = None


class Clock(SQLModel, table=True):
    """One target running on a cycle. Its verdict follows from `due_at` and `met_at` alone."""

    __table_args__ = (
        UniqueConstraint("cycle_id", "metric", "ordinal"),
        Index(
            "clock_wake",
            "wake_at",
            **partial("met_at IS NULL AND stopped_at IS NULL AND wake_at IS NOT NULL"),
        ),
    )

    id: int | None = Field(default=None, primary_key=True)
    ticket_id: int = Field(foreign_key="ticket.id", index=True)
    cycle_id: int = Field(foreign_key="cycle.id")
    metric: str  # Metric
    ordinal: int = 1  # handling and next_response run once per wait
    policy_id: int = Field(foreign_key="sla_policy.id")
    started_at: datetime
    due_at: datetime
    rung: int = 1  # of the ladder: the next one that the sweep acts on
    wake_at: datetime | None = None  # the instant of that rung; None: the sweep has nothing left to do
    met_at: datetime | None = None  # when it was handled: the moment of the event
    breached_at: datetime | None = None  # = due_at once the sweep has acted on it
    stopped_at: datetime | None = None  # ended without a verdict: merged, spam


class Escalation(SQLModel, table=True):
    """A recorded move to a higher level; at most one per ticket, cycle and level."""

    __table_args__ = (UniqueConstraint("ticket_id", "cycle_id", "level"),)

    id: int | None = Field(default=None, primary_key=True)
    ticket_id: int = Field(foreign_key="ticket.id", index=True)
    cycle_id: int = Field(foreign_key="cycle.id")
    level: int  # Level moved to
    trigger: str  # "due", "asked", "pool_empty", …
    due_at: datetime  # when it should have happened
    escalated_at: datetime  # when it did
    told: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))  # "agent:3", "buyer:7"


class Notice(SQLModel, table=True):
    """Something staff must know; shown in the console until seen."""

    __table_args__ = (Index("notice_unseen", "agent_id", "created_at", **partial("seen_at IS NULL")),)

    id: int | None = Field(default=None, primary_key=True)
    agent_id: int | None = Field(default=None, foreign_key="agent.id", index=True)  # None: there was nobody to tell
    ticket_id: int | None = Field(default=None, foreign_key="ticket.id")
    text: str
    created_at: datetime
    not_before: datetime | None = None  # quiet hours: not shown or sent until then
    seen_at: datetime | None = None


class Outgoing(SQLModel, table=True):
    """A message to send: written with the change it tells of, delivered by a worker, in order per conversation."""

    __tablename__ = "outbox"
    __table_args__ = (
        Index(
            "outbox_queued",
            "channel",
            "account",
            "conversation_id",
            "id",
            **partial("state = 'queued'"),
        ),
        Index("outbox_lost", "not_before", **partial("state IN ('failed','blocked','unknown')")),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=BigKey)
    conversation_id: int = Field(foreign_key="conversation.id")
    message_id: int = Field(foreign_key="message.id", unique=True, sa_type=BigKey)
    ticket_id: int | None = Field(default=None, foreign_key="ticket.id")
    handles: bool = False  # its delivery is the handling of the ticket: a human reply or an outcome
    channel: str
    account: str
    address: str
    priority: int = Priority.BOT_REPLY
    state: str = Sending.QUEUED
    attempts: int = 0
    not_before: datetime
    created_at: datetime
    sent_at: datetime | None = None
    foreign_id: str | None = None  # the channel's id of the sent message
    problem: str | None = None  # why it failed, for an agent to read


class Heartbeat(SQLModel, table=True):
    """When a job last did its work; its age is a metric and a banner."""

    name: str = Field(primary_key=True)
    at: datetime
    detail: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
