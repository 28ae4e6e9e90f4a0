"""What the desk remembers of claims: the claims, what they rest on, who may decide them, and whose an order is."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, Column, Index, LargeBinary, UniqueConstraint, false
from sqlmodel import Field, SQLModel

from audit.tables import partial


class Claim(SQLModel, table=True):
    """A buyer's statement about one code of one order; at most one open per code."""

    __table_args__ = (
        Index(
            "claim_open_once",
            "shop",
            "order_no",
            "fingerprint",
            unique=True,
            **partial("decided_at IS NULL"),
        ),
        Index("claim_of_order", "shop", "order_no"),
        Index("claim_of_product", "shop", "sku", "created_at"),
        Index("claim_of_batch", "batch_id", "created_at"),
        Index("claim_state", "state", "state_at", **partial("state <> 'closed'")),
    )

    id: int | None = Field(default=None, primary_key=True)
    conversation_id: int = Field(foreign_key="conversation.id", index=True)
    buyer_id: int = Field(foreign_key="buyer.id", index=True)
    ticket_id: int | None = Field(default=None, foreign_key="ticket.id", index=True)
    shop: str
    order_no: str
    fingerprint: str  # of the code claimed
    masked: str
    position: int  # of the code in the order
    # The goods as they were when the claim was filed: evidence, and enough to replace without asking the shop again.
    sku: str
    product_name: str
    price: int  # minor units
    currency: str
    reason: str  # Reason
    outcome: str | None = None  # Outcome
    why: str | None = None  # what sent it where it is: "auto", "pool_empty", "over_limit", …
    # Where it came from, when the shop can say; kept here so that a defect counts for the batch that caused it.
    supplier_id: int | None = None
    batch_id: int | None = None
    state: str = Field(default="review", sa_column_kwargs={"server_default": "review"})  # tickets.claim_states
    state_at: datetime | None = None
    round: int = Field(default=1, sa_column_kwargs={"server_default": "1"})  # 2: what it was given was bad as well
    risk: int | None = None  # points; None: not weighed
    risk_points: list[dict[str, Any]] = Field(
        default_factory=list, sa_column=Column(JSON, nullable=False, server_default="[]")
    )  # {"signal": …, "points": …, "facts": {…}}: what a person is shown as the reason
    # The buyer's own words about what the shop or the game said, masked as their messages are.
    error_text: str = Field(default="", sa_column_kwargs={"server_default": ""})
    decided_by: str | None = None  # as in the audit: "bot", "agent:3"
    created_at: datetime
    decided_at: datetime | None = None


class Picture(SQLModel, table=True):
    """Pixels that came along with a message, encoded anew and sealed: a screenshot may show a code."""

    id: int | None = Field(default=None, primary_key=True)
    conversation_id: int = Field(foreign_key="conversation.id", index=True)
    message_id: int | None = Field(default=None, foreign_key="message.id", index=True)
    claim_id: int | None = Field(default=None, foreign_key="claim.id", index=True)  # what it is evidence for
    seal_id: str = Field(unique=True)
    key_id: str
    ciphertext: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    content_hash: str = Field(index=True)  # keyed, of the pixels: the same picture again
    look_hash: str = Field(index=True)  # 64-bit perceptual hash, hex: nearly the same picture again
    width: int  # pixels
    height: int
    received_at: datetime
    is_ours: bool = Field(default=False, sa_column_kwargs={"server_default": false()})  # sent to the buyer: no evidence
    known_as: str | None = None  # where it was handed to a messenger that keeps files: its name there
    handed_at: datetime | None = None  # since when it has that name


class SupplierCheck(SQLModel, table=True):
    """A claim that was put to the supplier; it has a clock of its own."""

    __tablename__ = "supplier_check"
    __table_args__ = (
        Index("supplier_check_open", "due_at", **partial("answered_at IS NULL")),
        Index("supplier_check_of", "supplier_id", "asked_at"),
    )

    id: int | None = Field(default=None, primary_key=True)
    claim_id: int = Field(foreign_key="claim.id", unique=True)
    supplier_id: int = Field(foreign_key="supplier.id")
    text: str  # the complaint as the supplier gets it; the code in it is masked
    asked_at: datetime
    due_at: datetime
    reminders: int = 0
    remind_at: datetime | None = None
    answered_at: datetime | None = None
    answer: str | None = None  # "bad": they take it back; "good": they say it works; "silent": the clock ran out
    owed: int = 0  # minor units that the supplier owes for it
    reference: str = ""  # their number of the complaint
    remark: str = ""
    answered_by: str | None = None  # who wrote the answer down, as in the audit


