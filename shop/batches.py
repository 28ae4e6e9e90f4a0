"""Batches: what of them went out, and keeping back the rest when too much of it turns out bad.

Whose claims those are is not known here: `tickets.batch_incidents` counts them.
"""

from collections import Counter
from collections.abc import Collection
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Connection,
    String,
    Update,
    bindparam,
    cast,
    func,
    literal,
    union_all,
    update,
)
from sqlmodel import UTCDateTime, col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from audit import rows
from audit.tables import AuditRow
from audit.trail import record_now
from shop.errors import UnknownBatch
from shop.tables import Batch, Code, CodeState, OrderCode, Replacement, ShopOrder

_THIS = col(Batch.id) == bindparam("batch")
_MARKED = (
    update(Batch)
    .where(_THIS, col(Batch.quarantined_at).is_(None))
    .values(quarantined_at=bindparam("at", type_=UTCDateTime()))
)
_UNMARKED = update(Batch).where(_THIS, col(Batch.quarantined_at).is_not(None)).values(quarantined_at=None)
_OFF_SALE = select(Batch.id).where(_THIS, col(Batch.quarantined_at).is_not(None))
_KEPT_BACK = (
    update(Code)
    .where(col(Code.batch_id) == bindparam("batch"))
    .where(or_(col(Code.state) == CodeState.FREE, col(Code.state) == CodeState.RESERVED))  # what did not go out
    .values(state=CodeState.QUARANTINED, reserved_for=None)
)


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
    return await rows.in_one_trip(session, lambda connection: _quarantine(connection, now, batch_id, actor, why))


def _quarantine(connection: Connection, now: datetime, batch_id: int, actor: str, why: str) -> int | None:
    if not rows.carry_out(connection, _MARKED, batch=batch_id, at=now):
        return None
    kept = rows.carry_out(connection, _KEPT_BACK, batch=batch_id)
    record_now(connection, now, actor, "batch.quarantined", f"batch:{batch_id}", None, {"codes": kept, "why": why})
    return kept


async def keep_back_added(session: AsyncSession, now: datetime, batch_ids: Collection[int], actor: str) -> None:
    """Codes that came into a batch which is kept back stay back with it.

    For the transaction that brought them, once it has written to the rows of these batches: a quarantine under way is
    waited for then, or waits for us.
    """
    await rows.in_one_trip(session, lambda connection: _keep_back(connection, now, batch_ids, actor))


def _keep_back(connection: Connection, now: datetime, batch_ids: Collection[int], actor: str) -> None:
    for batch_id in sorted(batch_ids):
        is_off_sale = rows.find(connection, _OFF_SALE, batch=batch_id) is not None
        if is_off_sale and (kept := rows.carry_out(connection, _KEPT_BACK, batch=batch_id)):
            record_now(connection, now, actor, "batch.kept_back", f"batch:{batch_id}", None, {"codes": kept})


async def release_batch(session: AsyncSession, now: datetime, batch_id: int, actor: str, why: str) -> int | None:
    """Free again what `quarantine_batch` kept back; how many, or None when the batch is not kept back.

    A code that was quarantined for a reason of its own stays where it is.
    """
    return await rows.in_one_trip(session, lambda connection: _release(connection, now, batch_id, actor, why))


def _release(connection: Connection, now: datetime, batch_id: int, actor: str, why: str) -> int | None:
    if not rows.carry_out(connection, _UNMARKED, batch=batch_id):
        return None
    freed = rows.carry_out(connection, _freed(), batch=batch_id)
    record_now(connection, now, actor, "batch.released", f"batch:{batch_id}", None, {"codes": freed, "why": why})
    return freed


@cache
def _freed() -> Update:
    """Free what was kept back with its batch alone, and never went out."""
    alone = (
        select(AuditRow.id)
        .where(col(AuditRow.subject) == literal("code:") + cast(Code.id, String))
        .where(col(AuditRow.action) == "code.quarantined")
        .correlate(Code)
        .exists()
    )
    return (
        update(Code)
        .where(col(Code.batch_id) == bindparam("batch"), col(Code.state) == CodeState.QUARANTINED)
        .where(~alone, col(Code.id).not_in(select(outgoings().subquery().c.code_id)))
        .values(state=CodeState.FREE)
    )


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
