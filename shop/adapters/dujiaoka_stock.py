"""Cards out of the stock of dujiaoka, which has no room for a mark: our own table says which key took which card.

dujiaoka sells without locks: it reads which cards are free, writes them into the order, and marks them as sold at last.
So a card that was ours by then can be in an order too, and whoever took one looks for it there.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from sqlalchemy import Select, func, select, update
from sqlalchemy import column as named
from sqlalchemy import table as called
from sqlalchemy.sql.expression import TableClause
from sqlmodel.ext.asyncio.session import AsyncSession

from shop import marks
from shop.adapters.connection import ShopDatabase, change
from shop.delivered import lines_of
from shop.errors import BadCredentials, ShopDown
from shop.masking import normalise_code
from shop.port import Issued
from shop.tables import MarkState, StockMark

UNSOLD, SOLD = 1, 2  # what carmis.status says
WRITTEN = called("carmis", named("status"), named("updated_at"))
NO_CARD = "0"
CANDIDATES = 50  # free cards that are looked at in one go
ROUNDS = 5  # of which all may be gone by then
BEFORE = timedelta(hours=1)  # the clocks of the shop may be late, and its sale may have begun earlier


class Books(Protocol):
    """Our own database."""

    def reading(self) -> AbstractAsyncContextManager[AsyncSession]: ...

    def writing(self) -> AbstractAsyncContextManager[AsyncSession]: ...


@dataclass(frozen=True, slots=True)
class Goods:
    """What a card belongs to."""

    goods_id: int
    sub_id: int | None = None  # of the fork: its kind


@dataclass(frozen=True, slots=True)
class Till:
    """What taking cards needs; without it nothing is written there."""

    shop: str
    database: ShopDatabase  # that may write
    books: Books
    clock: Callable[[], datetime]
    zone: ZoneInfo  # of the shop's times

    async def examine(self) -> None:
        """Try to take a card that is none. Raises `BadCredentials` where this user may not."""
        try:
            await self._sell(NO_CARD)
        except BadCredentials:
            words = "this user may take no cards; the owner of its database lets it with: "
            raise BadCredentials(shop=self.shop, problem=words + self.database.grant(WRITTEN, "UPDATE")) from None

    async def take(self, key: str, goods: Goods, cards: TableClause) -> Issued | None:
        """One free card of these goods, the same for the same key; None when none is free. Raises `ShopDown`."""
        async with self.books.reading() as session:
            mark = await marks.find_mark(session, self.shop, key)
        if mark is not None and mark.state == MarkState.TAKEN:
            return await self._read(mark, cards)
        # Whoever tried before was ended. A card that is still free was not taken then, and is taken now.
        if mark is not None:
            if await self._sell(mark.reference):
                return await self._confirm(mark, cards)
            async with self.books.writing() as session:
                await marks.lose(session, self.clock(), mark)
        for _ in range(ROUNDS):
            free = await self._free(key, goods, cards)
            for reference in free:
                if (taken := await self._mark(key, reference)) is None:
                    continue  # another's, since we looked
                if await self._sell(reference):
                    return await self._confirm(taken, cards)
                async with self.books.writing() as session:
                    await marks.drop(session, taken)
            if not free:
                break
        return None

    async def find_resold(
        self, orders: Select[Any], references: Collection[str], cards: TableClause
    ) -> Mapping[str, str]:
        """Which of these cards stand in the rows of `orders` (order_sn, info): numbers of orders by cards."""
        wanted = [int(reference) for reference in references]
        texts = await self.database.rows(select(cards.c.id, cards.c.carmi).where(cards.c.id.in_(wanted)))
        sold = [(row.order_sn, _signs(row.info)) for row in await self.database.rows(orders)]
        found = {}
        for card in texts:
            if text := _signs(card.carmi):
                orders_with = (order_no for order_no, delivered in sold if text in delivered)
                if (order_no := next(orders_with, None)) is not None:
                    found[str(card.id)] = order_no
        return found

    def since(self, instant: datetime) -> datetime:
        """As the shop writes it, with time enough for a sale that was under way then."""
        return (instant - BEFORE).astimezone(self.zone).replace(tzinfo=None)

    async def _free(self, key: str, goods: Goods, cards: TableClause) -> Sequence[str]:
        """The newest, since the shop sells its oldest first; those that nobody of ours has or tries."""
        free = select(cards.c.id).where(*is_free(cards), cards.c.goods_id == goods.goods_id)
        if "sub_id" in cards.c:
            free = free.where(func.coalesce(cards.c.sub_id, 0) == (goods.sub_id or 0))
        rows = await self.database.rows(free.order_by(cards.c.id.desc()).limit(CANDIDATES))
        found = [str(row.id) for row in rows]
        async with self.books.reading() as session:
            marked = await marks.marked_of(session, self.shop, found)
        ours = [reference for reference in found if reference not in marked]
        first = int(key[:8], 16) % len(ours) if ours else 0  # many that take at once each begin elsewhere
        return ours[first:] + ours[:first]

    async def _mark(self, key: str, reference: str) -> StockMark | None:
        async with self.books.writing() as session:
            mark = await marks.set_mark(session, self.clock(), self.shop, key, reference)
            if mark is None and await marks.find_mark(session, self.shop, key) is not None:
                raise ShopDown(shop=self.shop)  # somebody else is at it with this key
            return mark

    async def _sell(self, reference: str) -> bool:
        """Compare-and-set: whether it was free until now."""
        cards = called("carmis", *map(named, ("id", "status", "updated_at", "is_loop", "deleted_at")))
        now = self.clock().astimezone(self.zone).replace(tzinfo=None)
        taking = update(cards).where(cards.c.id == int(reference), *is_free(cards))
        async with self.database.held() as connection:
            return await change(connection, taking.values(status=SOLD, updated_at=now)) == 1

    async def _confirm(self, mark: StockMark, cards: TableClause) -> Issued:
        async with self.books.writing() as session:
            is_ours = await marks.confirm(session, self.clock(), mark)
        if not is_ours:
            raise ShopDown(shop=self.shop)
        return await self._read(mark, cards)

    async def _read(self, mark: StockMark, cards: TableClause) -> Issued:
        rows = await self.database.rows(select(cards.c.carmi).where(cards.c.id == int(mark.reference)))
        if not rows:
            raise ShopDown(shop=self.shop)
        return Issued(rows[0].carmi, mark.reference)


def is_free(cards: TableClause) -> tuple[Any, ...]:
    """Not sold, and not sold again and again."""
    return cards.c.status == UNSOLD, cards.c.is_loop == 0, cards.c.deleted_at.is_(None)


def _signs(text: str | None) -> str:
    """Lines of text, each between line ends, so that one code is not found inside of another."""
    return "\n" + "".join(f"{normalise_code(line)}\n" for line in lines_of(text or "")) if text else ""
