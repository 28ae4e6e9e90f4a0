"""What the database knows about a claim and its buyer, brought together to be weighed."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import (
    BindParameter,
    Connection,
    Select,
    bindparam,
    case,
    distinct,
    func,
    literal,
    select,
    union,
    union_all,
)
from sqlmodel import col, or_
from sqlmodel.ext.asyncio.session import AsyncSession

from audit import rows
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
    same_buyer: int  # and of these, with the contact of this one, or from its place
    vouching: int  # and of these, without a claim
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
        counts, ties = await rows.in_one_trip(session, lambda connection: self._look(connection, now, claim, order))
        found = await _claims_before(session, now, claim, {claim.buyer_id, *alike.buyers}.union(*ties))
        claimants = {one.buyer_id for one in found} - {claim.buyer_id}  # who claims nothing takes nothing
        linked, tied = (ties.order | alike.buyers) & claimants, ties.contact & claimants
        known = [one for one in found if one.buyer_id in {claim.buyer_id, *linked, *tied}]
        batches = [claim.batch_id, *(one.batch_id for one in known)]
        believed = await self._believed(session, now, batches, claimants, claim)
        place, before = (claim.shop, claim.order_no), [one for one in known if one.id == counts.before_id]
        # A second round is about the same matter as the first.
        others = [one for one in known if one.id != counts.before_id]
        own = [one for one in others if one.buyer_id == claim.buyer_id]
        facts = Facts(
            codes=max(counts.codes, order.quantity),
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
            other_contact=counts.contacts - counts.same_buyer if order.contact and not counts.vouching else 0,
            others_codes=counts.others_codes,
            strays=counts.strays,
            wrong_proofs=counts.wrong_proofs,
            price=claim.price,
            currency=claim.currency,
            round=claim.round,
            second_rounds=sum(one.round > 1 for one in others),
            vouchers=max(believed.get(batch or 0, 0) for batch in (claim.batch_id, *(one.batch_id for one in before))),
            batch_buyers=believed.get(claim.batch_id or 0, 0),
            is_off_sale=await is_known_bad(session, claim.batch_id),
            known_for=now - counts.met_at,
            whole_orders=max(0, counts.orders - len({one.place for one in own} | {place})),
        )
        return self._count_claims(now, claim, facts, others, believed)

    def _count_claims(
        self, now: datetime, claim: Claim, facts: Facts, others: Sequence[Known], believed: Mapping[int, int]
    ) -> Facts:
        """What a person granted counts too: they may have been taken in. A bad batch explains the claims about it."""
        bad: set[int | None] = {batch for batch, buyers in believed.items() if buyers >= self.rules.batch_from}
        if facts.is_off_sale:
            bad.add(claim.batch_id)
        recent = [one for one in others if one.created_at > now - self.rules.window and one.batch_id not in bad]
        counted = [(one.created_at, *one.place) for one in recent]
        if claim.batch_id not in bad:
            counted.append((claim.created_at, claim.shop, claim.order_no))
        today = {one.place for one in recent if one.created_at > now - DAY} | {(claim.shop, claim.order_no)}
        together = len(counted) - len(set(counted))
        return replace(facts, claims=len(counted), together=together, orders_today=len(today))

    def _write(self, session: AsyncSession, now: datetime, claim: Claim, risk: Risk) -> None:
        before = {"risk": claim.risk} if claim.risk is not None else None
        claim.risk, claim.risk_points = risk.score, risk.as_rows()
        session.add(claim)
        if risk.points:
            after = {"risk": risk.score} | {str(one.signal): one.points for one in risk.points}
            record(session, now, "bot", "claim.weighed", f"claim:{claim.id}", before, after)

    def _look(self, connection: Connection, now: datetime, claim: Claim, order: Order) -> tuple[Counts, Ties]:
        counts = self._count(connection, now, claim, order)
        return counts, self._find_ties(connection, now, claim, order, counts.last_place)

    def _count(self, connection: Connection, now: datetime, claim: Claim, order: Order) -> Counts:
        """All in one statement: a claim waits for each."""
        counted = rows.find(
            connection,
            _counting(),
            buyer=claim.buyer_id,
            subject=f"buyer:{claim.buyer_id}",
            order_no=claim.order_no,
            order_hash=hash_order(self.vault, claim.order_no),
            contact=hash_contact(self.vault, order.contact),
            place=hash_place(self.vault, order.bought_from),
            fingerprint=claim.fingerprint,
            since=now - self.rules.window,
        )
        return Counts(*(counted or ()))

    def _find_ties(
        self, connection: Connection, now: datetime, claim: Claim, order: Order, last_place: str | None
    ) -> Ties:
        """Who shares an order, a contact or a place with this buyer: one statement, each part by an index."""
        contact = hash_contact(self.vault, order.contact)
        places = sorted({place for place in (order.bought_from, last_place) if place and is_place(place)})
        looked = {f"place{number}": place for number, place in enumerate(places)}
        bought = {f"place_hash{number}": hash_place(self.vault, place) for number, place in enumerate(places)}
        ties = rows.find_all(
            connection,
            _tying(contact is not None, len(places)),
            buyer=claim.buyer_id,
            shop=claim.shop,
            order_no=claim.order_no,
            contact=contact,
            remembered=now - MEMORY,
            since=now - self.rules.window,
            **looked,
            **bought,
        )
        by: dict[str, set[int]] = {name: set() for name in ("order", "contact", "bought", "looked")}
        for name, buyer in ties:
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


_BUYER: BindParameter[int] = bindparam("buyer")
_SINCE: BindParameter[datetime] = bindparam("since")
_ORDER_NO: BindParameter[str] = bindparam("order_no")


@cache
def _counting() -> Any:
    """The statement that brings `Counts`."""
    is_of = (col(ShopOrder.shop) == OrderBinding.shop) & (col(ShopOrder.order_no) == OrderBinding.order_no)
    is_other = (col(OrderBinding.order_no) != _ORDER_NO) & col(OrderBinding.contact_hash).is_not(None)
    is_alike = or_(
        col(OrderBinding.contact_hash) == bindparam("contact"), col(OrderBinding.place_hash) == bindparam("place")
    )
    claimed = select(col(Claim.id)).where(col(Claim.buyer_id) == _BUYER, col(Claim.shop) == OrderBinding.shop)
    is_claimed = claimed.where(col(Claim.order_no) == OrderBinding.order_no).correlate(OrderBinding).exists()
    missed = select(func.count()).select_from(OwnershipMiss)
    missed = missed.where(col(OwnershipMiss.order_hash) == bindparam("order_hash"), col(OwnershipMiss.at) > _SINCE)
    before = select(col(Replacement.claim_id)).where(col(Replacement.fingerprint) == bindparam("fingerprint"))
    seen = select(func.min(col(RevealLink.opened_at))).join(Code, col(Code.id) == col(RevealLink.code_id))
    looks = _looks(col(RevealLink.opened_from)).where(col(Claim.buyer_id) == _BUYER)
    return (
        select(
            func.coalesce(func.sum(func.coalesce(col(ShopOrder.quantity), 1)), 0),
            func.count(),
            func.coalesce(func.sum(case((is_other, 1), else_=0)), 0),
            func.coalesce(func.sum(case((is_other & is_alike, 1), else_=0)), 0),
            func.coalesce(func.sum(case((is_other & is_alike & ~is_claimed, 1), else_=0)), 0),
            before.scalar_subquery(),
            missed.scalar_subquery(),
            _audited(STRAYED).scalar_subquery(),
            _audited(TRIED).scalar_subquery(),
            seen.where(col(Code.fingerprint) == bindparam("fingerprint")).scalar_subquery(),
            looks.order_by(col(RevealLink.opened_at).desc()).limit(1).scalar_subquery(),
            select(col(Buyer.created_at)).where(col(Buyer.id) == _BUYER).scalar_subquery(),
        )
        .select_from(OrderBinding)
        .join(Identity, col(Identity.id) == col(OrderBinding.identity_id))
        .join(ShopOrder, is_of, isouter=True)
        .where(col(Identity.buyer_id) == _BUYER)
    )


@cache
def _tying(has_contact: bool, places: int) -> Any:
    """The statement that brings the buyers of `Ties`, each with the name of the tie."""
    parts = {"order": _of_orders()}
    if has_contact:
        parts["contact"] = _bound(col(OrderBinding.contact_hash) == bindparam("contact"))
    if places:
        hashes: Any = [bindparam(f"place_hash{number}") for number in range(places)]
        parts["bought"] = _bound(col(OrderBinding.place_hash).in_(hashes), col(OrderBinding.proved_at) > _SINCE)
        opened_from: Any = [bindparam(f"place{number}") for number in range(places)]
        looked = _looks(col(Claim.buyer_id)).where(col(RevealLink.opened_from).in_(opened_from))
        parts["looked"] = looked.distinct().limit(CROWD)
    return union_all(*(select(literal(name), *part.subquery().c) for name, part in parts.items()))


def _of_orders() -> Any:
    """Buyers who claimed about, or proved, orders that this one has proved, or who claimed about this order."""
    mine = (
        select(col(OrderBinding.shop), col(OrderBinding.order_no))
        .join(Identity, col(Identity.id) == col(OrderBinding.identity_id))
        .where(col(Identity.buyer_id) == _BUYER)
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
        col(Claim.shop) == bindparam("shop"),
        col(Claim.order_no) == _ORDER_NO,
        col(Claim.created_at) > bindparam("remembered"),
    )
    return union(claimed, proved, of_order)


def _bound(*these: Any) -> Any:
    """Whose orders these bindings are, as far as they are looked at."""
    buyers = select(col(Identity.buyer_id)).join(OrderBinding, col(OrderBinding.identity_id) == col(Identity.id))
    return buyers.where(*these).distinct().limit(CROWD)


def _looks(column: Any) -> Any:
    """Looks at replacements since then, with the claims that brought them."""
    looks = select(column).select_from(RevealLink).join(Replacement, col(Replacement.code_id) == RevealLink.code_id)
    return looks.join(Claim, col(Claim.id) == col(Replacement.claim_id)).where(col(RevealLink.opened_at) > _SINCE)


async def _claims_before(session: AsyncSession, now: datetime, claim: Claim, buyers: Collection[int]) -> list[Known]:
    """What these buyers claimed beside, the newest first."""
    theirs = {f"buyer{number}": buyer for number, buyer in enumerate(buyers)}
    before = _before(len(theirs))
    found = await rows.in_one_trip(
        session, lambda connection: rows.find_all(connection, before, remembered=now - MEMORY, claim=claim.id, **theirs)
    )
    return [Known(*row) for row in found]


@cache
def _before(buyers: int) -> Any:
    columns: Any = [getattr(Claim, name) for name in Known._fields]
    return (
        select(*columns)
        .where(col(Claim.buyer_id).in_([bindparam(f"buyer{number}") for number in range(buyers)]))
        .where(col(Claim.created_at) > bindparam("remembered"), col(Claim.id) != bindparam("claim"))
        .order_by(col(Claim.id).desc())
        .limit(MOST_CLAIMS)
    )


async def _rows(session: AsyncSession, statement: Any) -> Sequence[Any]:
    """The rows of a plain statement, which this session's own types do not foresee."""
    found: Sequence[Any] = (await session.exec(statement)).all()
    return found


def _audited(action: str) -> Select[int]:
    mine = select(func.count()).where(col(AuditRow.subject) == bindparam("subject"))
    return mine.where(col(AuditRow.action) == action, col(AuditRow.at) > _SINCE)
