"""Ownership: which identity has proved that an order is theirs, and when too many wrong proofs lock the question."""

import unicodedata
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import ip_address

from sqlalchemy import ColumnElement
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from audit.once import add_once
from audit.tables import AuditRow
from audit.trail import record
from shop.port import Order, ProofWay
from shop.vault import Vault
from tickets.desk import Desk
from tickets.notices import find_staff, written
from tickets.tables import Level, Notice, OrderBinding, OwnershipMiss
from tickets.turns import take_turn

EVERYBODY = "ownership:everybody"  # the subject of what is recorded of a crowd, and its turn
TOLD_AGAIN = timedelta(days=1)  # of a crowd that does not end


@dataclass(frozen=True, slots=True)
class OwnershipRules:
    lock_after: int = 5  # misses within `counted`
    lock_for: timedelta = timedelta(minutes=10)  # from the last of them
    # Misses older than this are forgotten. Longer than `lock_for`, so that a guesser gets one try per lock, not five.
    counted: timedelta = timedelta(hours=1)
    # Misses on one order within `counted` after which not even newcomers may try: that many identities are one guesser.
    crowd: int = 50
    # Misses of all identities on all orders within `counted` from which on every identity has one try per `lock_for`.
    crowd_all: int = 200


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
        keep its owner out. None is an identity that we have not met. While a crowd guesses, one miss locks its
        identity: many accounts are as many tries, and a buyer who mistypes waits for one lock.
        """
        own = await self._misses(session, now, col(OwnershipMiss.identity_id) == identity_id)
        of_order = await self._misses(session, now, col(OwnershipMiss.order_hash) == self._hash(order_no))
        ends = [self._lock_end(own)]
        if own or len(of_order) >= self.rules.crowd:
            ends.append(self._lock_end(of_order))
        if own and await self.is_crowded(session, now):
            ends.append(own[0] + self.rules.lock_for)
        return max((end for end in ends if end is not None and end > now), default=None)

    async def miss(self, session: AsyncSession, now: datetime, identity_id: int, order_no: str) -> None:
        """Count a wrong proof."""
        order_hash = self._hash(order_no)
        session.add(OwnershipMiss(identity_id=identity_id, order_hash=order_hash, at=now))
        after = {"order_hash": order_hash[:12]}
        record(session, now, f"identity:{identity_id}", "ownership.missed", f"identity:{identity_id}", after=after)
        await session.flush()

    async def is_crowded(self, session: AsyncSession, now: datetime) -> bool:
        """Whether so many proofs go wrong everywhere that somebody is guessing."""
        since = col(OwnershipMiss.at) > now - self.rules.counted
        found = select(OwnershipMiss.id).where(since).order_by(col(OwnershipMiss.at)).offset(self.rules.crowd_all - 1)
        return (await session.exec(found.limit(1))).first() is not None

    async def warn(self, session: AsyncSession, now: datetime, desk: Desk) -> bool:
        """Tell the managers of a crowd, once a day while it lasts. Returns whether they were told now."""
        if not await self.is_crowded(session, now) or await _is_told(session, now):
            return False
        await take_turn(session, now, EVERYBODY)
        if await _is_told(session, now):  # by another, while we waited
            return False
        record(session, now, "system", "ownership.crowded", EVERYBODY, after={"misses": self.rules.crowd_all})
        hours = f"{self.rules.counted / timedelta(hours=1):g}"
        text = desk.say(desk.rules.staff_language, "notice.crowd", count=self.rules.crowd_all, hours=hours)
        people = (await find_staff(session)).told(Level.MANAGER, "about wrong proofs")
        session.add_all(Notice(**row) for row in written(now, desk.rules.quiet, None, Level.MANAGER, text, people))
        return True

    async def bind(self, session: AsyncSession, now: datetime, identity_id: int, order: Order, way: ProofWay) -> None:
        """Remember that this identity owns the order."""
        binding = OrderBinding(
            identity_id=identity_id,
            shop=order.shop,
            order_no=order.order_no,
            way=way,
            proved_at=now,
            contact_hash=hash_contact(self.vault, order.contact),
            place_hash=hash_place(self.vault, order.bought_from),
        )
        if not await add_once(session, binding):
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


async def _is_told(session: AsyncSession, now: datetime) -> bool:
    told = select(AuditRow.id).where(AuditRow.subject == EVERYBODY, AuditRow.action == "ownership.crowded")
    return (await session.exec(told.where(col(AuditRow.at) > now - TOLD_AGAIN).limit(1))).first() is not None


def hash_contact(vault: Vault, contact: str) -> str | None:
    """What is kept of the mail or number of an order; the same in every shop and spelling. None of none."""
    folded = "".join(unicodedata.normalize("NFKC", contact).casefold().split())
    return vault.keyed_hash("contact", folded) if folded else None


def hash_place(vault: Vault, address: str) -> str | None:
    """What is kept of a network address; None of one that says nothing of who is there: a proxy's, a loopback."""
    return vault.keyed_hash("place", address) if is_place(address) else None


def is_place(address: str) -> bool:
    """Whether this is an address of the open network."""
    try:
        return ip_address(address).is_global
    except ValueError:
        return False


def hash_order(vault: Vault, order_no: str) -> str:
    """What is kept of an order number that was typed; the same however it was typed."""
    folded = unicodedata.normalize("NFKC", order_no).upper()
    return vault.keyed_hash("order", "".join(filter(str.isalnum, folded)))
