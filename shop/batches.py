"""Batches: what of them went out, and keeping back the rest when too much of it turns out bad.

Whose claims those are is not known here: `tickets.batch_incidents` counts them.
"""

from collections import Counter
from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, CompoundSelect, String, cast, func, literal, union_all, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from audit.tables import AuditRow
from audit.trail import record
from shop.errors import UnknownBatch
from shop.tables import Batch, Code, CodeState, OrderCode, Replacement, ShopOrder

UNSOLD = (CodeState.FREE, CodeState.RESERVED)  # what can still be kept back


async def lock_batch(session: AsyncSession, batch_id: int) -> Batch:
    """The batch as it is now, held until the transaction ends; who holds one waits for no ticket."""
    found = await session.exec(
        select(Batch).where(col(Batch.id) == batch_id).with_for_update().execution_options(populate_existing=True)
    )
    batch = found.first()
    if batch is None:
        raise UnknownBatch(batch=batch_id)
    return batch


async def quarantine_batch(session: AsyncSession, now: datetime, batch_id: int, actor: str, why: str) -> int | None:
    """Keep back every code of the batch that did not go out; how many, or None when it is kept back already.

    A code that was reserved for a claim is kept back with the others: its grant takes one of another batch.
    """
    marked = await session.exec(
        update(Batch)
        .where(col(Batch.id) == batch_id, col(Batch.quarantined_at).is_(None))
        .values(quarantined_at=now)
        .execution_options(synchronize_session="fetch")
    )
    if marked.rowcount != 1:
        return None
    kept = await _keep_back(session, batch_id)
    record(session, now, actor, "batch.quarantined", f"batch:{batch_id}", None, {"codes": kept, "why": why})
    return kept


async def keep_back_added(session: AsyncSession, now: datetime, batch_ids: Collection[int], actor: str) -> None:
    """Codes that came into a batch which is kept back stay back with it.

    For the transaction that brought them, once it has written to the rows of these batches: a quarantine under way is
    waited for then, or waits for us.
    """
    off_sale = select(Batch.id).where(col(Batch.id).in_(batch_ids), col(Batch.quarantined_at).is_not(None))
    for batch_id in (await session.exec(off_sale.order_by(col(Batch.id)))).all():
        if kept := await _keep_back(session, batch_id):
            record(session, now, actor, "batch.kept_back", f"batch:{batch_id}", None, {"codes": kept})


async def _keep_back(session: AsyncSession, batch_id: int) -> int:
    kept = await session.exec(
        update(Code)
        .where(col(Code.batch_id) == batch_id, col(Code.state).in_(UNSOLD))
        .values(state=CodeState.QUARANTINED, reserved_for=None)
        .execution_options(synchronize_session=False)
    )
    return int(kept.rowcount)


async def release_batch(session: AsyncSession, now: datetime, batch_id: int, actor: str, why: str) -> int | None:
    """Free again what `quarantine_batch` kept back; how many, or None when the batch is not kept back.

    A code that was quarantined for a reason of its own stays where it is.
    """
    marked = await session.exec(
        update(Batch)
        .where(col(Batch.id) == batch_id, col(Batch.quarantined_at).is_not(None))
        .values(quarantined_at=None)
        .execution_options(synchronize_session="fetch")
    )
    if marked.rowcount != 1:
        return None
    alone = (
        select(AuditRow.id)
        .where(col(AuditRow.subject) == literal("code:") + cast(Code.id, String))
        .where(col(AuditRow.action) == "code.quarantined")
        .correlate(Code)
        .exists()
    )
    freed = await session.exec(
        update(Code)
        .where(col(Code.batch_id) == batch_id, col(Code.state) == CodeState.QUARANTINED)
        .where(~alone, col(Code.id).not_in(select(outgoings().subquery().c.code_id)))
        .values(state=CodeState.FREE)
        .execution_options(synchronize_session=False)
    )
    record(session, now, actor, "batch.released", f"batch:{batch_id}", None, {"codes": freed.rowcount, "why": why})
    return int(freed.rowcount)


async def is_known_bad(session: AsyncSession, batch_id: int | None) -> bool:
    """Whether a person took the batch off sale, and it still is: what buyers say of its codes is likely true.

    A quarantine that claims alone brought about says no more than those claims, which may be lies.
    """
    if batch_id is None:
        return False
    last = (
        select(AuditRow.actor)
        .join(Batch, col(Batch.quarantined_at) == col(AuditRow.at))
        .where(col(Batch.id) == batch_id, col(AuditRow.subject) == f"batch:{batch_id}")
        .where(col(AuditRow.action) == "batch.quarantined")
    )
    return ((await session.exec(last)).first() or "").startswith("agent:")


async def released_at(session: AsyncSession, batch_id: int) -> datetime | None:
    """When somebody last found the batch to be sound."""
    last = (
        select(AuditRow.at)
        .where(col(AuditRow.subject) == f"batch:{batch_id}", col(AuditRow.action) == "batch.released")
        .order_by(col(AuditRow.id).desc())
        .limit(1)
    )
    return (await session.exec(last)).first()


def sold_at() -> ColumnElement[datetime]:
    """When an order's codes went out, as well as the order says it."""
    return func.coalesce(ShopOrder.delivered_at, ShopOrder.paid_at, ShopOrder.created_at)


def outgoings() -> CompoundSelect[Any]:
    """Every code that went out, sold or as a replacement: code_id, at, shop, order_no."""
    sold: Any = select(
        col(OrderCode.code_id).label("code_id"),
        sold_at().label("at"),
        col(ShopOrder.shop).label("shop"),
        col(ShopOrder.order_no).label("order_no"),
    ).join(ShopOrder, col(ShopOrder.id) == col(OrderCode.order_id))
    replaced = select(
        col(Replacement.code_id), col(Replacement.issued_at), col(Replacement.shop), col(Replacement.order_no)
    )
    return union_all(sold, replaced)


async def count_out(session: AsyncSession, batch_ids: Collection[int]) -> dict[int, int]:
    """How many codes of each batch went out; a batch of which none did is missing."""
    counted: Counter[int] = Counter()
    for way in (OrderCode, Replacement):  # one by one: a union of all that ever went out would be walked through
        of_batch = (
            select(Code.batch_id, func.count())
            .join(way, col(way.code_id) == col(Code.id))
            .where(col(Code.batch_id).in_(batch_ids))
            .group_by(col(Code.batch_id))
        )
        counted.update(dict((await session.exec(of_batch)).all()))
    return dict(counted)


async def count_states(session: AsyncSession, batch_ids: Collection[int]) -> dict[tuple[int, str], int]:
    """How many codes of each batch are in each state."""
    counted = (
        select(Code.batch_id, Code.state, func.count())
        .where(col(Code.batch_id).in_(batch_ids))
        .group_by(col(Code.batch_id), col(Code.state))
    )
    return {(batch_id, state): count for batch_id, state, count in (await session.exec(counted)).all()}
