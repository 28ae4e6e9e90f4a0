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
    # Misses on one order within `counted` after which not even newcomers may try: that many identities are one guesser.
    crowd: int = 50


@dataclass(frozen=True)
class Ownership:
    """Bindings and misses. Misses keep a keyed hash: what is typed as an order number may be anything, even a code."""

    vault: Vault
    rules: OwnershipRules = field(default_factory=OwnershipRules)

    async def locked_until(
        self, session: AsyncSession, now: datetime, identity_id: int | None, order_no: str
    ) -> datetime | None:
        """When this identity may try again on this order; None when it may now. Known and unknown orders lock alike.

        An identity that has missed nothing gets one try on a locked order: else a stranger who knows its number could
        keep its owner out. None is an identity that we have not met.
        """
        own = await self._misses(session, now, col(OwnershipMiss.identity_id) == identity_id)
        of_order = await self._misses(session, now, col(OwnershipMiss.order_hash) == self._hash(order_no))
        ends = [self._lock_end(own)]
        if own or len(of_order) >= self.rules.crowd:
            ends.append(self._lock_end(of_order))
        return max((end for end in ends if end is not None and end > now), default=None)

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

    async def _misses(self, session: AsyncSession, now: datetime, whose: ColumnElement[bool]) -> list[datetime]:
        """When these misses were, the latest first: as many as decide anything."""
        found = await session.exec(
            select(OwnershipMiss.at)
            .where(whose, col(OwnershipMiss.at) > now - self.rules.counted)
            .order_by(col(OwnershipMiss.at).desc())
            .limit(max(self.rules.lock_after, self.rules.crowd))
        )
        return list(found.all())

    def _lock_end(self, misses: list[datetime]) -> datetime | None:
        return misses[0] + self.rules.lock_for if len(misses) >= self.rules.lock_after else None

    def _hash(self, order_no: str) -> str:
        return hash_order(self.vault, order_no)


def hash_order(vault: Vault, order_no: str) -> str:
    """What is kept of an order number that was typed; the same however it was typed."""
    folded = unicodedata.normalize("NFKC", order_no).upper()
    return vault.keyed_hash("order", "".join(filter(str.isalnum, folded)))
