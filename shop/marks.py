"""Marks: which key took which card of a shop that has no room for such a mark itself.

A card is marked before it is taken: a card without a mark was never touched by us, and one card has one mark at most.
"""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import delete, text, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from audit.once import add_once
from audit.trail import record
from shop.tables import MarkState, StockMark

ACTOR = "system"
_LIVE = (MarkState.TRYING, MarkState.TAKEN)
# In the words of its index.
_UNTOLD = select(StockMark).where(text("stock_mark.state = 'lost' AND stock_mark.told_at IS NULL"))


async def find_mark(session: AsyncSession, shop: str, key: str) -> StockMark | None:
    """The card that this key has, or was about to take."""
    live = select(StockMark).where(StockMark.shop == shop, StockMark.key == key, col(StockMark.state).in_(_LIVE))
    return (await session.exec(live)).first()


async def marked_of(session: AsyncSession, shop: str, references: Collection[str]) -> set[str]:
    """Which of these cards have a mark."""
    found = select(StockMark.reference).where(StockMark.shop == shop, col(StockMark.reference).in_(references))
    return set((await session.exec(found)).all())


async def set_mark(session: AsyncSession, now: datetime, shop: str, key: str, reference: str) -> StockMark | None:
    """This key is about to take this card; None when the card has a mark, or the key has a card."""
    mark = StockMark(shop=shop, key=key, reference=reference, marked_at=now)
    return mark if await add_once(session, mark) else None


async def confirm(session: AsyncSession, now: datetime, mark: StockMark) -> bool:
    """The card was taken; False when another who had the key has given it up for lost meanwhile."""
    is_ours = await _move(session, mark, MarkState.TAKEN)
    if is_ours:
        record(session, now, ACTOR, "stock.card_taken", f"stock_mark:{mark.id}", None, _facts(mark))
    return is_ours


async def lose(session: AsyncSession, now: datetime, mark: StockMark) -> None:
    """Somebody was about to take this card and was ended, and it is sold: by whom, nobody knows."""
    if await _move(session, mark, MarkState.LOST):
        record(session, now, ACTOR, "stock.card_lost", f"stock_mark:{mark.id}", None, _facts(mark))


async def drop(session: AsyncSession, mark: StockMark) -> None:
    """The shop was quicker to sell it."""
    await session.exec(delete(StockMark).where(col(StockMark.id) == mark.id, col(StockMark.state) == MarkState.TRYING))


async def has_untold(session: AsyncSession) -> bool:
    """Whether there is a lost card that staff have not heard of."""
    return (await session.exec(_UNTOLD.limit(1))).first() is not None


async def take_untold(session: AsyncSession, now: datetime) -> Sequence[StockMark]:
    """The lost cards that staff have not heard of; the caller tells them in this transaction."""
    lost = (await session.exec(_UNTOLD.order_by(col(StockMark.id)).with_for_update(skip_locked=True))).all()
    for mark in lost:
        mark.told_at = now
        session.add(mark)
    return lost


async def _move(session: AsyncSession, mark: StockMark, state: MarkState) -> bool:
    trying = (col(StockMark.id) == mark.id, col(StockMark.state) == MarkState.TRYING)
    return bool((await session.exec(update(StockMark).where(*trying).values(state=state))).rowcount == 1)


def _facts(mark: StockMark) -> dict[str, str]:
    return {"shop": mark.shop, "card": mark.reference, "key": mark.key}
