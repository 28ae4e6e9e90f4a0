"""acg-faka (异次元店铺) beside us: only the columns below are ever read of its tables, and nothing of its own tickets.

An order is one statement; its cards are a second one, for orders whose text alone does not say what was delivered.
"""

import json
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Select, String, cast, column, func, null, select, table, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.expression import TableClause

from shop.adapters.connection import SECONDS, ShopDatabase, change
from shop.adapters.foreign import DatabaseShop, Ground, Sold, minor
from shop.delivered import Delivered, read_delivered
from shop.errors import BadCredentials, SchemaMismatch, ShopDown
from shop.masking import normalise_code
from shop.port import Answer, Goods, Issued, Order, OrderStatus, Origin, Power, ProofWay, Reply, Stock

PREFIX = "acg_"  # of its tables, unless somebody typed another when it was installed
COLUMNS: Mapping[str, Sequence[str]] = {
    "order": (
        *("id", "trade_no", "owner", "user_id", "status", "delivery_status", "secret", "password", "contact"),
        *("commodity_id", "card_num", "amount", "create_time", "pay_time", "create_ip"),
    ),
    "commodity": ("id", "code", "name", "price", "factory_price", "delivery_way", "shared_id"),
    "card": ("id", "owner", "commodity_id", "order_id", "status", "secret", "note"),
    "user": ("id", "username", "email"),
    "shared": ("id", "name"),
}
# What its older releases do not have.
LATER: Mapping[str, Sequence[str]] = {
    "order": ("race", "pay_cost", "sku"),
    "commodity": ("stock",),
    "card": ("race", "sku", "cost"),
}
AUTOMATIC = 0  # what commodity.delivery_way says; a person or a plug-in delivers the others
FREE, SOLD = 0, 1  # what card.status says; 2 is locked
# What it writes while an order waits. Text that came from the shop upstream says so although it counts as delivered.
WAITING = ("正在发货中", "订单正在人工审核中")
WRITABLE = frozenset({Power.ISSUE, Power.QUARANTINE})
MARK, MARKED, LONGEST_NOTE = "补发#", 20, 64  # characters of a note, which begins with the mark of what took the card
BAD = "坏卡 "  # and that of a card which was replaced, with this
WRITTEN = ("status", "order_id", "purchase_time", "note")  # of a card, where its owner switched "issue" on
CANDIDATES = 50  # free cards that are tried, should the shop sell them meanwhile
LOCKED = 3  # seconds that one waits for another with the same key
_TAG = re.compile("<[^<>]*>")
_NEWLINE = re.compile(r"\r\n|\r|\n")
_ENTITIES = (("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&"))  # releases before 3.5.9 store these; browsers show the signs


@dataclass(frozen=True, slots=True)
class Till:
    """What taking cards out of the shop's stock needs; without it nothing is written there."""

    database: ShopDatabase  # that may write
    clock: Callable[[], datetime]
    writes: Set[Power] = frozenset({Power.ISSUE})  # what its owner switched on


@dataclass(frozen=True, slots=True)
class Found:
    """An order as it stands there."""

    row: Any
    delivered: Delivered
    cards: Sequence[Any] | None = None  # that it says were sold with it; None: they were not asked for


