"""dujiaoka (独角数卡) 2.0.6 beside us, and its fork by hiouttime, whose orders hold several goods: their tables.

What an order delivered is text in it; the cards are only asked which of them may stand in many orders.
"""

import asyncio
import re
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BindParameter, Select, bindparam, func, null, select
from sqlalchemy import column as named
from sqlalchemy import table as called
from sqlalchemy.sql.expression import TableClause

from shop.adapters.connection import SECONDS
from shop.adapters.dujiaoka_balance import Balances
from shop.adapters.dujiaoka_stock import UNSOLD, Till
from shop.adapters.dujiaoka_stock import Goods as CardsOf
from shop.adapters.foreign import DatabaseShop, Ground, Sold, minor
from shop.delivered import Delivered, read_delivered
from shop.errors import ShopDown
from shop.masking import normalise_code
from shop.port import Answer, Goods, Issued, Order, OrderStatus, Power, ProofWay, Reply, Stock

AUTOMATIC = 1  # what `type` says of goods whose cards are delivered at once; a person or a program does the others
COMPLETED = 4
STATUSES = {
    1: OrderStatus.UNPAID,
    2: OrderStatus.PAID_UNDELIVERED,  # waits for a person there
    3: OrderStatus.PAID_UNDELIVERED,  # who is at it
    5: OrderStatus.ABNORMAL,  # who could not do it
    6: OrderStatus.ABNORMAL,  # there were too few cards
    -1: OrderStatus.CLOSED,  # never paid
}
SETTLES = timedelta(seconds=2)  # from reading which cards are free to having sold them, as the shop does it
LOOPS_KEPT = 600.0  # seconds that the loop cards of goods are taken for the same: no index helps to find them
_SKU = re.compile(r"(?P<goods>[0-9]{1,18})(/(?P<sub>[0-9]{1,18}))?")
# Anything else is no number, and in another character set could cost the server a search without an index.
_NUMBER = re.compile(r"[0-9A-Za-z_-]+")
_BOTH = ("order_sn", "actual_price", "search_pwd", "email", "buy_ip", "trade_no", "status", "created_at", "updated_at")


def _table(name: str, *columns: str) -> TableClause:
    return called(name, *map(named, columns))


ORDERS = _table("orders", *_BOTH, "goods_id", "title", "goods_price", "buy_amount", "info", "type", "deleted_at")
CARMIS = _table("carmis", "goods_id", "status", "is_loop", "carmi", "deleted_at")
STOCK = _table("carmis", "id", "goods_id", "status", "is_loop", "carmi", "deleted_at")  # where cards may be taken

FORK_ORDERS = _table("orders", "id", *_BOTH, "deleted_at")
FORK_ITEMS = _table(
    *("order_items", "id", "order_id", "goods_id", "sub_id"),
    *("goods_name", "unit_price", "quantity", "info", "type"),
)
FORK_BALANCES = _table("user_balance_records", "related_order_sn", "type", "amount")
FORK_CARMIS = _table("carmis", "goods_id", "sub_id", "status", "is_loop", "carmi", "deleted_at")
FORK_STOCK = _table("carmis", "id", "goods_id", "sub_id", "status", "is_loop", "carmi", "deleted_at")


@dataclass(frozen=True, slots=True)
class _Item:
    """Some goods of an order, and what came of them."""

    goods_id: int
    goods: Goods
    quantity: int
    is_automatic: bool
    delivered: Delivered

    @property
    def missing(self) -> int:
        return max(0, self.quantity - len(self.delivered.codes)) if self.is_automatic else 0


