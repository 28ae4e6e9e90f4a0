"""The events of shops as they are kept: each once, until what follows from it is decided.

A look at an order is written down before the shop is asked, and keeps other processes away until its lease ends.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, update
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from audit.once import add_once
from audit.trail import record
from shop.events import Event
from shop.tables import EventState, ShopEvent

CASE, NOTICE = "case", "notice"  # what may follow of an event
ACTOR = "system"
_PENDING = col(ShopEvent.state) == EventState.PENDING


async def receive(session: AsyncSession, now: datetime, shop: str, event: Event) -> bool:
    """Keep an event; False when it was received before."""
    row = ShopEvent(
        shop=shop,
        event_id=event.event_id,
        kind=event.kind,
        order_no=event.order_no,
        received_at=now,
        not_before=now,
    )
    return await add_once(session, row)


async def due(session: AsyncSession, now: datetime, limit: int) -> list[tuple[int, str]]:
    """(number, shop) of the events whose order is to be looked at, the longest due first."""
    found = select(ShopEvent.id, ShopEvent.shop).where(_PENDING, col(ShopEvent.not_before) <= now)
    rows = (await session.exec(found.order_by(col(ShopEvent.not_before)).limit(limit))).all()
    return [(number, shop) for number, shop in rows if number is not None]


async def next_due(session: AsyncSession) -> datetime | None:
    """When the next order is to be looked at."""
    return (await session.exec(select(func.min(ShopEvent.not_before)).where(_PENDING))).one()


async def begin_look(session: AsyncSession, now: datetime, event_id: int, until: datetime) -> ShopEvent | None:
    """Keep everybody else away from a due event until then; None when somebody was first."""
    is_due = (col(ShopEvent.id) == event_id, _PENDING, col(ShopEvent.not_before) <= now)
    begun = await session.exec(update(ShopEvent).where(*is_due).values(not_before=until))
    if begun.rowcount != 1:
        return None
    return await session.get_one(ShopEvent, event_id, populate_existing=True)


async def put_off(
    session: AsyncSession, event: ShopEvent, until: datetime, attempts: int = 0, problem: str | None = None
) -> bool:
    """Look at the order again then; `attempts` counts those in a row that the shop did not answer."""
    return await _move(session, event, not_before=until, attempts=attempts, problem=problem)


async def finish(session: AsyncSession, now: datetime, event: ShopEvent, became: str | None = None) -> bool:
    """Settle the event: of all who try, one gets True. With `became`, of all events of its order too."""
    try:
        async with session.begin_nested():
            is_ours = await _move(session, event, state=EventState.DONE, became=became, problem=None)
    except IntegrityError:  # another event of this order has had its case
        await _move(session, event, state=EventState.DONE)
        return False
    if is_ours and became is not None:
        after = {"became": became, "order": f"{event.shop}/{event.order_no}"}
        record(session, now, ACTOR, "shop_event.acted", f"shop_event:{event.id}", None, after)
    return is_ours


async def give_up(session: AsyncSession, now: datetime, event: ShopEvent, problem: str) -> bool:
    """Lay the event aside for a person; of all who try, one gets True."""
    is_ours = await _move(session, event, state=EventState.DEAD, attempts=event.attempts + 1, problem=problem)
    if is_ours:
        after = {"problem": problem, "order": f"{event.shop}/{event.order_no}"}
        record(session, now, ACTOR, "shop_event.died", f"shop_event:{event.id}", None, after)
    return is_ours


async def laid_aside(session: AsyncSession, limit: int) -> list[ShopEvent]:
    """The events that were given up, the oldest first."""
    is_dead = ShopEvent.state == EventState.DEAD
    return list((await session.exec(select(ShopEvent).where(is_dead).order_by(col(ShopEvent.id)).limit(limit))).all())


async def retry(session: AsyncSession, now: datetime, event: ShopEvent, actor: str) -> bool:
    """Look at the order of an event that was given up after all; of all who try, one gets True."""
    is_dead = (col(ShopEvent.id) == event.id, col(ShopEvent.state) == EventState.DEAD)
    values = {"state": EventState.PENDING, "attempts": 0, "not_before": now}
    put_back = await session.exec(
        update(ShopEvent).where(*is_dead).values(**values).execution_options(synchronize_session=False)
    )
    if put_back.rowcount == 1:
        before, after = {"state": EventState.DEAD, "problem": event.problem}, {"state": EventState.PENDING}
        record(session, now, actor, "shop_event.retried", f"shop_event:{event.id}", before, after)
    return bool(put_back.rowcount == 1)


async def count_dead(session: AsyncSession) -> int:
    is_dead = ShopEvent.state == EventState.DEAD
    return (await session.exec(select(func.count()).select_from(ShopEvent).where(is_dead))).one()


async def forget(session: AsyncSession, before: datetime) -> int:
    """Delete what was received before and had no case; a repeat would count as new. The case of an order is kept."""
    idle = (col(ShopEvent.state) == EventState.DONE, col(ShopEvent.became).is_(None))
    gone: int = (await session.exec(delete(ShopEvent).where(*idle, col(ShopEvent.received_at) < before))).rowcount
    return gone


async def _move(session: AsyncSession, event: ShopEvent, **values: Any) -> bool:
    """Compare-and-set: only while the look that began is still ours."""
    ours = (col(ShopEvent.id) == event.id, _PENDING, col(ShopEvent.not_before) == event.not_before)
    moved = await session.exec(
        update(ShopEvent).where(*ours).values(**values).execution_options(synchronize_session=False)
    )
    return bool(moved.rowcount == 1)