class AcgFaka(DatabaseShop):
    """`shop.port.Shop` on the database of acg-faka."""

    powers = DatabaseShop.powers | {Power.STOCK, Power.ORIGIN}

    def __init__(
        self,
        ground: Ground,
        url: str,
        *,
        prefix: str = PREFIX,
        seconds: float = SECONDS,
        till: Till | None = None,
    ) -> None:
        super().__init__(ground, url, seconds=seconds)
        self._till = till
        self.powers = AcgFaka.powers | (WRITABLE & till.writes if till else set())
        self._lacks: frozenset[tuple[str, str]] | None = None  # which of `LATER`; None: nobody had to look
        self._tables = {
            name: table(prefix + name, *map(column, (*columns, *LATER.get(name, ()))))
            for name, columns in COLUMNS.items()
        }
        self.tables = tuple(self._tables.values())

    async def find_tables(self) -> Sequence[TableClause]:
        self._learn(await self.database.columns())
        return tuple(
            table(one.name, *(column(part.name) for part in one.c if (name, part.name) not in (self._lacks or ())))
            for name, one in self._tables.items()
        )

    async def read(self, order_no: str) -> Sold | None:
        found = await self._look_up(order_no)
        if found is None:
            return None
        password = _text(found.row.password)
        secrets = {ProofWay.QUERY_PASSWORD: password} if password else {}
        return Sold(self._as_order(found), found.delivered.codes, secrets=secrets)

    async def stock(self, sku: str) -> Reply[Stock]:
        """Of a product by its code, or of one kind of it as `Goods.sku` names it."""
        rows = await self._rows(lambda: self._stock(sku.partition("/")[0]))
        if not rows:
            return Reply(Answer.REFUSED, note="no such goods")
        goods = rows[0]
        if goods.shared_id or goods.delivery_way != AUTOMATIC:
            return Reply(Answer.DONE, Stock(goods.stock or 0))  # as the shop upstream, or its owner, counts it
        return Reply(Answer.DONE, Stock(sum(row.cards for row in rows if sku in (goods.code, _sku(row)))))

    async def origin_of(self, order_no: str, fingerprint: str) -> Reply[Origin]:
        """The member who brought the card, its note and its cost; of upstream goods the shop that they came from."""
        found = await self._look_up(order_no)
        if found is None or fingerprint not in map(self._vault.fingerprint, found.delivered.codes):
            return Reply(Answer.REFUSED, note="no such code in this order")
        row, usual = found.row, minor(found.row.factory_price) or None
        for card in await self._cards(row.id) if found.cards is None else found.cards:
            if self._vault.fingerprint(_text(card.secret)) == fingerprint:
                return Reply(Answer.DONE, Origin(card.supplier or "", card.note or "", minor(card.cost) or usual))
        return Reply(Answer.DONE, Origin(row.upstream or row.merchant or "", cost=usual))

    async def issue(self, order_no: str, sku: str, key: str) -> Reply[Issued]:
        """A free card of the order's own goods, sold to this order from now on; its note begins with the key's mark.

        acg-faka sells in serializable transactions, so that it and this compare-and-set wait for each other.
        """
        if self._till is None or Power.ISSUE not in self.powers:
            return await super().issue(order_no, sku, key)
        found = await self._look_up(order_no)
        if found is None or not found.row.status or found.row.code is None or sku != _sku(found.row):
            return Reply(Answer.REFUSED, note="not the goods of a paid order")
        if found.row.shared_id or found.row.delivery_way != AUTOMATIC:
            return Reply(Answer.MANUAL, note="these goods have no cards there")
        mark = MARK + self._vault.keyed_hash("issue", f"{self.name}/{found.row.trade_no}/{key}")[:MARKED]
        issued = await self._take(self._till, found.row, mark)
        return Reply(Answer.DONE, issued) if issued else Reply(Answer.REFUSED, note="no card of these goods is free")

    async def quarantine(self, order_no: str, fingerprint: str) -> Reply[None]:
        """The card that was sold with this order is bad: its note begins with so much."""
        if self._till is None or Power.QUARANTINE not in self.powers:
            return await super().quarantine(order_no, fingerprint)
        found, card = await self._look_up(order_no), self._tables["card"].c
        sold = select(card.id, card.secret).where(card.order_id == found.row.id) if found else None
        cards = await self.database.rows(sold) if sold is not None else ()
        bad = [one.id for one in cards if self._vault.fingerprint(_text(one.secret)) == fingerprint]
        if not bad:
            return Reply(Answer.REFUSED, note="no card there is behind this code")
        written = table(self._tables["card"].name, column("id"), column("note"))
        old = func.coalesce(written.c.note, "")
        new = (written.c.id.in_(bad), ~old.startswith(BAD))
        marking = update(written).where(*new).values(note=func.left(func.concat(BAD, old), LONGEST_NOTE))
        async with self._till.database.held() as connection:
            await change(connection, marking)
        return Reply(Answer.DONE)

    async def _take(self, till: Till, row: Any, mark: str) -> Issued | None:
        """The card with this mark, else the first free one: whoever has the same key waits for the server's lock."""
        card = self._tables["card"].c
        taken = select(card.id, card.secret).where(card.order_id == row.id, card.note.startswith(mark, autoescape=True))
        async with till.database.held() as connection:
            if (await connection.scalar(select(func.get_lock(mark, LOCKED)))) != 1:
                raise ShopDown(shop=self.name)
            try:
                found = (await connection.execute(taken)).first()
                for one in () if found else (await connection.execute(self._free_of(row))).all():
                    if _kind(one) == _kind(row) and await self._sell(connection, till, row, one.id, mark):
                        found = (await connection.execute(taken)).first()
                        break
            finally:
                await connection.execute(select(func.release_lock(mark)))
        return Issued(_text(found.secret), str(found.id)) if found else None

    def _free_of(self, row: Any) -> Select[Any]:
        card = self._tables["card"].c
        race = self._later("card", "race")
        of_race = race == row.race if row.race else func.coalesce(race, "") == ""
        free = select(card.id, race, self._later("card", "sku"))
        # Options are compared here, and any card may have them; of a product without, the first few are enough.
        most = None if len(_kind(row)) > bool(row.race) else CANDIDATES
        free = free.where(card.commodity_id == row.commodity_id, card.status == FREE, of_race)
        return free.order_by(card.id.desc()).limit(most)  # the shop sells its oldest first

    async def _sell(self, connection: AsyncConnection, till: Till, row: Any, card_id: int, mark: str) -> bool:
        """Whether it was free until now."""
        card = table(self._tables["card"].name, *map(column, ("id", *WRITTEN)))
        note = func.left(func.concat(mark, " ", func.coalesce(card.c.note, "")), LONGEST_NOTE)
        at = till.clock().astimezone(self.ground.zone).replace(tzinfo=None)
        sold = {"status": SOLD, "order_id": row.id, "purchase_time": at, "note": note}
        taking = update(card).where(card.c.id == card_id, card.c.status == FREE).values(sold)
        return await change(connection, taking) == 1

    async def close(self) -> None:
        await super().close()
        if self._till is not None:
            await self._till.database.close()

    async def _look_up(self, order_no: str) -> Found | None:
        number = normalise_code(order_no)
        if not (number.isascii() and number.isalnum()):
            return None
        rows = await self._rows(lambda: self._order(number))
        if not rows or normalise_code(rows[0].trade_no) != number:  # its collation takes many signs for the same
            return None
        row = rows[0]
        if not (row.status and row.delivery_status):
            return Found(row, Delivered())
        failures = (*self.ground.failures, *WAITING)
        delivered = read_delivered(_text(row.secret), failures)
        if len(delivered.codes) == row.card_num:
            return Found(row, delivered)
        cards = await self._cards(row.id)
        return Found(row, _told_apart(_text(row.secret), [_text(card.secret) for card in cards], failures), cards)

    async def _cards(self, order_id: int) -> Sequence[Any]:
        return await self._rows(lambda: self._cards_of(order_id))

    def _as_order(self, found: Found) -> Order:
        row, aware = found.row, self.ground.aware
        is_paid = bool(row.status)
        paid_at = aware(row.pay_time or row.create_time) if is_paid else None
        return Order(
            shop=self.name,
            order_no=row.trade_no.strip(),
            status=_status(row, found.delivered),
            goods=self._goods(row),
            quantity=row.card_num,
            paid=minor(row.amount) if is_paid else 0,
            refunded=0,
            paid_at=paid_at,
            delivered_at=paid_at if found.delivered.codes else None,  # what a person delivers later has no time there
            contact=(row.email if row.owner else _text(row.contact)) or "",
            bought_from=row.create_ip or "",
        )

    def _goods(self, row: Any) -> Goods:
        """At the price that this order had for one: wholesale, kinds and members have prices of their own."""
        each = (Decimal(str(row.amount)) - Decimal(str(row.pay_cost or 0))) / (row.card_num or 1)
        if row.code is None:  # deleted since
            return self.ground.goods(row.commodity_id, f"#{row.commodity_id}", each)
        name = " ".join([_TAG.sub("", _text(row.name)).strip(), *_kind(row)])
        return self.ground.goods(_sku(row), name, each if each > 0 else row.price)

    async def _rows(self, make: Callable[[], Select[Any]]) -> Sequence[Any]:
        """The rows of a statement, made anew without the columns of `LATER` where this release has none yet."""
        try:
            return await self.database.rows(make())
        except (SchemaMismatch, BadCredentials):  # who may read some columns alone is refused those that there are not
            if self._lacks is not None:
                raise
            self._learn(await self.database.columns())
            return await self.database.rows(make())

    def _learn(self, there: Mapping[str, frozenset[str]]) -> None:
        later = [(name, one) for name, columns in LATER.items() for one in columns]
        self._lacks = frozenset((name, one) for name, one in later if one not in there.get(self._tables[name].name, ()))

    def _later(self, name: str, one: str) -> ColumnElement[Any]:
        return null().label(one) if (name, one) in (self._lacks or ()) else self._tables[name].c[one]

    def _order(self, number: str) -> Select[Any]:
        order, goods, shared = (self._tables[name] for name in ("order", "commodity", "shared"))
        buyer, merchant = self._tables["user"].alias("buyer"), self._tables["user"].alias("merchant")
        mine = [order.c[name] for name in COLUMNS["order"] if name != "user_id"]
        return (
            select(*mine, *(self._later("order", name) for name in LATER["order"]))
            .add_columns(
                *(goods.c[name] for name in ("code", "name", "price", "factory_price", "delivery_way", "shared_id"))
            )
            .add_columns(buyer.c.email, merchant.c.username.label("merchant"), shared.c.name.label("upstream"))
            .select_from(
                order.outerjoin(goods, goods.c.id == order.c.commodity_id)
                .outerjoin(buyer, buyer.c.id == order.c.owner)
                .outerjoin(merchant, merchant.c.id == order.c.user_id)
                .outerjoin(shared, shared.c.id == goods.c.shared_id)
            )
            .where(order.c.trade_no == number)
        )

    def _cards_of(self, order_id: int) -> Select[Any]:
        card, supplier = self._tables["card"], self._tables["user"]
        return (
            select(card.c.secret, card.c.note, self._later("card", "cost"), supplier.c.username.label("supplier"))
            .select_from(card.outerjoin(supplier, supplier.c.id == card.c.owner))
            .where(card.c.order_id == order_id, card.c.status == SOLD)
            .order_by(card.c.id)
        )

    def _stock(self, code: str) -> Select[Any]:
        goods, card = self._tables["commodity"], self._tables["card"]
        kind = (self._later("card", "race"), cast(self._later("card", "sku"), String))
        facts = (goods.c.code, goods.c.delivery_way, goods.c.shared_id, self._later("commodity", "stock"))
        is_free = (card.c.commodity_id == goods.c.id) & (card.c.status == FREE)
        return (
            select(*facts, kind[0], kind[1].label("sku"), func.count(card.c.id).label("cards"))
            .select_from(goods.outerjoin(card, is_free))
            .where(goods.c.code == code)
            .group_by(*facts, *kind)
        )


