"""A small, believable shop to try Kadesk with: products, suppliers, batches, a month of orders and a reserve pool."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from string import ascii_lowercase, ascii_uppercase, digits

from sqlmodel.ext.asyncio.session import AsyncSession

from shop.adapters.local import hash_payment_tail, hash_query_password
from shop.codes import seal_code
from shop.port import OrderStatus
from shop.tables import Batch, Code, CodeState, OrderCode, Pool, Product, Proof, ShopOrder, Supplier
from shop.vault import Vault

SHOP = "demo"
SPAN = timedelta(days=30)  # the orders lie in it
SHORT_SPAN = timedelta(hours=20)  # those that nobody has dealt with yet
BATCHES = 3  # per product
STOCK = 12  # unsold codes per product
COST = 85  # of a code, in percent of its price
ANSWERS = {"Eastgate Keys": timedelta(hours=20)}  # suppliers who are asked about claims

STATUSES = {
    OrderStatus.DELIVERED: 172,
    OrderStatus.PAID_UNDELIVERED: 8,
    OrderStatus.UNPAID: 7,
    OrderStatus.REFUNDED: 7,
    OrderStatus.ABNORMAL: 4,
    OrderStatus.PARTIAL: 2,
}
DELIVERED = {OrderStatus.DELIVERED, OrderStatus.REFUNDED, OrderStatus.PARTIAL}
PENDING = {OrderStatus.PAID_UNDELIVERED, OrderStatus.UNPAID}

CodeMaker = Callable[[Random], str]


@dataclass(frozen=True, slots=True)
class DemoOrder:
    """An order with everything its buyer knows: the only place where demo codes stand in clear."""

    order_no: str
    query_password: str = field(repr=False)
    payment_no: str = field(repr=False)
    sku: str
    product: str
    status: OrderStatus
    codes: list[str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class DemoShop:
    orders: list[DemoOrder]  # newest first

    @property
    def example(self) -> DemoOrder:
        """The order to try first: one cheap code, delivered, in warranty, with replacements in reserve."""
        return self._sold(GOODS[0])

    @property
    def to_prove(self) -> DemoOrder:
        """An order whose claim needs a screenshot."""
        return self._sold(next(goods for goods in GOODS if goods.proof is Proof.SCREENSHOT))

    @property
    def to_return(self) -> DemoOrder:
        """An order whose replacement may be given back while nobody has looked at it: the newest of such goods."""
        return min((self._sold(goods) for goods in GOODS if goods.return_within), key=self.orders.index)

    def _sold(self, goods: "_Goods") -> DemoOrder:
        """The newest order of one code of these goods."""
        sold = (order for order in self.orders if order.status is OrderStatus.DELIVERED and order.sku == goods.sku)
        return next(order for order in sold if len(order.codes) == 1)


def _text(random: Random, characters: str, size: int) -> str:
    return "".join(random.choices(characters, k=size))


def _groups(count: int, size: int) -> CodeMaker:
    return lambda random: "-".join(_text(random, ascii_uppercase + digits, size) for _ in range(count))


def _run(size: int) -> CodeMaker:
    return lambda random: _text(random, ascii_uppercase, 2) + _text(random, ascii_uppercase + digits, size - 2)


def _card_and_password(random: Random) -> str:
    return f"{_text(random, digits, 12)}----{_text(random, digits, 8)}"


@dataclass(frozen=True, slots=True)
class _Goods:
    sku: str
    name: str
    price: int  # fen
    warranty: timedelta
    supplier: str
    make_code: CodeMaker
    reserve: int = 12  # codes kept for replacements
    proof: Proof = Proof.NONE
    return_within: timedelta | None = None


SHOT, WEEK = Proof.SCREENSHOT, timedelta(days=7)
GOODS = (
    _Goods("STEAM-CN-50", "Steam 50元充值卡", 4850, timedelta(days=30), "星河数卡", _groups(3, 5)),
    _Goods("STEAM-CN-100", "Steam 100元充值卡", 9650, timedelta(days=30), "星河数卡", _groups(3, 5)),
    _Goods("QQ-VIP-1M", "QQ会员月卡", 1150, timedelta(days=7), "北斗点卡批发", _card_and_password, return_within=WEEK),
    _Goods(
        "NETEASE-MUSIC-3M", "网易云音乐季卡", 2680, timedelta(days=15), "蓝鲸权益平台", _run(16), return_within=WEEK
    ),
    _Goods("TENCENT-VIDEO-1M", "腾讯视频VIP月卡", 1980, timedelta(days=7), "蓝鲸权益平台", _run(14)),
    _Goods("XBOX-GPU-1M", "Xbox Game Pass Ultimate 1个月", 5800, timedelta(days=30), "Eastgate Keys", _groups(5, 5)),
    _Goods("PSN-HK-200", "PSN 港服 200元点卡", 17600, timedelta(days=30), "Eastgate Keys", _groups(3, 4), proof=SHOT),
    _Goods("WIN11-PRO", "Windows 11 专业版激活码", 8800, timedelta(days=90), "Eastgate Keys", _groups(5, 5), reserve=0),
)


async def create_demo_shop(session: AsyncSession, now: datetime, vault: Vault, random: Random) -> DemoShop:
    """Fill the tables. Every secret comes from `random`: seed it from `secrets` where people can reach the shop."""
    shelves = await _create_shelves(session, now, vault, random)
    for shelf in shelves:
        for pool in [Pool.STOCK] * STOCK + [Pool.RESERVE] * shelf.goods.reserve:
            session.add(shelf.make_code(pool, CodeState.FREE)[1])
    sales = [
        _sell(random.choice(shelves), status, _created_at(now, status, random))
        for status, count in STATUSES.items()
        for _ in range(count)
    ]
    sales.sort(key=lambda sale: sale.row.created_at, reverse=True)
    session.add_all(row for sale in sales for row in (sale.row, *sale.codes))
    await session.flush()
    session.add_all(
        OrderCode(order_id=sale.row.id, code_id=code.id, position=position)
        for sale in sales
        for position, code in enumerate(sale.codes, start=1)
    )
    await session.flush()
    return DemoShop([sale.known for sale in sales])


@dataclass(frozen=True, slots=True)
class _Shelf:
    """One product with its batches, ready to be sold from."""

    goods: _Goods
    product_id: int
    batch_ids: list[int]
    vault: Vault
    random: Random

    def make_code(self, pool: Pool, state: CodeState) -> tuple[str, Code]:
        text, batch_id = self.goods.make_code(self.random), self.random.choice(self.batch_ids)
        code = seal_code(self.vault, product_id=self.product_id, batch_id=batch_id, text=text, pool=pool, state=state)
        return text, code


@dataclass(frozen=True, slots=True)
class _Sale:
    known: DemoOrder
    row: ShopOrder
    codes: list[Code]


async def _create_shelves(session: AsyncSession, now: datetime, vault: Vault, random: Random) -> list[_Shelf]:
    names = dict.fromkeys(goods.supplier for goods in GOODS)
    suppliers = {name: Supplier(name=name, answers_within=ANSWERS.get(name)) for name in names}
    products = [
        Product(
            shop=SHOP,
            sku=goods.sku,
            name=goods.name,
            price=goods.price,
            warranty=goods.warranty,
            proof=goods.proof,
            return_within=goods.return_within,
        )
        for goods in GOODS
    ]
    session.add_all([*suppliers.values(), *products])
    await session.flush()
    shelves = []
    for goods, product in zip(GOODS, products, strict=True):
        assert product.id is not None
        batches = []
        for ordinal in range(1, BATCHES + 1):
            arrived_at = now - SPAN - timedelta(days=10 * ordinal)
            batch = Batch(
                supplier_id=suppliers[goods.supplier].id,
                product_id=product.id,
                name=f"{arrived_at:%Y%m%d}-{goods.sku}",
                arrived_at=arrived_at,
                cost=goods.price * COST // 100,
            )
            batches.append(batch)
        session.add_all(batches)
        await session.flush()
        shelves.append(_Shelf(goods, product.id, [batch.id for batch in batches if batch.id], vault, random))
    return shelves


def _created_at(now: datetime, status: OrderStatus, random: Random) -> datetime:
    span = SHORT_SPAN if status in PENDING else SPAN
    return now - timedelta(minutes=10) - random.random() * span


def _sell(shelf: _Shelf, status: OrderStatus, created_at: datetime) -> _Sale:
    goods, random = shelf.goods, shelf.random
    quantity = 5 if status is OrderStatus.PARTIAL else random.choice([1] * 9 + [random.randint(3, 10)])
    delivered = {OrderStatus.PARTIAL: quantity - 2}.get(status, quantity) if status in DELIVERED else 0
    made = [shelf.make_code(Pool.STOCK, CodeState.ISSUED) for _ in range(delivered)]
    known = DemoOrder(
        order_no=_text(random, ascii_uppercase + digits, 16),
        query_password=_text(random, ascii_lowercase + digits, 8),
        payment_no=_text(random, digits, 28),
        sku=goods.sku,
        product=goods.name,
        status=status,
        codes=[text for text, _ in made],
    )
    return _Sale(known, _order_row(shelf, known, quantity, created_at), [code for _, code in made])


def _order_row(shelf: _Shelf, known: DemoOrder, quantity: int, created_at: datetime) -> ShopOrder:
    random = shelf.random
    paid = 0 if known.status is OrderStatus.UNPAID else quantity * shelf.goods.price
    paid_at = created_at + timedelta(seconds=random.randint(15, 150)) if paid else None
    delivered_at = paid_at + timedelta(seconds=random.randint(1, 20)) if paid_at and known.codes else None
    return ShopOrder(
        shop=SHOP,
        order_no=known.order_no,
        product_id=shelf.product_id,
        quantity=quantity,
        status=known.status,
        paid=paid,
        refunded=paid if known.status is OrderStatus.REFUNDED else 0,
        contact=f"{_text(random, ascii_lowercase, 7)}@example.com",
        password_hash=hash_query_password(shelf.vault, SHOP, known.order_no, known.query_password),
        payment_tail_hash=hash_payment_tail(shelf.vault, SHOP, known.order_no, known.payment_no),
        created_at=created_at,
        paid_at=paid_at,
        delivered_at=delivered_at,
    )