class Dujiaoka(DatabaseShop):
    """`shop.port.Shop` on the database of dujiaoka. Which of the two it is, its tables say."""

    powers = DatabaseShop.powers | {Power.STOCK}
    tables: Sequence[TableClause] = (ORDERS, CARMIS)

    def __init__(
        self,
        ground: Ground,
        url: str,
        *,
        seconds: float = SECONDS,
        till: Till | None = None,
        balances: Balances | None = None,
    ) -> None:
        super().__init__(ground, url, seconds=seconds)
        self._till, self._balances = till, balances
        self.tables = (ORDERS, STOCK if till else CARMIS)
        self.powers = Dujiaoka.powers | ({Power.ISSUE} if till else set()) | ({Power.REFUND} if balances else set())
        self.settles = SETTLES if till else timedelta(0)
        self._needed: Sequence[TableClause] = ()  # once it is known which of the two it is
        self._loops: dict[int, tuple[float, frozenset[str]]] = {}  # fingerprints by goods, and until when they count

    async def find_tables(self) -> Sequence[TableClause]:
        if not self._needed:
            there = await self.database.columns()
            if FORK_ITEMS.name in there:
                cards = FORK_STOCK if self._till else FORK_CARMIS
                self.tables = (FORK_ORDERS, FORK_ITEMS, FORK_BALANCES, cards)
            # The fork knew no balances before members.
            self._needed = [one for one in self.tables if one is not FORK_BALANCES or one.name in there]
        return self._needed

    async def read(self, order_no: str) -> Sold | None:
        """One statement, and one more when its codes may be loop cards that were not looked at lately."""
        rows = await self._rows(order_no)
        if not rows:
            return None
        row, items = rows[0], [self._item(row) for row in rows]
        return Sold(
            self._as_order(row, items),
            codes=tuple(code for item in items for code in item.delivered.codes),
            reusable=await self._loops_of({item.goods_id for item in items if len(item.delivered.codes) == 1}),
            secrets=_secrets(row),
        )

    async def stock(self, sku: str) -> Reply[Stock]:
        """Cards that are not sold; goods that a person delivers have none."""
        is_fork = FORK_ITEMS in await self.find_tables()
        known = _SKU.fullmatch(sku)
        if known is None or (known["sub"] and not is_fork):
            return Reply(Answer.REFUSED, note="no such goods")
        cards = FORK_CARMIS if is_fork else CARMIS
        free = select(func.count()).select_from(cards)
        free = free.where(
            cards.c.goods_id == int(known["goods"]), cards.c.status == UNSOLD, cards.c.deleted_at.is_(None)
        )
        if known["sub"]:
            free = free.where(cards.c.sub_id == int(known["sub"]))
        return Reply(Answer.DONE, Stock((await self.database.rows(free))[0][0]))

    async def issue(self, order_no: str, sku: str, key: str) -> Reply[Issued]:
        """A free card of the goods of a delivered order, sold from now on; `find_resold` tells whether to us alone."""
        if self._till is None:
            return await super().issue(order_no, sku, key)
        items = [self._item(row) for row in await self._rows(order_no)]
        known = _SKU.fullmatch(sku)
        if known is None or {item.goods.sku for item in items} != {sku} or not all(map(_is_delivered, items)):
            return Reply(Answer.REFUSED, note="not the goods of an order that was delivered from stock")
        goods = CardsOf(int(known["goods"]), int(known["sub"]) if known["sub"] else None)
        issued = await self._till.take(key, goods, (await self.find_tables())[-1])
        return Reply(Answer.DONE, issued) if issued else Reply(Answer.REFUSED, note="no card of these goods is free")

    async def find_resold(self, sku: str, references: Collection[str], since: datetime) -> Reply[Mapping[str, str]]:
        """By the text of the cards in what was delivered since: no order says which cards it got."""
        known = _SKU.fullmatch(sku)
        if self._till is None or known is None:
            return await super().find_resold(sku, references, since)
        *rest, cards = await self.find_tables()
        changed = {"goods": int(known["goods"]), "since": self._till.since(since)}
        sold = (_SOLD_BY_FORK if FORK_ITEMS in rest else _SOLD_BY_ORIGINAL).params(changed)
        return Reply(Answer.DONE, await self._till.find_resold(sold, references, cards))

    async def refund(self, order_no: str, amount: int, key: str) -> Reply[str]:
        """To the balance of the member who bought it, which only the fork has."""
        if self._balances is None:
            return await super().refund(order_no, amount, key)
        if FORK_BALANCES not in await self.find_tables():
            return Reply(Answer.MANUAL, note="this release has no balances")
        return await self._balances.refund(order_no, amount, key)

    async def examine(self) -> None:
        await super().examine()
        if self._till is not None:
            await self._till.examine()

    async def close(self) -> None:
        await super().close()
        for part in (self._till, self._balances):
            if part is not None:
                await part.database.close()

    async def _rows(self, order_no: str) -> list[Any]:
        """A row for each of its goods."""
        if not _NUMBER.fullmatch(order_no):
            return []
        tables = await self.find_tables()
        fork = _OF_FORK if FORK_BALANCES in tables else _OF_EARLY_FORK
        statement = fork if FORK_ITEMS in tables else _OF_ORIGINAL
        found = await self.database.rows(statement, typed=order_no, plain=normalise_code(order_no))
        # The server holds more texts for the same than we do.
        return [row for row in found if normalise_code(row.order_sn) == normalise_code(order_no)]

    def _item(self, row: Any) -> _Item:
        is_automatic = row.type == AUTOMATIC
        # Before it is delivered, and of goods that a person delivers always, the text is what the buyer filled in.
        is_delivered = is_automatic and row.status == COMPLETED
        sku = f"{row.goods_id}/{row.sub_id}" if row.sub_id else str(row.goods_id)
        quantity = row.quantity or 0
        goods = self.ground.goods(sku, (row.name or "").removesuffix(f" x {quantity}"), row.unit_price or 0)
        delivered = read_delivered(row.info, self.ground.failures) if is_delivered else Delivered()
        return _Item(row.goods_id or 0, goods, quantity, is_automatic, delivered)

    def _as_order(self, row: Any, items: Sequence[_Item]) -> Order:
        paid, refunded = minor(row.actual_price), minor(row.refunded)
        status = _status(row.status, items)
        if 0 < paid <= refunded:
            status = OrderStatus.REFUNDED
        is_paid = status not in (OrderStatus.UNPAID, OrderStatus.CLOSED)
        made_at = self.ground.aware(row.created_at)
        # Nothing says when: cards come with the payment, minutes after the order, the rest when a person is done.
        delivered_at = made_at if all(item.is_automatic for item in items) else self.ground.aware(row.updated_at)
        return Order(
            shop=self.name,
            order_no=row.order_sn,
            status=status,
            goods=items[0].goods,
            quantity=sum(item.quantity for item in items),
            paid=paid if is_paid else 0,
            refunded=refunded,
            paid_at=made_at if is_paid else None,
            delivered_at=delivered_at if row.status == COMPLETED and _came(status) else None,
            contact=row.email or "",
            bought_from=row.buy_ip or "",
        )

    async def _loops_of(self, goods: set[int]) -> frozenset[str]:
        """The fingerprints of the loop cards of these goods, as far as the shop tells."""
        clock = asyncio.get_running_loop().time
        unknown = [one for one in goods if self._loops.get(one, (0.0,))[0] < clock()]
        if unknown:
            loops = select(CARMIS.c.goods_id, CARMIS.c.carmi).where(
                CARMIS.c.goods_id.in_(unknown), CARMIS.c.is_loop == 1, CARMIS.c.deleted_at.is_(None)
            )
            rows: Sequence[Any] = ()
            with suppress(ShopDown):  # the order is known: nothing waits for this
                rows = await self.database.rows(loops)
            for one in unknown:
                prints = frozenset(self._vault.fingerprint(row.carmi) for row in rows if row.goods_id == one)
                self._loops[one] = (clock() + LOOPS_KEPT, prints)
        return frozenset[str]().union(*(self._loops[one][1] for one in goods))


