"""The local shop's goods, and the ledger of replacements that Kadesk owns for every shop.

A row has its `id` once it is flushed.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, CheckConstraint, Column, Index, Interval, LargeBinary, UniqueConstraint
from sqlmodel import Field, SQLModel

from audit.tables import BigKey, partial

# Beside the codes that it holds: to be had here too.
from shop.stock_tables import Errand as Errand
from shop.stock_tables import ErrandState as ErrandState
from shop.stock_tables import MarkState as MarkState
from shop.stock_tables import StockMark as StockMark


class CodeState(StrEnum):
    """A code is in exactly one of these."""

    FREE = "free"
    RESERVED = "reserved"  # kept for one claim until it is decided
    ISSUED = "issued"
    REVEALED = "revealed"  # issued, and seen
    VOID = "void"
    QUARANTINED = "quarantined"


class Pool(StrEnum):
    STOCK = "stock"  # for sale
    RESERVE = "reserve"  # kept for replacements


class WarrantyFrom(StrEnum):
    """When a warranty begins to run."""

    DELIVERY = "delivery"
    REVEAL = "reveal"  # when the buyer first looked; from delivery while nobody has


class Proof(StrEnum):
    """What a claim about a product has to bring along."""

    NONE = "none"
    SCREENSHOT = "screenshot"


class RefundState(StrEnum):
    """A refund is in exactly one of these."""

    REQUESTED = "requested"  # waits for whoever may approve it
    APPROVED = "approved"  # the shop is to be asked
    MANUAL = "manual"  # the shop cannot: a person pays, and says so
    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"  # the shop said no for good


class EventState(StrEnum):
    """An event is in exactly one of these."""

    PENDING = "pending"  # its order is still to be looked at
    DONE = "done"
    DEAD = "dead"  # the shop could not be asked too often; kept for a person to look at


class Supplier(SQLModel, table=True):
    """Where codes come from."""

    id: int = Field(default=None, primary_key=True)
    name: str = Field(unique=True)
    contact: str = ""
    # How long it may take to answer whether a code is bad; None: it is not asked, the shop decides alone.
    answers_within: timedelta | None = Field(default=None, sa_column=Column(Interval))


class Product(SQLModel, table=True):
    """Something the shop sells by the code."""

    __table_args__ = (UniqueConstraint("shop", "sku"),)

    id: int = Field(default=None, primary_key=True)
    shop: str
    sku: str
    name: str
    price: int  # minor units (fen)
    currency: str = "CNY"
    warranty: timedelta = Field(sa_column=Column(Interval, nullable=False))
    warranty_from: str = Field(
        default=WarrantyFrom.DELIVERY, sa_column_kwargs={"server_default": WarrantyFrom.DELIVERY}
    )
    # A code that nobody has seen may be given back so long after delivery, with no reason (7 天无理由); None: never.
    return_within: timedelta | None = Field(default=None, sa_column=Column(Interval))
    proof: str = Field(default=Proof.NONE, sa_column_kwargs={"server_default": Proof.NONE})
    code_pattern: str = Field(default="", sa_column_kwargs={"server_default": ""})  # regular expression; "": any text


class Batch(SQLModel, table=True):
    """Codes that came together."""

    id: int = Field(default=None, primary_key=True)
    supplier_id: int = Field(foreign_key="supplier.id", index=True)
    product_id: int = Field(foreign_key="product.id", index=True)
    name: str
    arrived_at: datetime
    cost: int = Field(default=0, sa_column_kwargs={"server_default": "0"})  # of one code, minor units of the product's
    imported: int = Field(default=0, sa_column_kwargs={"server_default": "0"})  # codes that it brought
    import_id: int | None = Field(default=None, foreign_key="import_file.id")
    quarantined_at: datetime | None = None  # its free codes are kept back since then


class ImportFile(SQLModel, table=True):
    """One file of products, codes or orders. Read again after a stop, it goes on where it stood."""

    __tablename__ = "import_file"
    __table_args__ = (UniqueConstraint("shop", "kind", "file_hash"),)

    id: int = Field(default=None, primary_key=True)
    shop: str
    kind: str  # "products", "codes" or "orders"
    file_name: str
    file_hash: str  # keyed HMAC of the file and of how it was to be read
    lines_done: int = 0
    added: int = 0
    refused: int = 0
    started_at: datetime
    finished_at: datetime | None = None


class Code(SQLModel, table=True):
    """A secret that is sold: ciphertext and a keyed fingerprint, never the text."""

    __table_args__ = (
        CheckConstraint("state IN ('free','reserved','issued','revealed','void','quarantined')", name="code_state"),
        CheckConstraint("pool IN ('stock','reserve')", name="code_pool"),
        CheckConstraint("(state = 'reserved') = (reserved_for IS NOT NULL)", name="code_reserved"),
        Index(
            "code_free",
            "product_id",
            "pool",
            "id",
            **partial("state = 'free'"),
        ),
    )

    id: int = Field(default=None, primary_key=True)
    product_id: int = Field(foreign_key="product.id")
    batch_id: int = Field(foreign_key="batch.id", index=True)
    pool: str = Pool.STOCK
    state: str = CodeState.FREE
    seal_id: str = Field(unique=True)  # random; binds the ciphertext to this row before the row has a number
    key_id: str
    ciphertext: bytes = Field(sa_column=Column(LargeBinary, nullable=False))  # nonce + AES-GCM
    fingerprint: str = Field(unique=True)  # keyed HMAC-SHA256 of the normalised code
    masked: str  # "****-7K2Q"
    reserved_for: int | None = Field(default=None, unique=True)  # the claim


class ShopOrder(SQLModel, table=True):
    """An order of the local shop."""

    __tablename__ = "shop_order"
    __table_args__ = (
        UniqueConstraint("shop", "order_no"),
        CheckConstraint("refunded BETWEEN 0 AND paid", name="shop_order_refunded"),
    )

    id: int = Field(default=None, primary_key=True)
    shop: str
    order_no: str
    product_id: int = Field(foreign_key="product.id")
    quantity: int
    status: str  # shop.port.OrderStatus
    paid: int  # minor units
    refunded: int = 0
    currency: str = "CNY"
    contact: str = ""  # mail
    bought_from: str = Field(default="", sa_column_kwargs={"server_default": ""})  # network address of the buyer
    password_hash: str | None = None  # query password, argon2id
    payment_tail_hash: str | None = None  # keyed HMAC of the last six characters of the payment number
    created_at: datetime
    paid_at: datetime | None = None
    delivered_at: datetime | None = None


class OrderCode(SQLModel, table=True):
    """A code that an order delivered."""

    __tablename__ = "order_code"
    __table_args__ = (UniqueConstraint("order_id", "position"),)

    id: int = Field(default=None, primary_key=True)
    order_id: int = Field(foreign_key="shop_order.id")
    code_id: int = Field(foreign_key="code.id", unique=True)
    position: int  # 1 for the first


class Replacement(SQLModel, table=True):
    """The ledger: one row per replacement. No code leaves without its row."""

    __table_args__ = (
        UniqueConstraint("shop", "order_no", "replaced_fingerprint"),
        CheckConstraint("chain >= 1", name="replacement_chain"),
        Index("replacement_issued", "issued_at", "issued_by"),
    )

    id: int = Field(default=None, primary_key=True)
    claim_id: int = Field(unique=True)
    shop: str
    order_no: str
    replaced_fingerprint: str
    code_id: int = Field(foreign_key="code.id", unique=True)
    fingerprint: str = Field(unique=True)  # of the new code: a claim about it finds its chain
    chain: int  # 1 for the first replacement of a sold code, 2 for a replacement's replacement
    issued_at: datetime
    issued_by: str  # who granted it, as in the audit: "bot", "agent:3"; a chain above 2 needs an agent


class RevealLink(SQLModel, table=True):
    """A one-time way to see one code. Its token is found by its hash, and sealed until it is of no use any more."""

    __tablename__ = "reveal_link"
    __table_args__ = (Index("reveal_link_place", "opened_from", "opened_at", **partial("opened_from IS NOT NULL")),)

    id: int = Field(default=None, primary_key=True)
    token_hash: str = Field(unique=True)
    sealed_token: str  # to be delivered; emptied when the link is opened or closed
    code_id: int = Field(foreign_key="code.id", index=True)
    made_at: datetime
    expires_at: datetime
    opened_at: datetime | None = None  # evidence that the code was seen
    opened_from: str | None = None


class OrderMoney(SQLModel, table=True):
    """What was paid for an order, and what of it is paid back or promised: no refund passes this row."""

    __tablename__ = "order_money"
    __table_args__ = (
        UniqueConstraint("shop", "order_no"),
        CheckConstraint("refunded BETWEEN 0 AND paid", name="order_money_refunded"),
    )

    id: int = Field(default=None, primary_key=True)
    shop: str
    order_no: str
    paid: int  # minor units, as the shop said when the first refund was asked for
    refunded: int  # by the shop before, and by every refund of ours that is neither refused nor failed
    currency: str


class Refund(SQLModel, table=True):
    """Money that goes back to a buyer: asked for, approved, carried out."""

    __table_args__ = (
        CheckConstraint("amount > 0", name="refund_amount"),
        CheckConstraint("state IN ('requested','approved','manual','done','refused','failed')", name="refund_state"),
        Index(
            "refund_to_do",
            "not_before",
            **partial("state = 'approved'"),
        ),
        Index(
            "refund_once",
            "shop",
            "order_no",
            "fingerprint",
            unique=True,
            **partial("state NOT IN ('refused','failed')"),
        ),
    )

    id: int = Field(default=None, primary_key=True)
    key: str = Field(unique=True)  # idempotency: the shop gets it with the request, however often it is sent
    shop: str
    order_no: str
    fingerprint: str | None = None  # of the code that it is for; None: of the order as a whole
    claim_id: int | None = Field(default=None, index=True)
    ticket_id: int | None = Field(default=None, index=True)
    amount: int  # minor units
    currency: str
    state: str = RefundState.REQUESTED
    requested_by: str  # as in the audit: "buyer:5", "agent:3"
    requested_at: datetime
    decided_by: str | None = None
    decided_at: datetime | None = None
    attempts: int = 0
    not_before: datetime
    done_at: datetime | None = None
    reference: str | None = None  # the shop's or the bank's own number of it
    problem: str | None = None
    facts: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))


class ShopEvent(SQLModel, table=True):
    """Something that a shop told of an order, committed before it is acknowledged; never what its body said."""

    __tablename__ = "shop_event"
    __table_args__ = (
        UniqueConstraint("shop", "event_id"),
        CheckConstraint("state IN ('pending','done','dead')", name="shop_event_state"),
        # One case of an order, however many events tell of it, and whoever works them off.
        Index("shop_event_became", "shop", "order_no", unique=True, **partial("became IS NOT NULL")),
        Index("shop_event_pending", "not_before", **partial("state = 'pending'")),
        Index("shop_event_dead", "id", **partial("state = 'dead'")),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=BigKey)
    shop: str
    event_id: str
    kind: str  # the shop's word for what happened; "" when it says none
    order_no: str
    received_at: datetime
    state: str = EventState.PENDING
    attempts: int = 0  # without an answer of the shop, in a row
    not_before: datetime  # when the order is looked at next
    became: str | None = None  # "case" or "notice": what followed of it
    problem: str | None = None
