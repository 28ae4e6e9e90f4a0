"""What Kadesk asks of a shop, and the plain values it gets back.

Every adapter offers `Shop`. Methods open and close their own connections and are called outside any transaction of
ours, since a foreign shop may answer slowly. A shop that does not answer raises `ShopDown`.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Generic, Protocol, TypeVar

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
    MAILED_CODE = "mailed_code"  # a code that was mailed to the address of the order


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
    contact: str = field(default="", repr=False)  # mail or number given with it; "" when the shop does not tell
    bought_from: str = field(default="", repr=False)  # network address that it was placed from, as the shop saw it


@dataclass(frozen=True, slots=True)
class CodeCheck:
    verdict: Verdict
    code: CodeRef | None = None  # set when exact or near


class Power(StrEnum):
    """What a shop can do for us, beyond finding an order."""

    PROVE_OWNER = "prove_owner"
    CONTACT = "contact"
    LIST_CODES = "list_codes"
    CHECK_CODE = "check_code"
    STOCK = "stock"
    ORIGIN = "origin"
    ISSUE = "issue"
    REFUND = "refund"
    QUARANTINE = "quarantine"
    NOTE = "note"


class Answer(StrEnum):
    """What a shop made of a request."""

    DONE = "done"
    MANUAL = "manual"  # a person has to do it there
    REFUSED = "refused"  # it never will
    UNSUPPORTED = "unsupported"  # it cannot do such a thing


Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Reply(Generic[Value]):
    """A shop's answer to a request."""

    answer: Answer
    value: Value | None = None  # when done
    note: str = ""  # what a person has to do, or why it never will


@dataclass(frozen=True, slots=True)
class Contact:
    """Where the owner of an order can be written to."""

    # Masked. Of what is no order, or has no address, another order's, always the same: strangers see it too.
    shown: str
    address: str = field(default="", repr=False)  # "" when there is nobody to write to


@dataclass(frozen=True, slots=True)
class Stock:
    """How many codes of a product are free."""

    for_sale: int
    reserve: int = 0  # kept for replacements


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a code came from, as far as the shop knows."""

    supplier: str
    batch: str = ""
    cost: int | None = None  # minor units
    order_no: str = ""  # ours, at the supplier


@dataclass(frozen=True, slots=True)
class Issued:
    """A code that the shop gave out of its own stock: seal it at once, never store, log or queue it."""

    text: str = field(repr=False)
    reference: str  # the shop's own number of it


class Counter(Protocol):
    """What a buyer's case asks: of one shop, or of all shops of an install."""

    name: str

    @property
    def powers(self) -> frozenset[Power]:
        """What it can do, by itself or by a person there."""

    async def find_order(self, order_no: str) -> Order | None:
        """The order with this number; full-width letters, spaces and case are tolerated."""

    async def prove_owner(self, order_no: str, proof: str) -> ProofWay | None:
        """The way in which `proof` opens the order, None when it does not; unknown orders cost what misses cost."""

    async def contact_of(self, order_no: str) -> Reply[Contact]:
        """The mail address of the order; known and unknown orders cost the same and look the same."""

    async def check_code(self, order_no: str, code: str) -> CodeCheck:
        """Compare a typed code with what the order delivered."""

    async def origin_of(self, order_no: str, fingerprint: str) -> Reply[Origin]:
        """Where a code of this order came from."""


class Shop(Counter, Protocol):
    """One shop beside us. What it has no power for it answers as `Powerless` does."""

    async def has_order(self, order_no: str) -> bool:
        """Whether there is such an order: known and unknown ones cost the same."""

    # How long a sale of its own may be under way that gives somebody the card which `issue` has just brought us: the
    # code goes to nobody before `find_resold` was asked after this time. Nothing: it sells no card that was taken.
    settles: timedelta

    async def stock(self, sku: str) -> Reply[Stock]:
        """How many codes are left."""

    async def issue(self, order_no: str, sku: str, key: str) -> Reply[Issued]:
        """Take one code of the shop's own stock by compare-and-set: the same one for the same key."""

    async def find_resold(self, sku: str, references: Collection[str], since: datetime) -> Reply[Mapping[str, str]]:
        """Which of the cards issued since then it sold to somebody as well: order numbers by the cards'."""

    async def refund(self, order_no: str, amount: int, key: str) -> Reply[str]:
        """Pay so much (minor units) of the order back, once per key; the shop's own number of it."""

    async def quarantine(self, order_no: str, fingerprint: str) -> Reply[None]:
        """Mark this code of the order as bad, and sell it no more; once, however often it is asked."""

    async def note(self, order_no: str, text: str) -> Reply[None]:
        """Write beside the order what became of it; never a code; the same text once."""

    async def close(self) -> None:
        """Let go of what is held open."""


class Powerless:
    """What a shop answers that has no power of its own; an adapter takes the place of what its shop can do."""

    powers: frozenset[Power] = frozenset()
    settles = timedelta(0)

    async def prove_owner(self, order_no: str, proof: str) -> ProofWay | None:
        return None

    async def contact_of(self, order_no: str) -> Reply[Contact]:
        return Reply(Answer.UNSUPPORTED)

    async def check_code(self, order_no: str, code: str) -> CodeCheck:
        return CodeCheck(Verdict.OTHER)

    async def stock(self, sku: str) -> Reply[Stock]:
        return Reply(Answer.UNSUPPORTED)

    async def origin_of(self, order_no: str, fingerprint: str) -> Reply[Origin]:
        return Reply(Answer.UNSUPPORTED)

    async def issue(self, order_no: str, sku: str, key: str) -> Reply[Issued]:
        return Reply(Answer.UNSUPPORTED)

    async def find_resold(self, sku: str, references: Collection[str], since: datetime) -> Reply[Mapping[str, str]]:
        return Reply(Answer.UNSUPPORTED)

    async def refund(self, order_no: str, amount: int, key: str) -> Reply[str]:
        return Reply(Answer.UNSUPPORTED)

    async def quarantine(self, order_no: str, fingerprint: str) -> Reply[None]:
        return Reply(Answer.UNSUPPORTED)

    async def note(self, order_no: str, text: str) -> Reply[None]:
        return Reply(Answer.UNSUPPORTED)

    async def close(self) -> None:
        """It holds nothing open."""
