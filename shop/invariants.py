"""What must hold of codes and their ledger at every moment: after each test, after each crash, every day.

Constraints hold what a constraint can hold; this looks again, because a restored or hand-mended database may lack one.
"""

from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Executable, String, cast, func, literal, literal_column, union_all
from sqlalchemy.orm import aliased
from sqlmodel import col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession
from sqlmodel.sql.expression import SelectOfScalar

from audit.tables import AuditRow
from shop.port import OrderStatus
from shop.states import OUT
from shop.tables import (
    Batch,
    Code,
    CodeState,
    OrderCode,
    OrderMoney,
    Pool,
    Refund,
    RefundState,
    Replacement,
    RevealLink,
    ShopOrder,
)

SHOWN = 5  # rows named in one sentence


async def check_invariants(session: AsyncSession) -> list[str]:
    """One sentence per broken rule, naming the first rows that break it; empty when all is well."""
    await session.flush()  # what the transaction has not written yet is looked at too
    offenders: dict[str, list[str]] = {}
    for number, row_id in await (await session.connection()).execute(_look()):
        offenders.setdefault(_rules()[number][0], []).append(str(row_id))
    return [f"{rule}: not so for {', '.join(ids)}" for rule, ids in offenders.items()]


@cache
def _look() -> Executable:
    """One statement for all rules: the number of a rule, and the first rows that break it."""
    looks = []
    for number, (_, offenders) in enumerate(_rules()):
        (row_id,) = offenders.selected_columns
        first = offenders.with_only_columns(row_id.label("row_id")).order_by(row_id).limit(SHOWN).subquery()
        looks.append(select(literal(number), first.c.row_id))
    return union_all(*looks).order_by(literal_column("1"), literal_column("2"))


Rules = list[tuple[str, SelectOfScalar[Any]]]


@cache
def _rules() -> Rules:
    return [*_state_rules(), *_code_rules(), *_ledger_rules(), *_chain_rules(), *_order_rules(), *_money_rules()]


def _state_rules() -> Rules:
    ways_out = _count(OrderCode.code_id, Code.id) + _count(Replacement.code_id, Code.id)
    openings = _count(RevealLink.code_id, Code.id, col(RevealLink.opened_at).is_not(None))
    return [
        (
            "a code is in one known state and pool",
            select(Code.id).where(or_(col(Code.state).not_in(list(CodeState)), col(Code.pool).not_in(list(Pool)))),
        ),
        (
            "an issued code went out exactly once",
            select(Code.id).where(col(Code.state).in_(OUT), ways_out != 1),
        ),
        (
            "a code is revealed exactly when somebody opened its link",
            select(Code.id).where(
                or_(
                    (col(Code.state) == CodeState.ISSUED) & (openings > 0),
                    (col(Code.state) == CodeState.REVEALED) & (openings != 1),
                )
            ),
        ),
        (
            "a code is reserved exactly while a claim keeps it",
            select(Code.id).where((col(Code.state) == CodeState.RESERVED) != col(Code.reserved_for).is_not(None)),
        ),
        (
            "a batch that is kept back has no code to give",
            select(Code.id)
            .join(Batch, col(Batch.id) == col(Code.batch_id))
            .where(col(Batch.quarantined_at).is_not(None), col(Code.state).in_([CodeState.FREE, CodeState.RESERVED])),
        ),
        (
            "a code that is free or reserved never went out",
            select(Code.id).where(col(Code.state).in_([CodeState.FREE, CodeState.RESERVED]), ways_out != 0),
        ),
    ]


def _code_rules() -> Rules:
    return [
        (
            "no code is kept twice",
            select(func.max(Code.id)).group_by(col(Code.fingerprint)).having(func.count() > 1),
        ),
        (
            "an imported batch still has all its codes",
            select(Batch.id).where(col(Batch.imported) > _count(Code.batch_id, Batch.id)),
        ),
        (
            "a mask shows four characters at most",
            select(Code.id).where(or_(~col(Code.masked).startswith("****"), func.length(Code.masked) > 9)),
        ),
        (
            "a link is opened between its making and its end",
            select(RevealLink.id).where(
                or_(
                    col(RevealLink.opened_at) < col(RevealLink.made_at),
                    col(RevealLink.opened_at) >= col(RevealLink.expires_at),
                )
            ),
        ),
    ]


def _ledger_rules() -> Rules:
    replaced = (Replacement.shop, Replacement.order_no, Replacement.replaced_fingerprint)
    audits = (
        select(func.count())
        .select_from(AuditRow)
        .where(col(AuditRow.subject) == literal("code:") + cast(Replacement.code_id, String))
        .where(col(AuditRow.action) == "code.issued")
        .correlate(Replacement)
        .scalar_subquery()
    )
    return [
        (
            "a claim has one replacement at most",
            select(Replacement.claim_id).group_by(col(Replacement.claim_id)).having(func.count() > 1),
        ),
        (
            "a code is replaced once at most",
            select(func.max(Replacement.id)).group_by(*map(col, replaced)).having(func.count() > 1),
        ),
        (
            "the ledger knows the code that it issued",
            select(Replacement.id)
            .join(Code, col(Code.id) == col(Replacement.code_id))
            .where(col(Code.fingerprint) != col(Replacement.fingerprint)),
        ),
        ("an issue has one audit row", select(Replacement.id).where(audits != 1)),
    ]


