"""The ledger of money: what goes back to buyers. No refund without its row, and never more than was paid.

The row of the order's money (`order_money`) is the guard. It is also what whoever gives a code for an order waits for,
so that money and goods do not both go out.
"""

from datetime import datetime, timedelta
from functools import cache
from secrets import token_hex
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, case, func, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm.attributes import set_committed_value
from sqlalchemy.sql.dml import ReturningUpdate
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from audit import rows
from audit.trail import record, record_now
from shop import order_money
from shop.errors import AlreadyRefunded, BadAmount, OverPaid, RefundMoved, UnknownRefund
from shop.money import in_words
from shop.order_money import LIVE, Money
from shop.port import Order, OrderStatus
from shop.tables import Refund, RefundState, ShopOrder

KEY_BYTES = 16
ENDED = frozenset({RefundState.REFUSED, RefundState.FAILED})  # their amount is free again
NEXT: dict[RefundState, frozenset[RefundState]] = {
    RefundState.REQUESTED: frozenset({RefundState.APPROVED, RefundState.REFUSED}),
    RefundState.APPROVED: frozenset({RefundState.MANUAL, RefundState.DONE, RefundState.FAILED}),
    RefundState.MANUAL: frozenset({RefundState.DONE, RefundState.FAILED}),
    RefundState.DONE: frozenset(),
    RefundState.REFUSED: frozenset(),
    RefundState.FAILED: frozenset(),
}


async def hold_order(session: AsyncSession, shop: str, order_no: str, currency: str) -> None:
    """Hold the order's money until the transaction ends: whoever refunds or replaces comes one after the other.

    `paid` is 0 until the shop was asked what was paid.
    """
    await rows.in_one_trip(session, lambda connection: order_money.hold(connection, shop, order_no, currency))


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
    refund = Refund(
        key=token_hex(KEY_BYTES),
        shop=order.shop,
        order_no=order.order_no,
        fingerprint=fingerprint,
        claim_id=claim_id,
        ticket_id=ticket_id,
        amount=amount,
        currency=order.goods.currency,
        requested_by=actor,
        requested_at=now,
        not_before=now,
        facts=facts or {},
    )
    await rows.in_one_trip(session, lambda connection: _request(connection, order, refund))
    rows.know(session, refund)
    return refund


async def approve(session: AsyncSession, now: datetime, refund: Refund, actor: str) -> None:
    """The shop is to be asked from now on."""
    decided = {"decided_by": actor, "decided_at": now, "not_before": now}
    await _move(session, now, refund, RefundState.APPROVED, actor, **decided)


async def agree(session: AsyncSession, now: datetime, refund: Refund, actor: str) -> None:
    """The first of two persons who must approve it has; raises `RefundMoved` when somebody has before."""
    decided = {"decided_by": actor, "decided_at": now}
    if not await _update(session, refund, RefundState.REQUESTED, is_undecided=True, **decided):
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


async def has_live(session: AsyncSession, shop: str, order_no: str, fingerprint: str | None) -> bool:
    """Whether a refund of this sold code, or of its whole order, is under way or done; None: of the order."""
    return await rows.in_one_trip(
        session, lambda connection: order_money.has_live(connection, shop, order_no, fingerprint)
    )


async def learn(session: AsyncSession, order: Order) -> None:
    """Keep what the shop says now that it has paid back by itself; the order's money is held from here on."""
    await hold_order(session, order.shop, order.order_no, order.goods.currency)
    await rows.in_one_trip(session, lambda connection: order_money.learn(connection, order))


async def find_foreign(session: AsyncSession, shop: str, order_no: str) -> tuple[int, bool]:
    """How much of the order the shop has paid back by itself, as far as is known here, and whether nothing is left."""
    money = await rows.in_one_trip(session, lambda connection: order_money.find_money(connection, shop, order_no))
    if money is None:
        return 0, False
    return max(0, money.refunded - money.ours), bool(money.paid) and money.refunded >= money.paid


