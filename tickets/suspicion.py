"""What the database knows about a claim and its buyer, brought together to be weighed."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Select, distinct, func, select, union
from sqlmodel import col, or_
from sqlmodel.ext.asyncio.session import AsyncSession

from audit.tables import AuditRow
from audit.trail import record
from shop.batches import is_known_bad
from shop.port import Order
from shop.tables import Code, CodeState, Replacement, RevealLink, ShopOrder
from shop.vault import Vault
from tickets import pictures
from tickets.claim_states import ClaimState
from tickets.claims import Stop
from tickets.ownership import hash_order
from tickets.risk import Facts, Risk, RiskRules, needs_person, weigh
from tickets.tables import (
    Buyer,
    Claim,
    Conversation,
    Identity,
    OrderBinding,
    Outcome,
    OwnershipMiss,
)

DAY = timedelta(days=1)
MEMORY = timedelta(days=180)  # claims that are older are forgiven
MOST_CLAIMS = 200  # of one buyer that are looked at, the newest
STRAYED, TRIED = "claim.strayed", "claim.others_code_tried"  # audit actions that are counted
REFUNDS = (Outcome.REFUND, Outcome.PARTIAL_REFUND)


class Known(NamedTuple):
    """An earlier claim."""

    id: int
    buyer_id: int
    created_at: datetime
    shop: str
    order_no: str
    outcome: str | None
    batch_id: int | None

    @property
    def place(self) -> tuple[str, str]:
        return self.shop, self.order_no


class Counts(NamedTuple):
    """What one statement counts."""

    codes: int  # of the orders that the buyer has proved
    orders: int
    wrong_proofs: int
    strays: int
    others_codes: int
    seen_at: datetime | None  # the first look at the code claimed
    met_at: datetime


@dataclass(frozen=True)
class Suspicion:
    """A gate of claims: each is weighed before the bot decides, and held for a person from a threshold."""

    vault: Vault
    rules: RiskRules = field(default_factory=RiskRules)

    async def __call__(self, session: AsyncSession, now: datetime, claim: Claim, order: Order) -> Stop | None:
        """Write down how risky the claim is, and why."""
        risk = weigh(await self.collect(session, now, claim, order), self.rules)
        self._write(session, now, claim, risk)
        return Stop("risk", ClaimState.HELD) if needs_person(risk, self.rules) else None

    async def collect(self, session: AsyncSession, now: datetime, claim: Claim, order: Order) -> Facts:
        """The facts of a claim that was just filed; pictures that its buyer sent for it are its evidence from here."""
        await pictures.attach(session, now, claim)
        alike = await pictures.find_alike(session, now, claim)
        linked = await _linked(session, now, claim) | alike.buyers
        known = await _claims_before(session, now, claim, {claim.buyer_id, *linked})
        counts = await self._count(session, now, claim)
        believed = await self._believed(session, now, [claim.batch_id, *(one.batch_id for one in known)], linked, claim)
        # What a person granted counts too: they may have been taken in. A bad batch explains the claims about it.
        recent = [one for one in known if one.created_at > now - self.rules.window]
        recent = [one for one in recent if believed.get(one.batch_id or 0, 0) < self.rules.batch_from]
        own, place = [one for one in known if one.buyer_id == claim.buyer_id], (claim.shop, claim.order_no)
        today = {one.place for one in recent if one.created_at > now - DAY}
        return Facts(
            claims=1 + len(recent),
            codes=max(counts.codes, order.quantity),
            orders_today=len(today | {place}),
            of_order=1 + sum(one.place == place for one in own),
            quantity=order.quantity,
            age=now - order.delivered_at if order.delivered_at else None,
            seen_for=now - counts.seen_at if counts.seen_at else None,
            refused=sum(one.outcome == Outcome.REJECT for one in known),
            refunded=sum(one.outcome in REFUNDS and one.place == place for one in own),
            same_picture=alike.same,
            like_picture=alike.like,
            linked=len(linked),
            others_codes=counts.others_codes,
            strays=counts.strays,
            wrong_proofs=counts.wrong_proofs,
            price=claim.price,
            batch_buyers=believed.get(claim.batch_id or 0, 0),
            is_off_sale=await is_known_bad(session, claim.batch_id),
            known_for=now - counts.met_at,
            whole_orders=max(0, counts.orders - len({one.place for one in own} | {place})),
        )

    def _write(self, session: AsyncSession, now: datetime, claim: Claim, risk: Risk) -> None:
        before = {"risk": claim.risk} if claim.risk is not None else None
        claim.risk, claim.risk_points = risk.score, risk.as_rows()
        session.add(claim)
        if risk.points:
            after = {"risk": risk.score} | {str(one.signal): one.points for one in risk.points}
            record(session, now, "bot", "claim.weighed", f"claim:{claim.id}", before, after)

    async def _count(self, session: AsyncSession, now: datetime, claim: Claim) -> Counts:
        is_of = (col(ShopOrder.shop) == OrderBinding.shop) & (col(ShopOrder.order_no) == OrderBinding.order_no)
        bound = (
            select(func.coalesce(func.sum(func.coalesce(col(ShopOrder.quantity), 1)), 0), func.count())
            .select_from(OrderBinding)
            .join(Identity, col(Identity.id) == col(OrderBinding.identity_id))
            .join(ShopOrder, is_of, isouter=True)
            .where(col(Identity.buyer_id) == claim.buyer_id)
        )
        codes, orders = (await _rows(session, bound))[0]
        since, order_hash = now - self.rules.window, hash_order(self.vault, claim.order_no)
        missed = select(func.count()).select_from(OwnershipMiss)
        missed = missed.where(col(OwnershipMiss.order_hash) == order_hash, col(OwnershipMiss.at) > since)
        seen = select(func.min(col(RevealLink.opened_at))).join(Code, col(Code.id) == col(RevealLink.code_id))
        counted = select(
            missed.scalar_subquery(),
            _audited(claim, STRAYED, since).scalar_subquery(),
            _audited(claim, TRIED, since).scalar_subquery(),
            seen.where(col(Code.fingerprint) == claim.fingerprint).scalar_subquery(),
            select(col(Buyer.created_at)).where(col(Buyer.id) == claim.buyer_id).scalar_subquery(),
        )
        return Counts(codes, orders, *(await _rows(session, counted))[0])

    async def _believed(
        self, session: AsyncSession, now: datetime, batches: Sequence[int | None], linked: Collection[int], claim: Claim
    ) -> dict[int, int]:
        """By batch: other buyers, with nothing to do with this one, whose claims about it nobody doubts."""
        if not (ours := {batch for batch in batches if batch is not None}):
            return {}
        limit = self.rules.person_from
        undoubted = or_(
            col(Claim.risk).is_(None),
            col(Claim.risk) < limit if limit else col(Claim.risk).is_not(None),
            col(Claim.outcome).in_((Outcome.REPLACE, *REFUNDS)),
        )
        others = (
            select(col(Claim.batch_id), func.count(distinct(col(Claim.buyer_id))))
            .where(col(Claim.batch_id).in_(ours), col(Claim.created_at) > now - self.rules.window, undoubted)
            .where(col(Claim.buyer_id).not_in({claim.buyer_id, *linked}))
            .where(or_(col(Claim.outcome).is_(None), col(Claim.outcome) != Outcome.REJECT))
            .group_by(col(Claim.batch_id))
        )
        return {row[0]: row[1] for row in await _rows(session, others)}


async def note_strays(
    session: AsyncSession, now: datetime, vault: Vault, conversation: Conversation, typed: Iterable[str]
) -> None:
    """Codes were typed that the order did not deliver: remember it, and whether another order did. Never whose."""
    prints = [vault.fingerprint(text) for text in typed]
    # A code that nobody has bought is a lucky guess, no other buyer's.
    theirs = select(col(Code.id)).where(col(Code.fingerprint).in_(prints), col(Code.state) != CodeState.FREE)
    is_sold = bool(await _rows(session, theirs.limit(1)))
    subject = f"buyer:{conversation.buyer_id}"
    record(session, now, subject, TRIED if is_sold else STRAYED, subject)


async def _linked(session: AsyncSession, now: datetime, claim: Claim) -> set[int]:
    """Other buyers who claimed about orders that this one has proved, or about this order."""
    mine = (
        select(col(OrderBinding.shop), col(OrderBinding.order_no))
        .join(Identity, col(Identity.id) == col(OrderBinding.identity_id))
        .where(col(Identity.buyer_id) == claim.buyer_id)
        .subquery()
    )
    replaced = (
        select(col(Claim.buyer_id))
        .join(Replacement, col(Replacement.claim_id) == col(Claim.id))
        .join(mine, (mine.c.shop == col(Replacement.shop)) & (mine.c.order_no == col(Replacement.order_no)))
    )
    still_open = (
        select(col(Claim.buyer_id))
        .join(mine, (mine.c.shop == col(Claim.shop)) & (mine.c.order_no == col(Claim.order_no)))
        .where(col(Claim.decided_at).is_(None))
    )
    of_order = select(col(Claim.buyer_id)).where(
        col(Claim.shop) == claim.shop,
        col(Claim.sku) == claim.sku,
        col(Claim.created_at) > now - MEMORY,
        col(Claim.order_no) == claim.order_no,
    )
    found = await _rows(session, union(replaced, still_open, of_order))
    return {buyer for (buyer,) in found if buyer != claim.buyer_id}


async def _claims_before(session: AsyncSession, now: datetime, claim: Claim, buyers: Collection[int]) -> list[Known]:
    """What these buyers claimed beside, the newest first."""
    columns: Any = [getattr(Claim, name) for name in Known._fields]
    found = await _rows(
        session,
        select(*columns)
        .where(col(Claim.buyer_id).in_(buyers), col(Claim.created_at) > now - MEMORY, col(Claim.id) != claim.id)
        .order_by(col(Claim.id).desc())
        .limit(MOST_CLAIMS),
    )
    return [Known(*row) for row in found]


async def _rows(session: AsyncSession, statement: Any) -> Sequence[Any]:
    """The rows of a plain statement, which this session's own types do not foresee."""
    found: Sequence[Any] = (await session.exec(statement)).all()
    return found


def _audited(claim: Claim, action: str, since: datetime) -> Select[int]:
    mine = select(func.count()).where(col(AuditRow.subject) == f"buyer:{claim.buyer_id}")
    return mine.where(col(AuditRow.action) == action, col(AuditRow.at) > since)
