"""What is known of a claimed code before it is judged: read once, with the money of its order held."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, select
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from audit import rows
from shop import refunds
from shop.history import History, read_history
from shop.port import Order
from tickets import warranty
from tickets.claim_states import ClaimState
from tickets.tables import Claim, Outcome


class Filed(NamedTuple):
    """A claim about the code, whoever filed it."""

    id: int
    buyer_id: int
    state: str
    outcome: str | None
    why: str | None
    decided_at: datetime | None


_FILED = (
    select(*(getattr(Claim, name) for name in Filed._fields))
    .where(col(Claim.shop) == bindparam("shop"), col(Claim.order_no) == bindparam("order_no"))
    .where(col(Claim.fingerprint) == bindparam("fingerprint"))
    .order_by(col(Claim.id))
)


@dataclass(frozen=True, slots=True)
class Case:
    """One code of one order, with what was done about it before."""

    history: History
    filed: tuple[Filed, ...]

    def is_open(self) -> bool:
        return any(one.decided_at is None for one in self.filed)

    def outcomes_beside(self, claim_id: int | None) -> set[str]:
        """How other claims were decided. A refund of the code, or of its order, that is under way counts as one."""
        outcomes = {one.outcome for one in self.filed if one.outcome is not None and one.id != claim_id}
        return outcomes | ({Outcome.REFUND} if self.history.is_refunded else set())

    def count_silent(self, buyer_id: int) -> int:
        """How many claims of this buyer were closed because no screenshot came."""
        theirs = [one for one in self.filed if one.buyer_id == buyer_id and one.why == "proof"]
        return sum(one.state == ClaimState.CLOSED and one.outcome is None for one in theirs)

    def warranty_end(self, order: Order) -> datetime | None:
        """The last instant of the warranty, as far as is known here when the code was seen or given."""
        return warranty.ends_at(order, self.history.seen_at, self.history.given_at)


async def read_case(session: AsyncSession, shop: str, order_no: str, fingerprint: str) -> Case:
    """The case as it is; whoever decides on it holds the order's money, and reads it then."""
    return await rows.in_one_trip(session, lambda connection: _read(connection, shop, order_no, fingerprint))


async def hold_case(session: AsyncSession, claim: Claim) -> Case:
    """The order's money is held from here on: nobody refunds or replaces before the caller has done what they may."""
    await refunds.hold_order(session, claim.shop, claim.order_no, claim.currency)
    return await read_case(session, claim.shop, claim.order_no, claim.fingerprint)


def _read(connection: Connection, shop: str, order_no: str, fingerprint: str) -> Case:
    place = {"shop": shop, "order_no": order_no, "fingerprint": fingerprint}
    history = read_history(connection, **place)
    return Case(history, tuple(Filed(*row) for row in rows.find_all(connection, _FILED, **place)))