class Approval(SQLModel, table=True):
    """A decision that needs a second person: asked by one, given or refused by another."""

    __table_args__ = (
        CheckConstraint("decided_by_id IS NULL OR decided_by_id <> asked_by_id", name="approval_by_another"),
        Index("approval_open", "claim_id", unique=True, **partial("decided_at IS NULL")),
    )

    id: int | None = Field(default=None, primary_key=True)
    ticket_id: int = Field(foreign_key="ticket.id", index=True)
    claim_id: int = Field(foreign_key="claim.id")
    action: str  # Outcome: "replace", "refund", "partial_refund"
    amount: int  # minor units that are at stake
    currency: str
    asked_by_id: int = Field(foreign_key="agent.id")
    asked_at: datetime
    decided_by_id: int | None = Field(default=None, foreign_key="agent.id")
    decided_at: datetime | None = None
    is_granted: bool | None = None


class Breaker(SQLModel, table=True):
    """Automatic replacement is off for one buyer, product, batch, supplier, agent or for all, until it is reset."""

    __table_args__ = (Index("breaker_open", "scope", "key", unique=True, **partial("reset_at IS NULL")),)

    id: int | None = Field(default=None, primary_key=True)
    scope: str  # "buyer", "product", "batch", "supplier", "agent", "hour"
    key: str  # which one; "" of "hour"
    count: int  # replacements in the window when it tripped
    tripped_at: datetime
    until_at: datetime | None = None  # it closes by itself then; None: only a lead closes it
    reset_at: datetime | None = None
    reset_by: str | None = None  # as in the audit


class BatchIncident(SQLModel, table=True):
    """The incident ticket of a batch that was quarantined; the claims about it are its parts."""

    __tablename__ = "batch_incident"

    batch_id: int = Field(primary_key=True, foreign_key="batch.id")
    ticket_id: int = Field(foreign_key="ticket.id", unique=True)
    opened_at: datetime


class OrderBinding(SQLModel, table=True):
    """An identity has proved that an order is theirs."""

    __tablename__ = "order_binding"
    __table_args__ = (
        UniqueConstraint("identity_id", "shop", "order_no"),
        Index("binding_of_order", "shop", "order_no"),
        Index("binding_contact", "contact_hash", **partial("contact_hash IS NOT NULL")),
        Index("binding_place", "place_hash", "proved_at", **partial("place_hash IS NOT NULL")),
    )

    id: int | None = Field(default=None, primary_key=True)
    identity_id: int = Field(foreign_key="identity.id")
    shop: str
    order_no: str
    way: str  # ProofWay
    proved_at: datetime
    # Keyed, of what the shop tells of its buyer; None where it tells nothing.
    contact_hash: str | None = None
    place_hash: str | None = None  # of the network address that it was bought from


class OwnershipMiss(SQLModel, table=True):
    """A failed proof; five lock the identity, and the order, for ten minutes."""

    __tablename__ = "ownership_miss"
    __table_args__ = (
        Index("miss_of_identity", "identity_id", "at"),
        Index("miss_of_order", "order_hash", "at"),
        Index("miss_of_all", "at"),
    )

    id: int | None = Field(default=None, primary_key=True)
    identity_id: int = Field(foreign_key="identity.id")
    order_hash: str  # of what was typed, known or not
    at: datetime


class MailedCode(SQLModel, table=True):
    """A one-time code sent to the mail address of an order. There is a row whether the order exists or not."""

    __tablename__ = "mailed_code"
    __table_args__ = (Index("mailed_code_of", "identity_id", "order_hash", "sent_at"),)

    id: int | None = Field(default=None, primary_key=True)
    identity_id: int = Field(foreign_key="identity.id")
    order_hash: str
    code_hash: str  # keyed; "" when there was nobody to send one to
    sent_at: datetime
    expires_at: datetime
    used_at: datetime | None = None


class Mail(SQLModel, table=True):
    """A letter to send over SMTP, written with the change that it tells of."""

    __table_args__ = (Index("mail_queued", "not_before", "id", **partial("state = 'queued'")),)

    id: int | None = Field(default=None, primary_key=True)
    seal_id: str = Field(unique=True)
    sealed: str  # address and text, encrypted; emptied when the letter is sent or given up
    subject: str
    state: str = "queued"  # tickets.words.Sending
    attempts: int = 0
    created_at: datetime
    not_before: datetime
    expires_at: datetime  # of no use to anybody later
    sent_at: datetime | None = None
    problem: str | None = None