def _chain_rules() -> Rules:
    parent = aliased(Replacement)
    of_parent = (
        select(func.max(parent.chain))
        .where(parent.shop == Replacement.shop, parent.order_no == Replacement.order_no)
        .where(parent.fingerprint == Replacement.replaced_fingerprint)
        .correlate(Replacement)
        .scalar_subquery()
    )
    return [
        (
            "a chain counts its replacements",
            select(Replacement.id).where(col(Replacement.chain) != func.coalesce(of_parent, 0) + 1),
        ),
        (
            "a long chain was granted by a person",
            select(Replacement.id).where(col(Replacement.chain) > 2, ~col(Replacement.issued_by).startswith("agent:")),
        ),
        (
            "a replacement comes from the reserve of the same product",
            select(Replacement.id)
            .join(Code, col(Code.id) == col(Replacement.code_id))
            .join(ShopOrder, _same_order())
            .where(or_(col(Code.product_id) != col(ShopOrder.product_id), col(Code.pool) != Pool.RESERVE)),
        ),
    ]


def _order_rules() -> Rules:
    sold = (
        select(OrderCode.id)
        .join(Code, col(Code.id) == col(OrderCode.code_id))
        .where(col(OrderCode.order_id) == col(ShopOrder.id))
        .where(col(Code.fingerprint) == col(Replacement.replaced_fingerprint))
        .correlate(ShopOrder, Replacement)
        .exists()
    )
    return [
        (
            "never more is refunded than was paid",
            select(ShopOrder.id).where(col(ShopOrder.refunded) > col(ShopOrder.paid)),
        ),
        (
            "a delivered order has all its codes",
            select(ShopOrder.id)
            .where(col(ShopOrder.status) == OrderStatus.DELIVERED)
            .where(_count(OrderCode.order_id, ShopOrder.id) != col(ShopOrder.quantity)),
        ),
        (
            "what was replaced first had been sold in that order",
            select(Replacement.id).join(ShopOrder, _same_order()).where(col(Replacement.chain) == 1, ~sold),
        ),
    ]


def _money_rules() -> Rules:
    live = col(Refund.state).not_in([RefundState.REFUSED, RefundState.FAILED])
    of_order = (col(Refund.shop) == col(OrderMoney.shop)) & (col(Refund.order_no) == col(OrderMoney.order_no))
    promised = select(func.coalesce(func.sum(Refund.amount), 0)).where(of_order, live).correlate(OrderMoney)
    accounts = select(func.count()).select_from(OrderMoney).where(of_order).correlate(Refund).scalar_subquery()
    return [
        (
            "what goes back to a buyer is at most what was paid",
            select(OrderMoney.id).where(or_(col(OrderMoney.refunded) > col(OrderMoney.paid), OrderMoney.refunded < 0)),
        ),
        (
            "every refund is counted in the money of its order",
            select(OrderMoney.id).where(promised.scalar_subquery() > col(OrderMoney.refunded)),
        ),
        ("a refund belongs to an order's money", select(Refund.id).where(accounts != 1)),
        (
            "a code has one live refund at most",
            select(func.max(Refund.id))
            .where(live, col(Refund.fingerprint).is_not(None))
            .group_by(col(Refund.shop), col(Refund.order_no), col(Refund.fingerprint))
            .having(func.count() > 1),
        ),
        (
            "no code is replaced and refunded",
            select(Refund.id)
            .join(
                Replacement,
                (col(Replacement.shop) == col(Refund.shop))
                & (col(Replacement.order_no) == col(Refund.order_no))
                & (col(Replacement.replaced_fingerprint) == col(Refund.fingerprint)),
            )
            .join(Code, col(Code.id) == col(Replacement.code_id))
            # Until it is approved the replacement stays in use: who looks at it stops the refund.
            .where(live, col(Refund.state) != RefundState.REQUESTED, col(Code.state).in_(OUT)),
        ),
    ]


def _same_order() -> ColumnElement[bool]:
    return (col(ShopOrder.shop) == col(Replacement.shop)) & (col(ShopOrder.order_no) == col(Replacement.order_no))


def _count(reference: Any, key: Any, *conditions: ColumnElement[bool]) -> ColumnElement[int]:
    """How many rows refer to the row at hand."""
    counted = select(func.count()).where(col(reference) == col(key), *conditions).correlate(key.class_)
    return counted.scalar_subquery()
