"""Claims: what a buyer says about one code of one order, and what becomes of it.

A claim is settled by the ledger in the same transaction, or it opens a ticket. One code has one open claim at most, and
the ledger issues one replacement per code, whoever files how often at once.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from audit.trail import record
from shop import ledger, reveals
from shop.errors import AlreadyReplaced, ChainTooLong, PoolEmpty, ShopError
from shop.port import CodeRef, Goods, Order, OrderStatus
from shop.tables import RevealLink
from shop.vault import Vault
from tickets.changes import lock_ticket
from tickets.desk import Desk
from tickets.errors import AlreadyCompensated, NoOpenClaim
from tickets.links import MARK, Links
from tickets.tables import Claim, Conversation, Level, Ticket, Trigger, id_of
from tickets.tables import Outcome as Outcome
from tickets.tables import Reason as Reason

AUTO_REASONS = frozenset(
    {Reason.ALREADY_USED, Reason.DOES_NOT_EXIST, Reason.NOT_ACTIVATED, Reason.EXPIRED, Reason.WRONG_VALUE}
)
# Outcomes that give the buyer their money back; who has that gets no code as well.
REFUNDS = frozenset({Outcome.REFUND, Outcome.PARTIAL_REFUND})
# What the ledger refuses, as the `why` of a claim.
REFUSALS: dict[type[ShopError], str] = {
    AlreadyReplaced: "already_replaced",
    ChainTooLong: "chain_too_long",
    PoolEmpty: "pool_empty",
}


@dataclass(frozen=True, slots=True)
class ClaimRules:
    """What the bot may settle by itself."""

    reveal_url: Callable[[str], str]  # token → link
    reveal_ttl: timedelta = timedelta(hours=24)
    auto_limit: int = 20_000  # minor units: the price up to which a code is replaced without a person
    auto_reasons: frozenset[Reason] = AUTO_REASONS


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of a claim."""

    claim: Claim
    kind: Literal["replaced", "link", "ticket"]  # "link": the code it was given before, by a new link
    why: str  # "auto", or why a person must look: see `why_not` and `REFUSALS`
    link: RevealLink | None = field(default=None, repr=False)  # the one look at the new code
    ticket: Ticket | None = None
    is_repeat: bool = False  # the same claim was open before


def why_not(now: datetime, order: Order, reason: Reason, rules: ClaimRules) -> str | None:
    """Why the bot may not replace a code by itself; None when it may."""
    if order.refunded > 0:
        return "refunded"
    if order.status != OrderStatus.DELIVERED or order.delivered_at is None:
        return "not_delivered"
    if reason not in rules.auto_reasons:
        return "reason"
    if order.goods.price > rules.auto_limit:
        return "over_limit"
    if now > order.delivered_at + order.goods.warranty:
        return "warranty_over"
    return None


