"""The ledger of money: what goes back to buyers. No refund without its row, and never more than was paid.

The row of the order's money is the guard: it is locked, and raised by a compare-and-set that stops at what was paid;
a constraint stands behind it. It is also what whoever gives a code for an order waits for, so that money and goods do
not both go out.
"""

from datetime import datetime, timedelta
from secrets import token_hex
from typing import Any

from sqlalchemy import ColumnElement, case, func, literal_column, update
from sqlalchemy.dialects.postgresql import insert  # SQLite has the same ON CONFLICT, and its dialect writes this one
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from audit import rows
from audit.trail import record
from shop.errors import AlreadyRefunded, BadAmount, OverPaid, RefundMoved, UnknownRefund
from shop.money import in_words
from shop.port import Order, OrderStatus
from shop.tables import OrderMoney, Refund, RefundState, ShopOrder

KEY_BYTES = 16
ENDED = frozenset({RefundState.REFUSED, RefundState.FAILED})  # their amount is free again
# In the words of its index: a database takes a partial index only for those.
LIVE: ColumnElement[bool] = literal_column("refund.state NOT IN ('refused','failed')")
NEXT: dict[RefundState, frozenset[RefundState]] = {
    RefundState.REQUESTED: frozenset({RefundState.APPROVED, RefundState.REFUSED}),
    RefundState.APPROVED: frozenset({RefundState.MANUAL, RefundState.DONE, RefundState.FAILED}),
    RefundState.MANUAL: frozenset({RefundState.DONE, RefundState.FAILED}),
    RefundState.DONE: frozenset(),
    RefundState.REFUSED: frozenset(),
    RefundState.FAILED: frozenset(),
}
# Written where there is none, and locked where there is one: to set a column to itself is what both databases have.
_HELD = (
    insert(OrderMoney)
    .on_conflict_do_update(index_elements=["shop", "order_no"], set_={"currency": OrderMoney.currency})
    .returning(col(OrderMoney.id))
)


async def hold_order(session: AsyncSession, shop: str, order_no: str, currency: str) -> None:
    """Hold the order's money until the transaction ends: whoever refunds or replaces comes one after the other.

    `paid` is 0 until the shop was asked what was paid.
    """
    row = {"shop": shop, "order_no": order_no, "paid": 0, "refunded": 0, "currency": currency}
    await rows.in_one_trip(session, lambda connection: rows.find(connection, _HELD, **row))


async def request_refund(
    session: AsyncSession,
    now: datetime,
    *,
    order: Order,
    amount: int,
    actor: str,
    fingerprint: str | None = None,
    claim_id: int | None = None,
    ticket_id: int | None = None,
    facts: dict[str, Any] | None = None,
) -> Refund:
    """Set `amount` of the order aside for its buyer; `fingerprint` is the sold code that it is for, None: the order.

    `order` is what the shop says of it. Raises `BadAmount`, `OverPaid`, `AlreadyRefunded`.
    """
    if amount <= 0:
        raise BadAmount(currency=order.goods.currency)
    await hold_order(session, order.shop, order.order_no, order.goods.currency)
    money = await _get_money(session, order)
    await _learn(session, money, order)
    if fingerprint is not None and await find_live(session, order.shop, order.order_no, fingerprint) is not None:
        raise AlreadyRefunded(order_no=order.order_no)
    refund = Refund(
        key=token_hex(KEY_BYTES),
        shop=order.shop,
        order_no=order.order_no,
        fingerprint=fingerprint,
        claim_id=claim_id,
        ticket_id=ticket_id,
        amount=amount,
        currency=money.currency,
        requested_by=actor,
        requested_at=now,
        not_before=now,
        facts=facts or {},
    )
    await _set_aside(session, money, refund)
    after = {"order": f"{order.shop}/{order.order_no}", "amount": amount, "currency": money.currency, "claim": claim_id}
    record(session, now, actor, "refund.requested", f"refund:{refund.id}", None, after)
    return refund


async def approve(session: AsyncSession, now: datetime, refund: Refund, actor: str) -> None:
    """The shop is to be asked from now on."""
    decided = {"decided_by": actor, "decided_at": now, "not_before": now}
    await _move(session, now, refund, RefundState.APPROVED, actor, **decided)


async def agree(session: AsyncSession, now: datetime, refund: Refund, actor: str) -> None:
    """The first of two persons who must approve it has; raises `RefundMoved` when somebody has before."""
    first = (col(Refund.id) == refund.id, Refund.state == RefundState.REQUESTED, col(Refund.decided_by).is_(None))
    if not await _update(session, refund, *first, decided_by=actor, decided_at=now):
        raise RefundMoved(refund=refund.id, state=refund.state)
    record(session, now, actor, "refund.agreed", f"refund:{refund.id}", None, {"by": actor})


