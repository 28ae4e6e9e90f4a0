"""The money of an order: what was paid for it, and what of it is paid back or promised. Past the session, at once.

Its row is the guard of the ledger of refunds: it is locked, and raised by a compare-and-set that stops at what was
paid; a constraint stands behind it.
"""

from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, bindparam, func, literal_column, select, update
from sqlalchemy.dialects.postgresql import insert  # SQLite has the same ON CONFLICT, and its dialect writes this one
from sqlmodel import col, or_

from audit import rows
from shop.port import Order
from shop.tables import OrderMoney, Refund, RefundState

# In the words of its index: a database takes a partial index only for those.
LIVE: ColumnElement[bool] = literal_column("refund.state NOT IN ('refused','failed')")


class Money(NamedTuple):
    """As it is now; minor units."""

    id: int
    paid: int
    refunded: int
    currency: str
    unsent: int  # promised by us, and surely not sent yet
    ours: int  # promised or sent by us


def hold(connection: Connection, shop: str, order_no: str, currency: str) -> None:
    """Hold the order's money until the transaction ends; `paid` is 0 until the shop was asked what was paid."""
    rows.find(connection, _HELD, shop=shop, order_no=order_no, paid=0, refunded=0, currency=currency)


def find_money(connection: Connection, shop: str, order_no: str) -> Money | None:
    """None when nobody has asked for it before."""
    found = rows.find(connection, _MONEY, shop=shop, order_no=order_no)
    return Money(*found) if found else None


def learn(connection: Connection, order: Order) -> Money:
    """Of an order that is held: what the shop says was paid, when nobody asked before, and what it has paid back.

    What it paid back may be ours, except what was surely not sent yet.
    """
    money = find_money(connection, order.shop, order.order_no)
    assert money is not None
    paid = money.paid or order.paid
    refunded = min(paid, max(money.refunded, order.refunded + money.unsent))
    if (paid, refunded) != (money.paid, money.refunded):
        rows.carry_out(connection, _LEARNED, money=money.id, now_paid=paid, now_refunded=refunded)
    return money._replace(paid=paid, refunded=refunded)


def take(connection: Connection, money: Money, amount: int) -> bool:
    """Compare-and-set: whether so much was left, and is set aside now."""
    return rows.carry_out(connection, _TAKEN, money=money.id, more=amount) == 1


def give_back(connection: Connection, shop: str, order_no: str, amount: int) -> None:
    """What was set aside is free again."""
    rows.carry_out(connection, _GIVEN_BACK, of_shop=shop, of_order=order_no, less=amount)


def has_live(connection: Connection, shop: str, order_no: str, fingerprint: str | None) -> bool:
    """Whether a refund of this sold code, or of its whole order, is under way or done; None: of the order."""
    unit = {"shop": shop, "order_no": order_no, "fingerprint": fingerprint}
    return rows.find(connection, _LIVE_ONE, **unit) is not None


def _sum_of_order(*which: ColumnElement[bool]) -> Any:
    beside = (col(Refund.shop) == col(OrderMoney.shop), col(Refund.order_no) == col(OrderMoney.order_no), LIVE)
    amounts = select(func.coalesce(func.sum(Refund.amount), 0)).where(*beside, *which)
    return amounts.correlate(OrderMoney).scalar_subquery()


# Written where there is none, and locked where there is one: to set a column to itself is what both databases have.
_HELD = (
    insert(OrderMoney)
    .on_conflict_do_update(index_elements=["shop", "order_no"], set_={"currency": OrderMoney.currency})
    .returning(col(OrderMoney.id))
)
_UNSENT = or_(
    col(Refund.state) == RefundState.REQUESTED,
    (col(Refund.state) == RefundState.APPROVED) & (col(Refund.attempts) == 0),
)
_MONEY = select(
    col(OrderMoney.id),
    col(OrderMoney.paid),
    col(OrderMoney.refunded),
    col(OrderMoney.currency),
    _sum_of_order(_UNSENT),
    _sum_of_order(),
).where(col(OrderMoney.shop) == bindparam("shop"), col(OrderMoney.order_no) == bindparam("order_no"))
_LEARNED = (
    update(OrderMoney)
    .where(col(OrderMoney.id) == bindparam("money"))
    .values(paid=bindparam("now_paid"), refunded=bindparam("now_refunded"))
)
_TAKEN = (
    update(OrderMoney)
    .where(col(OrderMoney.id) == bindparam("money"))
    .where(col(OrderMoney.refunded) + bindparam("more") <= col(OrderMoney.paid))
    .values(refunded=col(OrderMoney.refunded) + bindparam("more"))
)
_GIVEN_BACK = (
    update(OrderMoney)
    .where(col(OrderMoney.shop) == bindparam("of_shop"), col(OrderMoney.order_no) == bindparam("of_order"))
    .values(refunded=col(OrderMoney.refunded) - bindparam("less"))
)
_LIVE_ONE = (
    select(col(Refund.id))
    .where(col(Refund.shop) == bindparam("shop"), col(Refund.order_no) == bindparam("order_no"), LIVE)
    .where(or_(col(Refund.fingerprint).is_(None), col(Refund.fingerprint) == bindparam("fingerprint")))
    .limit(literal_column("1"))
)