@dataclass(frozen=True)
class Claims:
    """The verbs of a claim."""

    desk: Desk
    vault: Vault
    rules: ClaimRules

    @property
    def links(self) -> Links:
        """What puts the addresses of reveal links into messages."""
        return Links(self.vault, self.rules.reveal_url, self.desk.say)

    async def file(
        self,
        session: AsyncSession,
        now: datetime,
        conversation: Conversation,
        order: Order,
        code: CodeRef,
        reason: Reason,
    ) -> Settled:
        """Settle a claim at once where the rules allow it, else open a ticket; filed again, it finds that ticket.

        Whoever has a replacement that nobody has seen yet gets its link again, never another code.
        """
        if (again := await self._link_again(session, now, conversation, order, code)) is not None:
            return again
        claim = await _find_open(session, order, code) or await _create(session, now, conversation, order, code, reason)
        if claim.ticket_id is not None:
            ticket = await session.get_one(Ticket, claim.ticket_id)
            return Settled(claim, "ticket", claim.why or "", ticket=ticket, is_repeat=True)
        why = why_not(now, order, reason, self.rules)
        if why is None and await _outcomes_before(session, claim):
            why = "decided_before"
        if await ledger.find_replacement(session, order.shop, order.order_no, code.fingerprint) is not None:
            why = "already_replaced"
        if why is None:
            try:
                link = await self._issue(session, now, claim, order, code, actor="bot", why="auto")
            except (AlreadyReplaced, ChainTooLong, PoolEmpty) as refusal:
                why = REFUSALS[type(refusal)]
            else:
                return Settled(claim, "replaced", "auto", link=link)
        return await self._open_ticket(session, now, conversation, claim, why)

    async def replace(self, session: AsyncSession, now: datetime, ticket_id: int, agent_id: int) -> Settled:
        """An agent grants the replacement of the ticket's claim: the link goes to the buyer, and its delivery handles.

        Raises `NoOpenClaim`, `AlreadyCompensated`, and what the ledger raises: `PoolEmpty`, `AlreadyReplaced`.
        """
        ticket = await lock_ticket(session, ticket_id)
        found = await session.exec(
            select(Claim)
            .where(Claim.ticket_id == ticket_id, col(Claim.decided_at).is_(None))
            .order_by(col(Claim.id))
            .limit(1)
        )
        claim = found.first()
        if claim is None:
            raise NoOpenClaim(number=ticket.number)
        if REFUNDS & await _outcomes_before(session, claim):
            raise AlreadyCompensated(number=ticket.number)
        code = CodeRef(claim.fingerprint, claim.masked, claim.position)
        actor = f"agent:{agent_id}"
        link = await self._issue(session, now, claim, _order_as_filed(claim), code, actor=actor, why="agent")
        words = {"product": claim.product_name, "masked": claim.masked, "link": MARK}
        text = await self.desk.words(session, ticket, "claim.replaced", **words)
        await self.desk.resolve(session, now, ticket_id, agent_id, Outcome.REPLACE, text, link_id=link.id)
        return Settled(claim, "replaced", "agent", link=link, ticket=ticket)

    async def _link_again(
        self, session: AsyncSession, now: datetime, conversation: Conversation, order: Order, code: CodeRef
    ) -> Settled | None:
        """The link of the replacement that this conversation has and nobody has opened, made anew."""
        place = order.shop, order.order_no, code.fingerprint
        given = await ledger.find_replacement(session, *place) or await ledger.find_issued(session, *place)
        if given is None or order.status != OrderStatus.DELIVERED or order.refunded > 0:
            return None
        claim = await session.get_one(Claim, given.claim_id)
        is_theirs = claim.conversation_id == conversation.id
        if not is_theirs or REFUNDS & await _outcomes_before(session, claim):
            return None
        if await _find_open(session, order, code) or not await reveals.is_unseen(session, given.code_id):
            return None
        return Settled(claim, "link", "again", link=await self._make_link(session, now, given.code_id, "bot"))

    async def _make_link(self, session: AsyncSession, now: datetime, code_id: int, actor: str) -> RevealLink:
        """The one link of a code that can be opened from now on."""
        await reveals.close_links(session, now, code_id, actor=actor)
        return await reveals.make_link(session, now, self.vault, code_id, self.rules.reveal_ttl, actor=actor)

    async def _issue(
        self, session: AsyncSession, now: datetime, claim: Claim, order: Order, code: CodeRef, *, actor: str, why: str
    ) -> RevealLink:
        """Take a code through the ledger, decide the claim, and return the link to the one look at it."""
        replacement = await ledger.issue_replacement(
            session, now, self.vault, claim_id=id_of(claim), order=order, replaced=code, actor=actor
        )
        link = await self._make_link(session, now, replacement.code_id, actor)
        claim.outcome, claim.why, claim.decided_at = Outcome.REPLACE, why, now
        session.add(claim)
        after = {"outcome": Outcome.REPLACE, "why": why}
        record(session, now, actor, "claim.decided", f"claim:{claim.id}", None, after)
        return link

    async def _open_ticket(
        self, session: AsyncSession, now: datetime, conversation: Conversation, claim: Claim, why: str
    ) -> Settled:
        is_urgent = why == "pool_empty"  # the buyer is in the right, only goods are missing
        ticket = await self.desk.open(
            session,
            now,
            conversation,
            "claim",
            f"{claim.product_name} {claim.masked}",
            level=Level.HUMAN_QUEUE if is_urgent else Level.BOT_LANE,
            trigger=Trigger.POOL_EMPTY if is_urgent else "",
            order_ref=f"{claim.shop}/{claim.order_no}",
            product=claim.sku,
        )
        claim.ticket_id, claim.why = ticket.id, why
        session.add(claim)
        await session.flush()
        return Settled(claim, "ticket", why, ticket=ticket)


async def _find_open(session: AsyncSession, order: Order, code: CodeRef) -> Claim | None:
    found = await session.exec(
        select(Claim)
        .where(Claim.shop == order.shop, Claim.order_no == order.order_no, Claim.fingerprint == code.fingerprint)
        .where(col(Claim.decided_at).is_(None))
    )
    return found.first()


async def _outcomes_before(session: AsyncSession, claim: Claim) -> set[str]:
    """How earlier claims about the same code of the same order were decided, whoever filed them."""
    found = await session.exec(
        select(Claim.outcome)
        .where(Claim.shop == claim.shop, Claim.order_no == claim.order_no, Claim.fingerprint == claim.fingerprint)
        .where(col(Claim.decided_at).is_not(None), col(Claim.id) != claim.id)
    )
    return {outcome for outcome in found.all() if outcome is not None}


async def _create(
    session: AsyncSession, now: datetime, conversation: Conversation, order: Order, code: CodeRef, reason: Reason
) -> Claim:
    """A new open claim, or the one that another transaction filed since we looked."""
    claim = Claim(
        conversation_id=id_of(conversation),
        buyer_id=conversation.buyer_id,
        shop=order.shop,
        order_no=order.order_no,
        fingerprint=code.fingerprint,
        masked=code.masked,
        position=code.position,
        sku=order.goods.sku,
        product_name=order.goods.name,
        price=order.goods.price,
        currency=order.goods.currency,
        reason=reason,
        created_at=now,
    )
    try:
        async with session.begin_nested():
            session.add(claim)
    except IntegrityError:
        filed = await _find_open(session, order, code)
        if filed is None:
            raise
        return filed
    after = {"order": f"{order.shop}/{order.order_no}", "code": code.masked, "reason": reason}
    record(session, now, f"buyer:{conversation.buyer_id}", "claim.filed", f"claim:{claim.id}", None, after)
    return claim


def _order_as_filed(claim: Claim) -> Order:
    """What the ledger needs of the order, from the claim: the shop itself is never asked inside a transaction."""
    goods = Goods(claim.sku, claim.product_name, claim.price, claim.currency, warranty=timedelta())
    return Order(
        shop=claim.shop,
        order_no=claim.order_no,
        status=OrderStatus.DELIVERED,
        goods=goods,
        quantity=1,
        paid=claim.price,
        refunded=0,
        paid_at=None,
        delivered_at=None,
    )