async def refuse(session: AsyncSession, now: datetime, refund: Refund, actor: str) -> None:
    """It is not paid; its amount is free again."""
    await _move(session, now, refund, RefundState.REFUSED, actor, decided_by=actor, decided_at=now)
    await _give_back(session, refund)


async def leave_to_person(session: AsyncSession, now: datetime, refund: Refund, actor: str, problem: str = "") -> None:
    """The shop cannot pay by itself: a person does."""
    await _move(session, now, refund, RefundState.MANUAL, actor, problem=problem or None)


async def finish(session: AsyncSession, now: datetime, refund: Refund, actor: str, reference: str = "") -> None:
    """The money is on its way; `reference` is the shop's or the bank's own number of it."""
    if refund.state == RefundState.MANUAL:
        await _book(session, refund)
    await _move(session, now, refund, RefundState.DONE, actor, done_at=now, reference=reference or None, problem=None)


async def fail(session: AsyncSession, now: datetime, refund: Refund, actor: str, problem: str) -> None:
    """It cannot be paid, for good; its amount is free again."""
    await _move(session, now, refund, RefundState.FAILED, actor, problem=problem)
    await _give_back(session, refund)


async def begin_try(session: AsyncSession, now: datetime, refund_id: int, until: datetime) -> Refund | None:
    """The approved refund, whose shop the caller alone asks until then; None when it is somebody else's, or decided."""
    due = (col(Refund.id) == refund_id, col(Refund.state) == RefundState.APPROVED, col(Refund.not_before) <= now)
    tried = await session.exec(update(Refund).where(*due).values(attempts=Refund.attempts + 1, not_before=until))
    return await get_refund(session, refund_id) if tried.rowcount == 1 else None


async def put_off(session: AsyncSession, now: datetime, refund: Refund, wait: timedelta, problem: str) -> None:
    """The shop did not answer: it is asked again after `wait`, with the same key."""
    mine = (col(Refund.id) == refund.id, col(Refund.attempts) == refund.attempts)
    waits = update(Refund).where(*mine, col(Refund.state) == RefundState.APPROVED)
    await session.exec(waits.values(not_before=now + wait, problem=problem))


async def get_refund(session: AsyncSession, refund_id: int, *, for_change: bool = False) -> Refund:
    """Raises `UnknownRefund`."""
    refund = await session.get(Refund, refund_id, with_for_update=for_change or None, populate_existing=True)
    if refund is None:
        raise UnknownRefund(refund=refund_id)
    return refund


async def find_live(session: AsyncSession, shop: str, order_no: str, fingerprint: str | None) -> Refund | None:
    """The refund of this sold code, or of its whole order, that is under way or done; None: that of the order."""
    unit = or_(col(Refund.fingerprint).is_(None), col(Refund.fingerprint) == fingerprint)
    found = await session.exec(select(Refund).where(*is_live(shop, order_no), unit).order_by(col(Refund.id)))
    return found.first()


async def learn(session: AsyncSession, order: Order) -> None:
    """Keep what the shop says now that it has paid back by itself; the order's money is held from here on."""
    await hold_order(session, order.shop, order.order_no, order.goods.currency)
    await _learn(session, await _get_money(session, order), order)


async def find_foreign(session: AsyncSession, shop: str, order_no: str) -> tuple[int, bool]:
    """How much of the order the shop has paid back by itself, as far as is known here, and whether nothing is left."""
    of_order = (OrderMoney.shop == shop, OrderMoney.order_no == order_no)
    money = (await session.exec(select(OrderMoney).where(*of_order))).first()
    if money is None:
        return 0, False
    ours = select(func.coalesce(func.sum(Refund.amount), 0)).where(*is_live(shop, order_no))
    foreign = money.refunded - int((await session.exec(ours)).one())
    return max(0, foreign), bool(money.paid) and money.refunded >= money.paid


async def at_stake(session: AsyncSession, refund: Refund) -> int:
    """What the order gets with this refund, and with all that live beside it: parts would pass any limit one by one."""
    others = (*is_live(refund.shop, refund.order_no), col(Refund.id) != refund.id)
    got = select(func.coalesce(func.sum(Refund.amount), 0)).where(*others)
    return refund.amount + int((await session.exec(got)).one())


async def left_of(session: AsyncSession, order: Order) -> int:
    """How much of the order can still be paid back, as far as the shop and the ledger know; minor units."""
    found = await session.exec(
        select(OrderMoney).where(OrderMoney.shop == order.shop, OrderMoney.order_no == order.order_no)
    )
    money = found.first()
    if money is None or not money.paid:
        return max(0, order.paid - order.refunded)
    return max(0, money.paid - max(money.refunded, await _known(session, money, order)))


