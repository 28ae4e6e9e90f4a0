"""What the ledgers know of one code of one order: read at once, by whoever holds the order's money."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import BindParameter, Connection, bindparam, func, select
from sqlmodel import col

from audit import rows
from shop.order_money import LIVE
from shop.provenance import Source
from shop.tables import Batch, Code, Refund, Replacement, RevealLink

_SHOP: BindParameter[str] = bindparam("shop")
_ORDER: BindParameter[str] = bindparam("order_no")


class Given(NamedTuple):
    """A replacement that the order got."""

    claim_id: int
    replaced_fingerprint: str
    code_id: int
    fingerprint: str
    chain: int
    issued_at: datetime


@dataclass(frozen=True, slots=True)
class History:
    """One code of one order."""

    brought_by: Given | None  # the replacement that gave it to the order; None: it was sold
    replaced_by: Given | None  # what was issued for it
    is_refunded: bool  # what was paid for it, or for the whole order: a refund is under way or done
    seen_at: datetime | None  # the first look at it
    source: Source | None  # where it came from, when it came through our own tables

    @property
    def given_at(self) -> datetime | None:
        """When it was issued in place of another."""
        return self.brought_by.issued_at if self.brought_by else None


_GIVEN = (
    select(*(getattr(Replacement, name) for name in Given._fields))
    .where(col(Replacement.shop) == _SHOP, col(Replacement.order_no) == _ORDER)
    .order_by(col(Replacement.id))
)
_REFUNDED = select(col(Refund.fingerprint)).where(col(Refund.shop) == _SHOP, col(Refund.order_no) == _ORDER, LIVE)
_SEEN = select(func.min(col(RevealLink.opened_at))).where(col(RevealLink.code_id) == col(Code.id))
_CODE: Any = (
    select(col(Batch.supplier_id), col(Batch.id), _SEEN.scalar_subquery())
    .join(Code, col(Code.batch_id) == col(Batch.id))
    .where(col(Code.fingerprint) == bindparam("fingerprint"))
)


def read_history(connection: Connection, shop: str, order_no: str, fingerprint: str) -> History:
    place = {"shop": shop, "order_no": order_no}
    given = [Given(*row) for row in rows.find_all(connection, _GIVEN, **place)]
    by_new = {one.fingerprint: one for one in given}
    refunded = {row[0] for row in rows.find_all(connection, _REFUNDED, **place)}
    code = rows.find(connection, _CODE, fingerprint=fingerprint)
    return History(
        brought_by=by_new.get(fingerprint),
        replaced_by=next((one for one in given if one.replaced_fingerprint == fingerprint), None),
        is_refunded=not refunded.isdisjoint({None, _sold(by_new, fingerprint)}),
        seen_at=code[2] if code else None,
        source=Source(*code[:2]) if code else None,
    )


def _sold(by_new: Mapping[str, Given], fingerprint: str) -> str:
    """The fingerprint of the code with which this one's chain began: that is what was paid for."""
    while (given := by_new.get(fingerprint)) is not None:
        fingerprint = given.replaced_fingerprint
    return fingerprint
