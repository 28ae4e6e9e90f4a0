"""Refunds that buyers ask for themselves, by one button: on which ground they may, and why they may not.

Seen counts what was shown through our own links; what the shop delivered by itself counts as seen, since nobody can
tell (docs/decisions/0016-what-the-shop-delivered-counts-as-seen.md).
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from shop import ledger, refunds, reveals
from shop.money import in_words
from shop.port import CodeRef, Order, OrderStatus
from shop.tables import Refund
from tickets import compensation, warranty
from tickets.cases import read_case
from tickets.changes import lock_tickets
from tickets.claim_states import ClaimState
from tickets.desk import Desk
from tickets.lifecycle import is_active
from tickets.refunds import Refunds
from tickets.tables import Buyer, Category, Claim, Conversation, Ticket

BAD_CODES = 2  # of one sold code, its replacement included, after which its buyer need not take a third
WITH_PEOPLE = frozenset({ClaimState.TRIAGE, ClaimState.REVIEW, ClaimState.SUPPLIER_CHECK})


class Ground(StrEnum):
    """Why money may go back."""

    UNSEEN = "unseen"  # nobody has looked at the code, and the product may be given back
    WARRANTY = "warranty"  # a claim in warranty, and nothing good to replace the code with
    UNDELIVERED = "undelivered"  # paid, and nothing came


class Bar(StrEnum):
    """What stands against it; the phrase `refund.why.<value>` tells the buyer."""

    UNPAID = "unpaid"
    REFUNDED = "refunded"  # done, or under way
    SEEN = "seen"
    NEVER = "never"  # this product is not taken back
    LATE = "late"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Asked:
    """A refund that a buyer asked for."""

    refund: Refund
    ticket: Ticket
    ground: Ground


async def judge(
    session: AsyncSession, now: datetime, order: Order, code: CodeRef | None, claim: Claim | None
) -> Ground | Bar:
    """On which ground a buyer may have the money back, or what stands against it; `claim` is theirs about the code."""
    if order.paid <= 0 or order.status == OrderStatus.UNPAID:
        return Bar.UNPAID
    unit = None
    if code is not None:
        unit = await compensation.sold_code(session, order.shop, order.order_no, code.fingerprint)
    is_refunded = await refunds.has_live(session, order.shop, order.order_no, unit)
    if is_refunded or order.status == OrderStatus.REFUNDED or await refunds.left_of(session, order) <= 0:
        return Bar.REFUNDED
    if code is None:
        is_owed = order.status in (OrderStatus.PAID_UNDELIVERED, OrderStatus.ABNORMAL) and not order.codes
        return Ground.UNDELIVERED if is_owed else Bar.OTHER
    if claim is not None and await _has_no_replacement(session, order, claim):
        return Ground.WARRANTY
    return _judge_return(now, order, await is_unseen(session, order, code))


async def find_claim(session: AsyncSession, order: Order, code: CodeRef | None, buyer_id: int) -> Claim | None:
    """This buyer's claim about the code that people have before them."""
    if code is None:
        return None
    found = await session.exec(
        select(Claim)
        .where(Claim.shop == order.shop, Claim.order_no == order.order_no, Claim.buyer_id == buyer_id)
        .where(Claim.fingerprint == code.fingerprint, col(Claim.state).in_(WITH_PEOPLE))
        .where(col(Claim.decided_at).is_(None))
        .order_by(col(Claim.id).desc())
    )
    return found.first()


async def is_unseen(session: AsyncSession, order: Order, code: CodeRef) -> bool:
    """Whether this code went out by a link of ours alone, and nobody has opened one."""
    given = await ledger.find_issued(session, order.shop, order.order_no, code.fingerprint)
    if given is None or await reveals.was_seen(session, given.code_id):
        return False
    return await reveals.is_out(session, given.code_id)


class Returns:
    """The buyer's verb."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._refunds = Refunds(desk)

    async def ask(
        self,
        session: AsyncSession,
        now: datetime,
        conversation: Conversation,
        order: Order,
        code: CodeRef | None,
        subject: str,
    ) -> Asked | Bar:
        """Ask for the money back on a ticket: of the claim, else a new one with this `subject`.

        What nobody has seen is paid without a person up to the owner's limit; all else waits for one. The order is one
        that the buyer has proved.
        """
        claim = await find_claim(session, order, code, conversation.buyer_id)
        ticket = await self._find_ticket(session, order, claim, conversation)  # before the money, as everybody does
        await refunds.hold_order(session, order.shop, order.order_no, order.goods.currency)
        ground = await judge(session, now, order, code, claim)
        if isinstance(ground, Bar):
            return ground
        if ticket is None:
            ticket = await self._desk.open(
                session,
                now,
                conversation,
                Category.REFUND,
                subject,
                order_ref=f"{order.shop}/{order.order_no}",
                product=order.goods.sku,
            )
        else:
            await self._desk.wait_on(session, now, ticket)
        actor = f"buyer:{conversation.buyer_id}"
        refund = await self._refunds.request(session, now, ticket, order, code, actor, claim=claim)
        rules = self._refunds.rules
        is_small = refund.amount <= rules.return_limit and not await self._refunds.needs_second(session, refund)
        if ground == Ground.UNSEEN and is_small:
            await self._refunds.go_ahead(session, now, ticket, refund, "bot", None)
        else:
            buyer = await session.get_one(Buyer, conversation.buyer_id)
            amount = in_words(refund.amount, refund.currency)
            await self._desk.tell_staff(session, now, ticket, "notice.refund_wanted", buyer=buyer.name, amount=amount)
        return Asked(refund, ticket, ground)

    async def _find_ticket(
        self, session: AsyncSession, order: Order, claim: Claim | None, conversation: Conversation
    ) -> Ticket | None:
        """The unsettled ticket of the claim, or one about money or goods of this order, locked."""
        known = select(Ticket.id).where(
            Ticket.buyer_id == conversation.buyer_id,
            Ticket.order_ref == f"{order.shop}/{order.order_no}",
            col(Ticket.category).in_((Category.REFUND, Category.UNDELIVERED)),
        )
        others = (await session.exec(known.order_by(col(Ticket.id).desc()).limit(1))).all()
        of_claim = [claim.ticket_id] if claim is not None and claim.ticket_id is not None else []
        tickets = await lock_tickets(session, *of_claim, *(ticket_id or 0 for ticket_id in others))
        return next((ticket for ticket in tickets if is_active(ticket.phase)), None)


def _judge_return(now: datetime, order: Order, unseen: bool) -> Ground | Bar:
    """Whether a code may be given back with no reason, and in time: in the last instant it may."""
    within = order.goods.return_within
    if not unseen:
        return Bar.SEEN
    if within is None or order.delivered_at is None:
        return Bar.NEVER
    return Ground.UNSEEN if now <= order.delivered_at + within else Bar.LATE


async def _has_no_replacement(session: AsyncSession, order: Order, claim: Claim) -> bool:
    """Whether the claim is in warranty, and its buyer had two bad codes or no code is left to give."""
    ends_at = (await read_case(session, order.shop, order.order_no, claim.fingerprint)).warranty_end(order)
    if ends_at is None or not warranty.covers(ends_at, claim.created_at):
        return False
    return claim.round >= BAD_CODES or await ledger.count_reserve(session, order.shop, order.goods.sku) == 0