async def due(session: AsyncSession, now: datetime, limit: int = 50) -> list[int]:
    """The approved refunds whose shop is to be asked now, the longest due first."""
    waiting = select(Refund.id).where(Refund.state == RefundState.APPROVED, col(Refund.not_before) <= now)
    return list((await session.exec(waiting.order_by(col(Refund.not_before), col(Refund.id)).limit(limit))).all())


async def next_due(session: AsyncSession) -> datetime | None:
    """When the next of them is to be asked."""
    return (await session.exec(select(func.min(Refund.not_before)).where(Refund.state == RefundState.APPROVED))).one()


def is_live(shop: str, order_no: str) -> tuple[ColumnElement[bool], ...]:
    """Which refunds of an order are under way or done."""
    return (col(Refund.shop) == shop, col(Refund.order_no) == order_no, LIVE)


async def _get_money(session: AsyncSession, order: Order) -> OrderMoney:
    """That of an order that is held, as it is now."""
    found = select(OrderMoney).where(OrderMoney.shop == order.shop, OrderMoney.order_no == order.order_no)
    return (await session.exec(found.execution_options(populate_existing=True))).one()


async def _learn(session: AsyncSession, money: OrderMoney, order: Order) -> None:
    """What the shop says now: what was paid, when nobody asked before, and what it paid back by itself since."""
    if not money.paid:
        money.paid = order.paid
    money.refunded = min(money.paid, max(money.refunded, await _known(session, money, order)))
    session.add(money)
    await session.flush()


async def _known(session: AsyncSession, money: OrderMoney, order: Order) -> int:
    """What the shop has paid back, with what we have promised and surely not sent yet."""
    unsent = or_(
        col(Refund.state) == RefundState.REQUESTED, (col(Refund.state) == RefundState.APPROVED) & (Refund.attempts == 0)
    )
    promised = select(func.coalesce(func.sum(Refund.amount), 0)).where(*is_live(money.shop, money.order_no), unsent)
    return order.refunded + int((await session.exec(promised)).one())


async def _set_aside(session: AsyncSession, money: OrderMoney, refund: Refund) -> None:
    """The amount and its row, or neither."""
    try:
        async with session.begin_nested():
            if not await _take(session, money, refund.amount):
                left = in_words(money.paid - money.refunded, money.currency)
                raise OverPaid(order_no=money.order_no, left=left)
            session.add(refund)
    except IntegrityError:
        raise AlreadyRefunded(order_no=money.order_no) from None


async def _take(session: AsyncSession, money: OrderMoney, amount: int) -> bool:
    """Compare-and-set: whether so much was left, and is set aside now."""
    taken = await session.exec(
        update(OrderMoney)
        .where(col(OrderMoney.id) == money.id, col(OrderMoney.refunded) + amount <= col(OrderMoney.paid))
        .values(refunded=OrderMoney.refunded + amount)
    )
    return bool(taken.rowcount == 1)


async def _give_back(session: AsyncSession, refund: Refund) -> None:
    await session.exec(
        update(OrderMoney)
        .where(col(OrderMoney.shop) == refund.shop, col(OrderMoney.order_no) == refund.order_no)
        .values(refunded=OrderMoney.refunded - refund.amount)
    )


async def _book(session: AsyncSession, refund: Refund) -> None:
    """What a person paid for an order of our own shop stands in its books; those of other shops are theirs."""
    total = col(ShopOrder.refunded) + refund.amount
    of_order = (col(ShopOrder.shop) == refund.shop, col(ShopOrder.order_no) == refund.order_no)
    await session.exec(
        update(ShopOrder)
        .where(*of_order)
        .values(
            refunded=case((total < col(ShopOrder.paid), total), else_=col(ShopOrder.paid)),
            status=case((total < col(ShopOrder.paid), col(ShopOrder.status)), else_=OrderStatus.REFUNDED),
        )
        .execution_options(synchronize_session=False)
    )


async def _move(
    session: AsyncSession, now: datetime, refund: Refund, new: RefundState, actor: str, **values: Any
) -> None:
    """Compare-and-set of the state; raises `RefundMoved` when somebody else has decided on it."""
    old = RefundState(refund.state)
    mine = (col(Refund.id) == refund.id, col(Refund.state) == old)
    if new not in NEXT[old] or not await _update(session, refund, *mine, state=new, **values):
        raise RefundMoved(refund=refund.id, state=refund.state)
    facts = {"amount": refund.amount, "currency": refund.currency}
    told = {name: values[name] for name in ("reference", "problem") if values.get(name)}
    record(session, now, actor, f"refund.{new}", f"refund:{refund.id}", {"state": old}, {"state": new} | facts | told)


async def _update(session: AsyncSession, refund: Refund, *guard: Any, **values: Any) -> bool:
    """Whether the row was still as the guard says; `refund` is as it stands afterwards."""
    changed = await session.exec(
        update(Refund).where(*guard).values(**values).execution_options(synchronize_session=False)
    )
    await session.refresh(refund)
    return bool(changed.rowcount == 1)
