"""The local shop's goods, and the ledger of replacements that Kadesk owns for every shop.

A row has its `id` once it is flushed.
"""

from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import Column, Index, Interval, LargeBinary, UniqueConstraint, text
from sqlmodel import Field, SQLModel


class CodeState(StrEnum):
    """A code is in exactly one of these."""

    FREE = "free"
    RESERVED = "reserved"
    ISSUED = "issued"
    VOID = "void"
    QUARANTINED = "quarantined"


class Pool(StrEnum):
    STOCK = "stock"  # for sale
    RESERVE = "reserve"  # kept for replacements


class Supplier(SQLModel, table=True):
    """Where codes come from."""

    id: int = Field(default=None, primary_key=True)
    name: str = Field(unique=True)
    contact: str = ""


class Product(SQLModel, table=True):
    """Something the shop sells by the code."""

    __table_args__ = (UniqueConstraint("shop", "sku"),)

    id: int = Field(default=None, primary_key=True)
    shop: str
    sku: str
    name: str
    price: int  # minor units (fen)
    currency: str = "CNY"
    warranty: timedelta = Field(sa_column=Column(Interval, nullable=False))  # from delivery


class Batch(SQLModel, table=True):
    """Codes that came together."""

    id: int = Field(default=None, primary_key=True)
    supplier_id: int = Field(foreign_key="supplier.id", index=True)
    product_id: int = Field(foreign_key="product.id", index=True)
    name: str
    arrived_at: datetime


class Code(SQLModel, table=True):
    """A secret that is sold: ciphertext and a keyed fingerprint, never the text."""

    __table_args__ = (
        Index(
            "code_free",
            "product_id",
            "pool",
            "id",
            sqlite_where=text("state = 'free'"),
            postgresql_where=text("state = 'free'"),
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


class ShopOrder(SQLModel, table=True):
    """An order of the local shop."""

    __tablename__ = "shop_order"
    __table_args__ = (UniqueConstraint("shop", "order_no"),)

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

    __table_args__ = (UniqueConstraint("shop", "order_no", "replaced_fingerprint"),)

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

    id: int = Field(default=None, primary_key=True)
    token_hash: str = Field(unique=True)
    sealed_token: str  # to be delivered; emptied when the link is opened or closed
    code_id: int = Field(foreign_key="code.id", index=True)
    made_at: datetime
    expires_at: datetime
    opened_at: datetime | None = None  # evidence that the code was seen
    opened_from: str | None = None