_NUMBERS: Sequence[BindParameter[str]] = (bindparam("typed"), bindparam("plain"))


def _of_original() -> Select[Any]:
    of = ORDERS.c
    facts = [of[name] for name in _BOTH]
    goods = of.goods_id, null().label("sub_id"), of.title.label("name"), of.goods_price.label("unit_price")
    rest = of.buy_amount.label("quantity"), of.info, of.type, null().label("refunded")
    return select(*facts, *goods, *rest).where(of.order_sn.in_(_NUMBERS), of.deleted_at.is_(None))


def _of_fork(*, has_balances: bool = True) -> Select[Any]:
    of, item, balance = FORK_ORDERS.c, FORK_ITEMS.c, FORK_BALANCES.c
    refunded = select(func.sum(func.abs(balance.amount))).where(
        balance.related_order_sn == of.order_sn, balance.type == "refund"
    )
    goods = (
        item.goods_id,
        item.sub_id,
        item.goods_name.label("name"),
        item.unit_price,
        item.quantity,
        item.info,
        item.type,
    )
    return (
        select(*(of[name] for name in _BOTH), *goods)
        .add_columns((refunded.scalar_subquery() if has_balances else null()).label("refunded"))
        .select_from(FORK_ORDERS.outerjoin(FORK_ITEMS, item.order_id == of.id))
        .where(of.order_sn.in_(_NUMBERS), of.deleted_at.is_(None))
        .order_by(of.id, item.id)
    )


# Made once: that takes longer than to ask.
_OF_ORIGINAL, _OF_FORK, _OF_EARLY_FORK = _of_original(), _of_fork(), _of_fork(has_balances=False)


def _sold_by_original() -> Select[Any]:
    of = ORDERS.c
    changed = of.goods_id == bindparam("goods"), of.updated_at >= bindparam("since")
    return select(of.order_sn, of.info).where(*changed, of.deleted_at.is_(None))


def _sold_by_fork() -> Select[Any]:
    of, item = FORK_ORDERS.c, FORK_ITEMS.c
    changed = item.goods_id == bindparam("goods"), of.updated_at >= bindparam("since")
    rows = select(of.order_sn, item.info).select_from(FORK_ORDERS.join(FORK_ITEMS, item.order_id == of.id))
    return rows.where(*changed, of.deleted_at.is_(None))


_SOLD_BY_ORIGINAL, _SOLD_BY_FORK = _sold_by_original(), _sold_by_fork()


def _is_delivered(item: _Item) -> bool:
    return item.is_automatic and bool(item.delivered.codes)


def _status(status: int, items: Sequence[_Item]) -> OrderStatus:
    if status != COMPLETED:
        return STATUSES.get(status, OrderStatus.ABNORMAL)
    has_codes, missing = any(item.delivered.codes for item in items), sum(item.missing for item in items)
    if has_codes or not missing:
        return OrderStatus.PARTIAL if missing else OrderStatus.DELIVERED
    has_failed = any(item.delivered.failure for item in items)
    return OrderStatus.ABNORMAL if has_failed else OrderStatus.PAID_UNDELIVERED


def _came(status: OrderStatus) -> bool:
    return status in (OrderStatus.DELIVERED, OrderStatus.PARTIAL, OrderStatus.REFUNDED)


def _secrets(row: Any) -> dict[ProofWay, str]:
    secrets = {ProofWay.QUERY_PASSWORD: row.search_pwd, ProofWay.PAYMENT_TAIL: row.trade_no}
    return {way: secret for way, secret in secrets.items() if secret}