async def at_stake(session: AsyncSession, refund: Refund) -> int:
    """What the order gets with this refund, and with all that live beside it: parts would pass any limit one by one."""
    others = (*is_live(refund.shop, refund.order_no), col(Refund.id) != refund.id)
    got = select(func.coalesce(func.sum(Refund.amount), 0)).where(*others)
    return refund.amount + int((await session.exec(got)).one())


async def left_of(session: AsyncSession, order: Order) -> int:
    """How much of the order can still be paid back, as far as the shop and the ledger know; minor units."""
    money = await rows.in_one_trip(
        session, lambda connection: order_money.find_money(connection, order.shop, order.order_no)
    )
    if money is None or not money.paid:
        return max(0, order.paid - order.refunded)
    return max(0, money.paid - max(money.refunded, order.refunded + money.unsent))


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


def _request(connection: Connection, order: Order, refund: Refund) -> None:
    order_money.hold(connection, order.shop, order.order_no, refund.currency)
    money = order_money.learn(connection, order)
    refund.currency = money.currency
    place, code = (refund.shop, refund.order_no), refund.fingerprint
    if code is not None and order_money.has_live(connection, *place, code):
        raise AlreadyRefunded(order_no=refund.order_no)
    _set_aside(connection, money, refund)
    after = {"order": "/".join(place), "amount": refund.amount, "currency": refund.currency, "claim": refund.claim_id}
    about = (refund.requested_by, "refund.requested", f"refund:{refund.id}")
    record_now(connection, refund.requested_at, *about, None, after)


def _set_aside(connection: Connection, money: Money, refund: Refund) -> None:
    """The amount and its row, or neither: a compare-and-set of whether so much is left."""
    try:
        with connection.begin_nested():
            if not order_money.take(connection, money, refund.amount):
                left = in_words(money.paid - money.refunded, money.currency)
                raise OverPaid(order_no=refund.order_no, left=left)
            rows.enter(connection, refund)
    except IntegrityError:
        raise AlreadyRefunded(order_no=refund.order_no) from None


async def _give_back(session: AsyncSession, refund: Refund) -> None:
    free = (refund.shop, refund.order_no, refund.amount)
    await rows.in_one_trip(session, lambda connection: order_money.give_back(connection, *free))


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
    if new not in NEXT[old] or not await _update(session, refund, old, state=new, **values):
        raise RefundMoved(refund=refund.id, state=refund.state)
    facts = {"amount": refund.amount, "currency": refund.currency}
    told = {name: values[name] for name in ("reference", "problem") if values.get(name)}
    record(session, now, actor, f"refund.{new}", f"refund:{refund.id}", {"state": old}, {"state": new} | facts | told)


async def _update(
    session: AsyncSession, refund: Refund, old: RefundState, *, is_undecided: bool = False, **values: Any
) -> bool:
    """Whether the row was still in `old`, and `is_undecided` by anybody; `refund` is as it stands afterwards."""
    statement, new = _change(tuple(values), is_undecided), {f"new_{name}": value for name, value in values.items()}
    guard = {"refund": refund.id, "old": old}
    changed = await rows.in_one_trip(session, lambda connection: rows.find(connection, statement, **guard, **new))
    if changed is None:
        await session.refresh(refund)
        return False
    for column, value in zip(Refund.__table__.columns, changed, strict=True):  # type: ignore[attr-defined]
        set_committed_value(refund, column.key, value)
    return True


@cache
def _change(names: tuple[str, ...], is_undecided: bool) -> ReturningUpdate[Any]:
    """One statement for each set of columns: it brings the whole row."""
    guard = (col(Refund.id) == bindparam("refund"), col(Refund.state) == bindparam("old"))
    undecided = (col(Refund.decided_by).is_(None),) if is_undecided else ()
    values: dict[str, Any] = {name: bindparam(f"new_{name}") for name in names}
    return update(Refund).where(*guard, *undecided).values(values).returning(*Refund.__table__.columns)  # type: ignore[attr-defined]
