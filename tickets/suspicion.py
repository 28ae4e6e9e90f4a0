"""What the database knows about a claim and its buyer, brought together to be weighed."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Select, case, distinct, func, literal, select, union, union_all
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
from tickets.ownership import hash_contact, hash_order, hash_place, is_place
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
CROWD = 20  # buyers at one place that are looked at: so many have nothing to do with each other
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
    round: int

    @property
    def place(self) -> tuple[str, str]:
        return self.shop, self.order_no


class Counts(NamedTuple):
    """What one statement counts."""

    codes: int  # of the orders that the buyer has proved
    orders: int
    contacts: int  # other orders of these whose contact the shop told
    same_contact: int  # and of these, with the contact of this one
    before_id: int | None  # the claim that brought the code claimed
    wrong_proofs: int
    strays: int
    others_codes: int
    seen_at: datetime | None  # the first look at the code claimed
    last_place: str | None  # where the buyer last opened a code
    met_at: datetime


class Ties(NamedTuple):
    """Other buyers, by what they share with this one."""

    order: set[int]
    contact: set[int]
    place: set[int]


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
        alike = await pictures.attach_and_compare(session, now, claim)
        counts = await self._count(session, now, claim, order)
        ties = await self._find_ties(session, now, claim, order, counts.last_place)
        all_known = await _claims_before(session, now, claim, {claim.buyer_id, *alike.buyers}.union(*ties))
        claimants = {one.buyer_id for one in all_known} - {claim.buyer_id}  # who claims nothing takes nothing
        linked, tied = (ties.order | alike.buyers) & claimants, ties.contact & claimants
        known = [one for one in all_known if one.buyer_id in {claim.buyer_id, *linked, *tied}]
        batches = [claim.batch_id, *(one.batch_id for one in known)]
        believed = await self._believed(session, now, batches, claimants, claim)
        # What a person granted counts too: they may have been taken in. A bad batch explains the claims about it, and
        # a second round is about the same matter as the first.
        others = [one for one in known if one.id != counts.before_id]
        recent = [one for one in others if one.created_at > now - self.rules.window]
        is_off_sale = await is_known_bad(session, claim.batch_id)
        bad = {batch for batch, buyers in believed.items() if buyers >= self.rules.batch_from}
        bad |= {claim.batch_id} if is_off_sale and claim.batch_id else set()
        recent = [one for one in recent if one.batch_id not in bad]
        own, place = [one for one in others if one.buyer_id == claim.buyer_id], (claim.shop, claim.order_no)
        today = {one.place for one in recent if one.created_at > now - DAY}
        batch_before = next((one.batch_id for one in known if one.id == counts.before_id), None)
        counted = [(one.created_at, *one.place) for one in recent]
        counted += [(claim.created_at, *place)] if claim.batch_id not in bad else []
        return Facts(
            claims=len(counted),
            together=len(counted) - len(set(counted)),
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
            same_contact=len(tied - linked),
            same_place=len(ties.place & claimants - linked - tied) if len(ties.place) < CROWD else 0,
            other_contact=counts.contacts if order.contact and not counts.same_contact else 0,
            others_codes=counts.others_codes,
            strays=counts.strays,
            wrong_proofs=counts.wrong_proofs,
            price=claim.price,
            round=claim.round,
            second_rounds=sum(one.round > 1 for one in others),
            vouchers=max(believed.get(claim.batch_id or 0, 0), believed.get(batch_before or 0, 0)),
            batch_buyers=believed.get(claim.batch_id or 0, 0),
            is_off_sale=is_off_sale,
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

    async def _count(self, session: AsyncSession, now: datetime, claim: Claim, order: Order) -> Counts:
        """All in one statement: a claim waits for each."""
        is_of = (col(ShopOrder.shop) == OrderBinding.shop) & (col(ShopOrder.order_no) == OrderBinding.order_no)
        contact = hash_contact(self.vault, order.contact)
        is_other = (col(OrderBinding.order_no) != claim.order_no) & col(OrderBinding.contact_hash).is_not(None)
        since, order_hash = now - self.rules.window, hash_order(self.vault, claim.order_no)
        missed = select(func.count()).select_from(OwnershipMiss)
        missed = missed.where(col(OwnershipMiss.order_hash) == order_hash, col(OwnershipMiss.at) > since)
        seen = select(func.min(col(RevealLink.opened_at))).join(Code, col(Code.id) == col(RevealLink.code_id))
        counted = (
            select(
                func.coalesce(func.sum(func.coalesce(col(ShopOrder.quantity), 1)), 0),
                func.count(),
                func.coalesce(func.sum(case((is_other, 1), else_=0)), 0),
                func.coalesce(func.sum(case((is_other & (col(OrderBinding.contact_hash) == contact), 1), else_=0)), 0),
                select(col(Replacement.claim_id))
                .where(col(Replacement.fingerprint) == claim.fingerprint)
                .scalar_subquery(),
                missed.scalar_subquery(),
                _audited(claim, STRAYED, since).scalar_subquery(),
                _audited(claim, TRIED, since).scalar_subquery(),
                seen.where(col(Code.fingerprint) == claim.fingerprint).scalar_subquery(),
                _looks(since, col(RevealLink.opened_from))
                .where(col(Claim.buyer_id) == claim.buyer_id)
                .order_by(col(RevealLink.opened_at).desc())
                .limit(1)
                .scalar_subquery(),
                select(col(Buyer.created_at)).where(col(Buyer.id) == claim.buyer_id).scalar_subquery(),
            )
            .select_from(OrderBinding)
            .join(Identity, col(Identity.id) == col(OrderBinding.identity_id))
            .join(ShopOrder, is_of, isouter=True)
            .where(col(Identity.buyer_id) == claim.buyer_id)
        )
        return Counts(*(await _rows(session, counted))[0])

    async def _find_ties(
        self, session: AsyncSession, now: datetime, claim: Claim, order: Order, last_place: str | None
    ) -> Ties:
        """Who shares an order, a contact or a place with this buyer: one statement, each part by an index."""
        since = now - self.rules.window
        parts = {"order": _of_orders(now, claim)}
        if contact := hash_contact(self.vault, order.contact):
            parts["contact"] = _bound(col(OrderBinding.contact_hash) == contact)
        if places := {place for place in (order.bought_from, last_place) if place and is_place(place)}:
            hashes = [hash_place(self.vault, place) for place in places]
            parts["bought"] = _bound(col(OrderBinding.place_hash).in_(hashes), col(OrderBinding.proved_at) > since)
            looked = _looks(since, col(Claim.buyer_id)).where(col(RevealLink.opened_from).in_(places))
            parts["looked"] = looked.distinct().limit(CROWD)
        by: dict[str, set[int]] = {name: set() for name in ("order", "contact", "bought", "looked")}
        named = [select(literal(name), *part.subquery().c) for name, part in parts.items()]
        for name, buyer in await _rows(session, union_all(*named)):
            by[name].add(buyer)
        return Ties(by["order"], by["contact"], by["bought"] | by["looked"])

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


def _of_orders(now: datetime, claim: Claim) -> Any:
    """Buyers who claimed about, or proved, orders that this one has proved, or who claimed about this order."""
    mine = (
        select(col(OrderBinding.shop), col(OrderBinding.order_no))
        .join(Identity, col(Identity.id) == col(OrderBinding.identity_id))
        .where(col(Identity.buyer_id) == claim.buyer_id)
        .subquery()
    )
    claimed = select(col(Claim.buyer_id)).join(
        mine, (mine.c.shop == col(Claim.shop)) & (mine.c.order_no == col(Claim.order_no))
    )
    proved = (
        select(col(Identity.buyer_id))
        .join(OrderBinding, col(OrderBinding.identity_id) == col(Identity.id))
        .join(mine, (mine.c.shop == col(OrderBinding.shop)) & (mine.c.order_no == col(OrderBinding.order_no)))
    )
    of_order = select(col(Claim.buyer_id)).where(
        col(Claim.shop) == claim.shop, col(Claim.order_no) == claim.order_no, col(Claim.created_at) > now - MEMORY
    )
    return union(claimed, proved, of_order)


def _bound(*these: Any) -> Any:
    """Whose orders these bindings are, as far as they are looked at."""
    buyers = select(col(Identity.buyer_id)).join(OrderBinding, col(OrderBinding.identity_id) == col(Identity.id))
    return buyers.where(*these).distinct().limit(CROWD)


def _looks(since: datetime, column: Any) -> Any:
    """Looks at replacements since then, with the claims that brought them."""
    looks = select(column).select_from(RevealLink).join(Replacement, col(Replacement.code_id) == RevealLink.code_id)
    return looks.join(Claim, col(Claim.id) == col(Replacement.claim_id)).where(col(RevealLink.opened_at) > since)


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