def _text(stored: str | None) -> str:
    """As a browser shows it."""
    text = stored or ""
    for entity, sign in _ENTITIES:
        text = text.replace(entity, sign)
    return text


def _kind(row: Any) -> list[str]:
    """What of a product was chosen: its race, then its options by their names."""
    options = json.loads(row.sku) if isinstance(row.sku, str) else row.sku
    chosen = [str(options[name]) for name in sorted(options)] if isinstance(options, dict) else []
    return [part for part in (row.race or "", *chosen) if part]


def _sku(row: Any) -> str:
    return "/".join([row.code, *_kind(row)])


def _status(row: Any, delivered: Delivered) -> OrderStatus:
    if not row.status:
        return OrderStatus.UNPAID
    if delivered.failure:
        return OrderStatus.ABNORMAL
    if not delivered.codes:
        return OrderStatus.PAID_UNDELIVERED
    is_counted = row.delivery_way == AUTOMATIC and not row.shared_id  # a person writes what fits, and so does upstream
    return OrderStatus.PARTIAL if is_counted and len(delivered.codes) < row.card_num else OrderStatus.DELIVERED


def _told_apart(text: str, cards: Sequence[str], failures: Sequence[str]) -> Delivered:
    """What was delivered, by the cards that the order was given: a card of several lines is one code.

    A sentence beside cards that are there is advice, and no failure; of text that was emptied the cards are left.
    """
    pieces = _pieces(_lines(text), [_lines(card) for card in cards])
    known = tuple(piece for piece, is_card in pieces if is_card)
    told = [Delivered((piece,)) if is_card else read_delivered(piece, failures) for piece, is_card in pieces]
    if failure := next((one.failure for one in told if one.failure), ""):
        return Delivered(known) if known else Delivered(failure=failure)
    return Delivered(tuple(code for one in told for code in one.codes) or tuple(cards))


def _pieces(lines: Sequence[str], cards: Sequence[Sequence[str]]) -> list[tuple[str, bool]]:
    """The lines in their order, each card's together and those between together, and whether they are a card's."""
    starting: dict[str, list[Sequence[str]]] = defaultdict(list)
    for lines_of_card in sorted(filter(None, cards), key=len, reverse=True):
        starting[lines_of_card[0]].append(lines_of_card)
    found: list[tuple[str, bool]] = []
    at = 0
    while at < len(lines):
        fitting = (card for card in starting.get(lines[at], ()) if lines[at : at + len(card)] == card)
        if card := next(fitting, None):
            found.append(("\n".join(card), True))
        elif found and not found[-1][1]:
            found[-1] = (f"{found[-1][0]}\n{lines[at]}", False)
        else:
            found.append((lines[at], False))
        at += len(card) if card else 1
    return found


def _lines(text: str) -> list[str]:
    return [line.strip() for line in _NEWLINE.split(text) if normalise_code(line)]
