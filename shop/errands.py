"""Errands as rows: what a shop is to do, written with the decision that it follows from, and then asked of it.

A try is written down before the shop is asked and keeps other processes away until its lease ends; whoever goes on
after a crash asks with the same key.
"""

from collections.abc import Sequence
from datetime import datetime
from secrets import token_hex
from typing import Any

from sqlalchemy import ColumnElement, func, literal_column, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from audit.once import add_once
from audit.trail import record
from shop.port import Order, Power
from shop.tables import Errand, ErrandState

KEY_BYTES = 16
_OPEN: ColumnElement[bool] = literal_column("shop_errand.state IN ('wanted','taken')")  # in the words of its indexes
_LOOKED_FOR: ColumnElement[bool] = literal_column("shop_errand.look_at IS NOT NULL")


async def want(
    session: AsyncSession,
    now: datetime,
    power: Power,
    order: Order,
    fingerprint: str,
    claim_id: int,
    actor: str,
    *,
    may_lengthen: bool = False,
    text: str = "",
) -> Errand | None:
    """Ask the shop of `order` for this, about the bad code of a claim; None while the same is wanted already."""
    errand = Errand(
        key=token_hex(KEY_BYTES),
        power=power,
        claim_id=claim_id,
        shop=order.shop,
        order_no=order.order_no,
        sku=order.goods.sku,
        fingerprint=fingerprint,
        actor=actor,
        may_lengthen=may_lengthen,
        text=text,
        not_before=now,
        made_at=now,
    )
    if not await add_once(session, errand):
        return None
    _tell(session, now, errand, "wanted", claim=claim_id, order=f"{order.shop}/{order.order_no}", power=power)
    return errand


async def revive(session: AsyncSession, now: datetime, claim_id: int, actor: str, *, may_lengthen: bool) -> None:
    """Somebody wants the code of an errand after all that was given up, and is still on its way."""
    found = select(Errand).where(Errand.claim_id == claim_id, Errand.power == Power.ISSUE, _OPEN).with_for_update()
    errand = (await session.exec(found)).one()
    errand.given_up_at, errand.not_before, errand.actor, errand.may_lengthen = None, now, actor, may_lengthen
    session.add(errand)
    _tell(session, now, errand, "revived", errand.state)


async def count_collided(session: AsyncSession, claim_id: int) -> int:
    """How many codes that were taken for this claim went to somebody else too."""
    collided = select(func.count()).where(col(Errand.claim_id) == claim_id, Errand.state == ErrandState.COLLIDED)
    return (await session.exec(collided)).one()


async def due(session: AsyncSession, now: datetime, limit: int) -> list[int]:
    """The open errands whose turn it is, the longest due first."""
    found = select(Errand.id).where(_OPEN, col(Errand.not_before) <= now)
    return list((await session.exec(found.order_by(col(Errand.not_before), col(Errand.id)).limit(limit))).all())


async def next_due(session: AsyncSession) -> datetime | None:
    """When the next of them is due, or the next code is looked for."""
    due_at = (await session.exec(select(func.min(Errand.not_before)).where(_OPEN))).one()
    look_at = (await session.exec(select(func.min(Errand.look_at)).where(_LOOKED_FOR))).one()
    return min((at for at in (due_at, look_at) if at is not None), default=None)


async def begin_try(session: AsyncSession, now: datetime, errand_id: int, until: datetime) -> Errand | None:
    """A due errand that is the caller's alone until then; None when it is somebody else's, or over."""
    is_due = (col(Errand.id) == errand_id, _OPEN, col(Errand.not_before) <= now)
    tried = await session.exec(update(Errand).where(*is_due).values(attempts=Errand.attempts + 1, not_before=until))
    if tried.rowcount != 1:
        return None
    return await session.get_one(Errand, errand_id, populate_existing=True)


async def is_ours(session: AsyncSession, errand: Errand) -> bool:
    """Whether the try that began is still the caller's, who holds the errand from here on."""
    ours = select(Errand.id).where(Errand.id == errand.id, _OPEN, Errand.attempts == errand.attempts)
    return (await session.exec(ours.with_for_update())).first() is not None


async def move(
    session: AsyncSession, now: datetime, errand: Errand, state: ErrandState | None = None, **values: Any
) -> bool:
    """Compare-and-set: only while the try that began is still the caller's. `errand` is as it stands afterwards."""
    ours = (col(Errand.id) == errand.id, _OPEN, col(Errand.attempts) == errand.attempts)
    values |= {"state": state} if state else {}
    moved = await session.exec(
        update(Errand).where(*ours).values(**values).execution_options(synchronize_session=False)
    )
    before = errand.state
    errand = await session.get_one(Errand, errand.id, populate_existing=True)
    if moved.rowcount == 1 and state:
        _tell(session, now, errand, state, before, code=errand.code_id, problem=errand.problem)
    return bool(moved.rowcount == 1)


async def due_looks(session: AsyncSession, now: datetime, limit: int) -> Sequence[Errand]:
    """The errands whose codes are to be looked for in what their shops sold since."""
    found = select(Errand).where(_LOOKED_FOR, col(Errand.look_at) <= now)
    return (await session.exec(found.order_by(col(Errand.look_at), col(Errand.id)).limit(limit))).all()


async def set_look(session: AsyncSession, errand: Errand, look_at: datetime | None, *, counts: bool = True) -> bool:
    """The code was looked for, or with `counts` off the shop did not answer; of all who look, one gets True."""
    ours = (col(Errand.id) == errand.id, _LOOKED_FOR, col(Errand.looks) == errand.looks)
    looks = Errand.looks + 1 if counts else Errand.looks
    looked = await session.exec(update(Errand).where(*ours).values(looks=looks, look_at=look_at))
    return bool(looked.rowcount == 1)


async def collide(session: AsyncSession, now: datetime, errand: Errand, other: str) -> bool:
    """The code went to order `other` as well; of all who see it, one gets True."""
    known = (col(Errand.id) == errand.id, col(Errand.state) != ErrandState.COLLIDED, col(Errand.code_id).is_not(None))
    values = {"state": ErrandState.COLLIDED, "look_at": None, "problem": other}
    first = await session.exec(update(Errand).where(*known).values(**values))
    if first.rowcount == 1:
        facts = {"code": errand.code_id, "order": f"{errand.shop}/{errand.order_no}", "also_in": other}
        _tell(session, now, errand, "collided", errand.state, **facts)
    return bool(first.rowcount == 1)


def _tell(
    session: AsyncSession, now: datetime, errand: Errand, what: str, state: str | None = None, **facts: object
) -> None:
    before = {"state": state} if state else None
    told = {"key": errand.key, **{name: fact for name, fact in facts.items() if fact is not None}}
    record(session, now, errand.actor, f"errand.{what}", f"shop_errand:{errand.id}", before, told)
