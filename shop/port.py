"""What Kadesk asks of a shop, and the plain values it gets back.

Every adapter offers `Shop`. Methods open and close their own connections and are called outside any transaction of
ours, since a foreign shop may answer slowly. A shop that does not answer raises `ShopDown`.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from shop.tables import Proof, WarrantyFrom


class OrderStatus(StrEnum):
    UNPAID = "unpaid"
    PAID_UNDELIVERED = "paid_undelivered"
    DELIVERED = "delivered"
    PARTIAL = "partial"
    REFUNDED = "refunded"
    FROZEN = "frozen"
    CLOSED = "closed"
    ABNORMAL = "abnormal"  # the shop's text says that delivery failed


class ProofWay(StrEnum):
    """How a buyer shows that an order is theirs."""

    QUERY_PASSWORD = "query_password"
    PAYMENT_TAIL = "payment_tail"  # the last six characters of the payment number
    DEEP_LINK = "deep_link"  # the shop's own page of the order led here, signed


class Verdict(StrEnum):
    """How a typed code compares with what an order delivered."""

    EXACT = "exact"
    NEAR = "near"  # a typing error away: edit distance ≤ 2 after folding look-alikes
    OTHER = "other"  # not of this order; never say whose


@dataclass(frozen=True, slots=True)
class CodeRef:
    """A code without its text."""

    fingerprint: str
    masked: str
    position: int
    is_reusable: bool = False


@dataclass(frozen=True, slots=True)
class Goods:
    """A product as an order names it."""

    sku: str
    name: str
    price: int  # minor units
    currency: str
    warranty: timedelta
    warranty_from: WarrantyFrom = WarrantyFrom.DELIVERY
    proof: Proof = Proof.NONE  # what a claim has to bring along
    return_within: timedelta | None = None  # of its delivery: a code that nobody has seen is taken back; None: never


@dataclass(frozen=True, slots=True)
class Order:
    """An order as the buyer's case needs it."""

    shop: str
    order_no: str
    status: OrderStatus
    goods: Goods
    quantity: int
    paid: int  # minor units
    refunded: int
    paid_at: datetime | None
    delivered_at: datetime | None
    codes: tuple[CodeRef, ...] = ()  # as sold, then the replacements issued for the order
    ways: frozenset[ProofWay] = field(default_factory=frozenset)


@dataclass(frozen=True, slots=True)
class CodeCheck:
    verdict: Verdict
    code: CodeRef | None = None  # set when exact or near


class Shop(Protocol):
    """One shop beside us."""

    name: str

    async def find_order(self, order_no: str) -> Order | None:
        """The order with this number; full-width letters, spaces and case are tolerated."""

    async def prove_owner(self, order_no: str, proof: str) -> ProofWay | None:
        """The way in which `proof` opens the order, None when it does not; unknown orders cost what misses cost."""

    async def check_code(self, order_no: str, code: str) -> CodeCheck:
        """Compare a typed code with what the order delivered."""
