"""What Kadesk asks of a supplier's own system, and the plain values it gets back.

As with shops, nothing is asked inside a transaction of ours, and a system that does not answer raises `ShopDown`.
"""

from dataclasses import dataclass, field
from typing import Protocol

from shop.port import Reply


@dataclass(frozen=True, slots=True)
class Bought:
    """An order of ours at a supplier."""

    is_over: bool  # it failed, or was paid back: there is nothing to complain about
    codes: tuple[str, ...] = field(default=(), repr=False)  # in every way they may be written; compare, never keep


@dataclass(frozen=True, slots=True)
class Said:
    """What a supplier decided about a complaint."""

    is_bad: bool  # they take the code back
    remark: str = ""  # their words, without anything that may be a code
    is_replaced: bool = False  # they gave another code for it, so that they owe no money; it is to be fetched there


class SupplierSite(Protocol):
    """One supplier's system."""

    async def find_order(self, order_no: str) -> Bought | None:
        """Our order with this number."""

    async def complain(self, order_no: str, subject: str, content: str) -> Reply[str]:
        """File a complaint, whose number there it answers ("": taken, and no number told).

        REFUSED: it was not taken. After a `ShopDown` nobody knows: never ask again without a look.
        """

    async def find_complaint(self, subject: str) -> str:
        """The number of a complaint that was filed with this subject; "" when none is seen."""

    async def find_answer(self, number: str) -> Said | None:
        """What they decided, None while they have not."""

    async def close(self) -> None:
        """Let go of what is held open."""
