"""Ownership: which identity has proved that an order is theirs, and when too many wrong proofs lock the question."""

import unicodedata
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from audit.trail import record
from shop.port import Order, ProofWay
from shop.vault import Vault
from tickets.tables import OrderBinding, OwnershipMiss


@dataclass(frozen=True, slots=True)
class OwnershipRules:
    lock_after: int = 5  # misses within `counted`
    lock_for: timedelta = timedelta(minutes=10)  # from the last of them
    # Misses older than this are forgotten. Longer than `lock_for`, so that a guesser gets one try per lock, not five.
    counted: timedelta = timedelta(hours=1)


@dataclass(frozen=True)
class Ownership:
    """Bindings and misses. Misses keep a keyed hash: what is typed as an order number may be anything, even a code."""

    vault: Vault
    rules: OwnershipRules = field(default_factory=OwnershipRules)

    async def locked_until(
        self, session: AsyncSession, now: datetime, identity_id: int, order_no: str
    ) -> datetime | None:
        """When this identity may try again on this order; None when it may now. Known and unknown orders lock alike."""
        of_identity = await self._lock_end(session, now, col(OwnershipMiss.identity_id) == identity_id)
        of_order = await self._lock_end(session, now, col(OwnershipMiss.order_hash) == self._hash(order_no))
        return max((end for end in (of_identity, of_order) if end is not None), default=None)

    async def miss(self, session: AsyncSession, now: datetime, identity_id: int, order_no: str) -> None:
        """Count a wrong proof."""
        order_hash = self._hash(order_no)
        session.add(OwnershipMiss(identity_id=identity_id, order_hash=order_hash, at=now))
        after = {"order_hash": order_hash[:12]}
        record(session, now, f"identity:{identity_id}", "ownership.missed", f"identity:{identity_id}", after=after)
        await session.flush()

    async def bind(self, session: AsyncSession, now: datetime, identity_id: int, order: Order, way: ProofWay) -> None:
        """Remember that this identity owns the order."""
        binding = OrderBinding(
            identity_id=identity_id, shop=order.shop, order_no=order.order_no, way=way, proved_at=now
        )
        try:
            async with session.begin_nested():
                session.add(binding)
        except IntegrityError:
            return  # proved before
        after = {"order": f"{order.shop}/{order.order_no}", "way": way}
        record(session, now, f"identity:{identity_id}", "ownership.proved", f"identity:{identity_id}", after=after)

    async def is_bound(self, session: AsyncSession, now: datetime, identity_id: int, shop: str, order_no: str) -> bool:
        """Whether this identity has proved the order before."""
        found = await session.exec(
            select(OrderBinding.id).where(
                OrderBinding.identity_id == identity_id, OrderBinding.shop == shop, OrderBinding.order_no == order_no
            )
        )
        return found.first() is not None

    async def _lock_end(self, session: AsyncSession, now: datetime, whose: ColumnElement[bool]) -> datetime | None:
        found = await session.exec(
            select(OwnershipMiss.at)
            .where(whose, col(OwnershipMiss.at) > now - self.rules.counted)
            .order_by(col(OwnershipMiss.at).desc())
            .limit(self.rules.lock_after)
        )
        misses = list(found.all())
        if len(misses) < self.rules.lock_after:
            return None
        end = misses[0] + self.rules.lock_for
        return end if end > now else None

    def _hash(self, order_no: str) -> str:
        folded = unicodedata.normalize("NFKC", order_no).upper()
        return self.vault.keyed_hash("order", "".join(filter(str.isalnum, folded)))
