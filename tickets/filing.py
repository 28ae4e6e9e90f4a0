"""Claims as rows: found, written once per code, set aside where another buyer's is open."""

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from audit.trail import record
from shop.port import CodeRef, Goods, Order, OrderStatus
from tickets.errors import Contested, NoOpenClaim
from tickets.tables import Claim, Conversation, Reason, Ticket, id_of


async def find_rival(session: AsyncSession, claim: Claim) -> Ticket | None:
    """The ticket of the open claim about the same code."""
    found = await session.exec(
        select(Ticket)
        .join(Claim, col(Claim.ticket_id) == col(Ticket.id))
        .where(*_about(claim.shop, claim.order_no, claim.fingerprint))
        .where(col(Claim.decided_at).is_(None), col(Claim.id) != claim.id)
    )
    return found.first()


def _about(shop: str, order_no: str, fingerprint: str) -> tuple[ColumnElement[bool], ...]:
    return (col(Claim.shop) == shop, col(Claim.order_no) == order_no, col(Claim.fingerprint) == fingerprint)


async def find_open(session: AsyncSession, order: Order, code: CodeRef) -> Claim | None:
    """The open claim about this code, whoever filed it."""
    open_one = select(Claim).where(*_about(order.shop, order.order_no, code.fingerprint))
    return (await session.exec(open_one.where(col(Claim.decided_at).is_(None)))).first()


async def find_undecided(session: AsyncSession, buyer_id: int, order: Order, code: CodeRef) -> Claim | None:
    """This buyer's claim about this code that has no outcome yet, open or set aside."""
    theirs = select(Claim).where(*_about(order.shop, order.order_no, code.fingerprint), Claim.buyer_id == buyer_id)
    return (await session.exec(theirs.where(col(Claim.outcome).is_(None)).order_by(col(Claim.id)))).first()


async def get_to_grant(session: AsyncSession, ticket: Ticket) -> Claim:
    """The ticket's claim that has no outcome yet; one that was set aside waits until the open one has its own."""
    undecided = select(Claim).where(Claim.ticket_id == ticket.id, col(Claim.outcome).is_(None))
    claim = (await session.exec(undecided.order_by(col(Claim.id)).limit(1))).first()
    if claim is None:
        raise NoOpenClaim(number=ticket.number)
    rival = await find_rival(session, claim)
    if rival is not None:
        raise Contested(number=ticket.number, other=rival.number)
    return claim


async def create(
    session: AsyncSession, now: datetime, conversation: Conversation, order: Order, code: CodeRef, reason: Reason
) -> Claim:
    """A new open claim; set aside when another buyer's is open; or this buyer's own, filed since we looked."""
    claim = _claim(now, conversation, order, code, reason)
    try:
        async with session.begin_nested():
            session.add(claim)
    except IntegrityError:
        filed = await find_open(session, order, code)
        if filed is None:
            raise
        if filed.buyer_id == conversation.buyer_id:
            return filed
        claim = _claim(now, conversation, order, code, reason)
        claim.decided_at = now
        session.add(claim)
        await session.flush()
    after = {"order": f"{order.shop}/{order.order_no}", "code": code.masked, "reason": reason}
    record(session, now, f"buyer:{conversation.buyer_id}", "claim.filed", f"claim:{claim.id}", None, after)
    return claim


def _claim(now: datetime, conversation: Conversation, order: Order, code: CodeRef, reason: Reason) -> Claim:
    return Claim(
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


def order_as_filed(claim: Claim) -> Order:
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
