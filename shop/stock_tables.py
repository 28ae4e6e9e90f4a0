"""What Kadesk changes in other shops, where their owners let it: errands to them, and which cards were taken there."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from audit.tables import partial


class ErrandState(StrEnum):
    """An errand is in exactly one of these."""

    WANTED = "wanted"  # the shop is to be asked
    TAKEN = "taken"  # its code is here; whether the shop sold it meanwhile is looked at before it goes out
    DONE = "done"
    KEPT = "kept"  # the code came when its claim had been settled, or was with people: it is in our reserve
    COLLIDED = "collided"  # the same code went to somebody else
    REFUSED = "refused"
    DEAD = "dead"  # the shop never answered: for a person to look at


class MarkState(StrEnum):
    """What is known of a card with a mark."""

    TRYING = "trying"  # it is about to be taken, or was: nobody knows before it is confirmed
    TAKEN = "taken"
    LOST = "lost"  # whoever tried was ended, and it is sold now: by the shop, or put aside for nobody


class Errand(SQLModel, table=True):
    """Something that a shop is to do for a claim, outside of our transactions and once by its key."""

    __tablename__ = "shop_errand"
    __table_args__ = (
        CheckConstraint(
            "state IN ('wanted','taken','done','kept','collided','refused','dead')", name="shop_errand_state"
        ),
        Index("shop_errand_once", "claim_id", "power", unique=True, **partial("state IN ('wanted','taken')")),
        Index("shop_errand_due", "not_before", **partial("state IN ('wanted','taken')")),
        Index("shop_errand_look", "look_at", **partial("look_at IS NOT NULL")),
    )

    id: int = Field(default=None, primary_key=True)
    key: str = Field(unique=True)  # idempotency: the shop gets it with the request, however often it is asked
    power: str  # shop.port.Power: "issue", "quarantine", "note"
    claim_id: int = Field(index=True)
    shop: str
    order_no: str
    sku: str
    fingerprint: str  # of the bad code
    actor: str  # who wants it, as in the audit: "bot", "agent:3"
    may_lengthen: bool = False  # a person let the chain of replacements grow
    text: str = ""  # what is to be written beside the order
    state: str = ErrandState.WANTED
    attempts: int = 0
    not_before: datetime  # when the shop is asked next, or a lease ends
    made_at: datetime
    given_up_at: datetime | None = None  # its claim went to people; what the shop may have taken is still asked for
    code_id: int | None = Field(default=None, foreign_key="code.id", unique=True)
    reference: str | None = None  # the shop's own number of the code
    taken_at: datetime | None = None
    looks: int = 0  # for the code in what the shop sold since
    look_at: datetime | None = None  # the next of them
    problem: str | None = None


class StockMark(SQLModel, table=True):
    """Which card of a shop without room for a mark of ours was taken by which key; written before it is."""

    __tablename__ = "stock_mark"
    __table_args__ = (
        UniqueConstraint("shop", "reference"),
        CheckConstraint("state IN ('trying','taken','lost')", name="stock_mark_state"),
        Index("stock_mark_key", "shop", "key", unique=True, **partial("state IN ('trying','taken')")),
        Index("stock_mark_untold", "id", **partial("state = 'lost' AND told_at IS NULL")),
    )

    id: int = Field(default=None, primary_key=True)
    shop: str
    key: str
    reference: str  # the shop's own number of the card
    state: str = MarkState.TRYING
    marked_at: datetime
    told_at: datetime | None = None  # when staff heard of a lost one
