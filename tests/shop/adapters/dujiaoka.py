"""A dujiaoka as its install script makes it, both editions: tables, orders put into them, and what is true of each."""

import random
import string
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from shop.port import OrderStatus
from tests.shop.adapters.conftest import fill, run

OLD = "CHARACTER SET utf8mb3 COLLATE utf8mb3_unicode_ci"
NEW = "CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci"
TIMES = "created_at timestamp NULL, updated_at timestamp NULL"
DELETED = f"{TIMES}, deleted_at timestamp NULL"
OLD_TABLE = "ENGINE=InnoDB DEFAULT CHARSET=utf8mb3 COLLATE=utf8mb3_unicode_ci"
NEW_TABLE = "ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci"

PAYS = f"""CREATE TABLE pays (
    id int NOT NULL AUTO_INCREMENT PRIMARY KEY, pay_name varchar(200) NOT NULL, pay_check varchar(50) NOT NULL UNIQUE,
    pay_method tinyint(1) NOT NULL, pay_client tinyint(1) NOT NULL DEFAULT 1, merchant_id varchar(200),
    merchant_key text, merchant_pem text NOT NULL, pay_handleroute varchar(200) NOT NULL, {DELETED}
) {NEW_TABLE}"""

ORIGINAL = (
    f"""CREATE TABLE orders (
        id bigint NOT NULL AUTO_INCREMENT PRIMARY KEY, order_sn varchar(150) {OLD} NOT NULL,
        goods_id int NOT NULL, coupon_id int DEFAULT 0, title varchar(200) {NEW} NOT NULL,
        type tinyint(1) NOT NULL DEFAULT 1, goods_price decimal(10,2) NOT NULL DEFAULT 0,
        buy_amount int NOT NULL DEFAULT 1, coupon_discount_price decimal(10,2) NOT NULL DEFAULT 0,
        wholesale_discount_price decimal(10,2) NOT NULL DEFAULT 0, total_price decimal(10,2) NOT NULL DEFAULT 0,
        actual_price decimal(10,2) NOT NULL DEFAULT 0, search_pwd varchar(200) {OLD} DEFAULT '',
        email varchar(200) {OLD} NOT NULL, info text {NEW}, pay_id int, buy_ip varchar(50) {OLD} NOT NULL,
        trade_no varchar(200) {OLD} DEFAULT '', status tinyint(1) NOT NULL DEFAULT 1,
        coupon_ret_back tinyint(1) NOT NULL DEFAULT 0, {DELETED},
        UNIQUE KEY idx_order_sn (order_sn) USING BTREE, KEY idx_goods_id (goods_id) USING BTREE,
        KEY idex_email (email) USING BTREE
    ) {OLD_TABLE}""",
    f"""CREATE TABLE carmis (
        id bigint NOT NULL AUTO_INCREMENT PRIMARY KEY, goods_id int NOT NULL, status tinyint(1) NOT NULL DEFAULT 1,
        is_loop tinyint(1) NOT NULL DEFAULT 0, carmi text {OLD} NOT NULL, {DELETED},
        KEY idx_goods_id (goods_id) USING BTREE
    ) {OLD_TABLE}""",
    PAYS,
)
FORK = (
    f"""CREATE TABLE orders (
        id bigint unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY, order_sn varchar(150) {NEW} NOT NULL UNIQUE,
        user_id bigint unsigned, email varchar(200) {NEW} NOT NULL, total_price decimal(10,2) NOT NULL DEFAULT 0,
        actual_price decimal(10,2) NOT NULL DEFAULT 0, coupon_discount_price decimal(10,2) NOT NULL DEFAULT 0,
        user_discount_rate decimal(3,2) NOT NULL DEFAULT 1, user_discount_amount decimal(10,2) NOT NULL DEFAULT 0,
        status tinyint NOT NULL DEFAULT 1, pay_id int, payment_method tinyint NOT NULL DEFAULT 1,
        balance_used decimal(10,2) NOT NULL DEFAULT 0, search_pwd varchar(200) {NEW} NOT NULL DEFAULT '',
        buy_ip varchar(50) {NEW} NOT NULL, trade_no varchar(200) {NEW}, {DELETED},
        KEY orders_order_sn_index (order_sn), KEY orders_email_index (email)
    ) {OLD_TABLE}""",
    f"""CREATE TABLE order_items (
        id bigint unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY, order_id bigint unsigned NOT NULL,
        goods_id int NOT NULL, sub_id int, goods_name varchar(200) {NEW} NOT NULL, unit_price decimal(10,2) NOT NULL,
        quantity int NOT NULL, subtotal decimal(10,2) NOT NULL, info text {NEW}, type tinyint NOT NULL DEFAULT 1,
        {TIMES}, KEY order_items_order_id_foreign (order_id),
        CONSTRAINT order_items_order_id_foreign FOREIGN KEY (order_id) REFERENCES orders (id) ON DELETE CASCADE
    ) {NEW_TABLE}""",
    f"""CREATE TABLE carmis (
        id bigint NOT NULL AUTO_INCREMENT PRIMARY KEY, goods_id int NOT NULL, sub_id int,
        status tinyint(1) NOT NULL DEFAULT 1, is_loop tinyint(1) NOT NULL DEFAULT 0, carmi text {OLD} NOT NULL,
        info varchar(200) {NEW}, {DELETED}, KEY idx_goods_id (goods_id) USING BTREE
    ) {OLD_TABLE}""",
    f"""CREATE TABLE user_balance_records (
        id bigint unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY, user_id bigint unsigned NOT NULL,
        type varchar(20) NOT NULL, amount decimal(10,2) NOT NULL, balance_before decimal(10,2) NOT NULL,
        balance_after decimal(10,2) NOT NULL, description varchar(255), related_order_sn varchar(255),
        admin_id bigint unsigned, meta json, {TIMES},
        KEY user_balance_records_related_order_sn_index (related_order_sn)
    ) {NEW_TABLE}""",
    PAYS,
)

MADE = datetime(2026, 2, 27, 23, 40)  # as the shop writes it: its clock, without a zone  # noqa: DTZ001


@dataclass(frozen=True)
class Sale:
    """An order as it stands in the shop, and what is true of it."""

    order_no: str
    codes: tuple[str, ...] = ()  # that were delivered
    truth: OrderStatus = OrderStatus.DELIVERED
    kind: str = "auto"
    status: int = 4
    type: int = 1
    info: str | None = None  # what stands in the order; None: its codes
    quantity: int = 1
    goods_id: int = 50
    price: str = "48.50"
    paid: str = "48.50"
    password: str = "open sesame"
    payment: str = "2026022722001478900501234567"
    email: str = "chen.xiao@mail.qq.com"
    made: datetime = MADE
    changed: datetime = MADE + timedelta(hours=3)
    deleted: datetime | None = None
    loops: frozenset[str] = field(default_factory=frozenset)
    more: tuple["Sale", ...] = ()  # of the fork: other goods of the same order
    refunded: str = ""  # of the fork: to the buyer's balance there

    @property
    def text(self) -> str:
        return "\n".join(self.codes) if self.info is None else self.info


def _shared(sale: Sale) -> dict[str, Any]:
    return {
        "order_sn": sale.order_no,
        "actual_price": sale.paid,
        "total_price": sale.paid,
        "search_pwd": sale.password,
        "email": sale.email,
        "pay_id": 1,
        "buy_ip": "203.0.113.9",
        "trade_no": sale.payment,
        "status": sale.status,
        "created_at": sale.made,
        "updated_at": sale.changed,
        "deleted_at": sale.deleted,
    }


def _original(sale: Sale) -> dict[str, Any]:
    return _shared(sale) | {
        "goods_id": sale.goods_id,
        "title": f"Steam 充值卡 x {sale.quantity}",
        "type": sale.type,
        "goods_price": sale.price,
        "buy_amount": sale.quantity,
        "info": sale.text,
    }


def _item(order_id: int, sale: Sale) -> dict[str, Any]:
    return {
        "order_id": order_id,
        "goods_id": sale.goods_id,
        "goods_name": "Steam 充值卡",
        "unit_price": sale.price,
        "quantity": sale.quantity,
        "subtotal": sale.paid,
        "info": sale.text,
        "type": sale.type,
    }


def _card(sale: Sale, code: str) -> dict[str, Any]:
    is_loop = code in sale.loops
    return {"goods_id": sale.goods_id, "status": 1 if is_loop else 2, "is_loop": is_loop, "carmi": code}


async def open_original(url: str, sales: Iterable[Sale]) -> None:
    """Make the tables of 2.0.6 in an empty database, and put the orders into them."""
    sold = list(sales)
    await run(url, *ORIGINAL)
    await fill(url, "orders", map(_original, sold))
    await fill(url, "carmis", _cards(sold))
    await fill(url, "pays", [PAY])


async def open_fork(url: str, sales: Iterable[Sale]) -> None:
    """The same for the fork by hiouttime."""
    sold = list(sales)
    await run(url, *FORK)
    await fill(url, "orders", ({"id": at} | _shared(sale) for at, sale in enumerate(sold, 1)))
    await fill(url, "order_items", (_item(at, one) for at, sale in enumerate(sold, 1) for one in (sale, *sale.more)))
    await fill(url, "carmis", _cards(sold))
    await fill(url, "user_balance_records", (_refund(sale) for sale in sold if sale.refunded))
    await fill(url, "pays", [PAY])


async def open_early_fork(url: str, sales: Iterable[Sale]) -> None:
    """The fork as it was before it had members."""
    await open_fork(url, sales)
    await run(url, "DROP TABLE user_balance_records")


def _cards(sales: Sequence[Sale]) -> list[Mapping[str, Any]]:
    """Each card once: a loop card stands in many orders."""
    cards = [_card(one, code) for sale in sales for one in (sale, *sale.more) for code in one.codes]
    ordered = sorted(cards, key=lambda card: (card["goods_id"], card["carmi"]))
    return [next(same) for _, same in groupby(ordered, key=lambda card: (card["goods_id"], card["carmi"]))]


def _refund(sale: Sale) -> dict[str, Any]:
    amounts = {"amount": sale.refunded, "balance_before": 0, "balance_after": sale.refunded}
    return {"user_id": 7, "type": "refund", "related_order_sn": sale.order_no} | amounts


PAY = {
    **{"pay_name": "支付宝", "pay_check": "zfbf2f", "pay_method": 2, "pay_handleroute": "/pay/alipay"},
    **{"merchant_key": "MERCHANT-KEY", "merchant_pem": "MERCHANT-PEM"},
}

FAILURE = "库存可使用卡密不足，请联系管理员核查"
FORM = "游戏账号:chen_xiao_88\n区服:ABCD-EFGH-1234"  # what the buyer filled in: no codes, though they look like some
KINDS = (  # of every order of the sixteen
    *("auto", "auto", "auto", "several", "several", "account", "two_lines", "loop", "partial"),
    *("manual", "waiting", "failed", "short", "unpaid", "expired", "deleted"),
)


def sell(count: int, seed: int) -> list[Sale]:
    """Orders of every kind, as a shop has them after a while."""
    chance = random.Random(seed)
    loops = {goods: _code(chance) for goods in (901, 902, 903)}
    return [_sell(chance, KINDS[number % len(KINDS)], loops) for number in range(count)]


def _sell(chance: random.Random, kind: str, loops: Mapping[int, str]) -> Sale:
    made = MADE - timedelta(seconds=chance.randrange(90 * 86_400))
    fen = chance.randrange(1, 50_000)
    sale = Sale(
        "".join(chance.choices(string.ascii_uppercase + string.digits, k=16)),
        kind=kind,
        goods_id=chance.randrange(1, 40),
        price=f"{fen / 100:.2f}",
        paid=f"{fen / 100:.2f}",
        password=_code(chance) if chance.random() < 0.7 else "",
        payment="".join(chance.choices(string.digits, k=28)),
        made=made,
        changed=made + timedelta(minutes=chance.randrange(1, 5_000)),
    )
    return replace(sale, **_KINDS[kind](chance, loops))


def _code(chance: random.Random) -> str:
    letters = string.ascii_uppercase + string.digits
    return "-".join("".join(chance.choices(letters, k=5)) for _ in range(3))


def _several(chance: random.Random, _loops: Mapping[int, str]) -> dict[str, Any]:
    codes = tuple(_code(chance) for _ in range(chance.randrange(2, 7)))
    return {"codes": codes, "quantity": len(codes), "info": chance.choice(("\n", "\r\n", " \n\n")).join(codes) + "\n"}


def _partial(chance: random.Random, _loops: Mapping[int, str]) -> dict[str, Any]:
    codes = (_code(chance), _code(chance))
    return {"codes": codes, "quantity": len(codes) + chance.randrange(1, 4), "truth": OrderStatus.PARTIAL}


def _account(chance: random.Random, _loops: Mapping[int, str]) -> dict[str, Any]:
    return {"codes": (f"{chance.randrange(10**11, 10**12)}----{_code(chance).lower()}",)}


def _two_lines(chance: random.Random, _loops: Mapping[int, str]) -> dict[str, Any]:
    return {"codes": (f"卡号：{chance.randrange(10**11, 10**12)}\n密码：{_code(chance)}",)}


def _loop(chance: random.Random, loops: Mapping[int, str]) -> dict[str, Any]:
    goods = chance.choice(list(loops))
    return {"goods_id": goods, "codes": (loops[goods],), "loops": frozenset({loops[goods]})}


def _by_hand(status: int, truth: OrderStatus) -> Callable[..., dict[str, Any]]:
    return lambda _chance, _loops: {"type": 2, "status": status, "info": FORM, "truth": truth}


def _without(status: int, truth: OrderStatus, info: str = "") -> Callable[..., dict[str, Any]]:
    return lambda _chance, _loops: {
        "status": status,
        "info": info,
        "truth": truth,
        "payment": "" if status < 2 else "7" * 28,
    }


_KINDS: Mapping[str, Callable[[random.Random, Mapping[int, str]], dict[str, Any]]] = {
    "auto": lambda chance, _loops: {"codes": (_code(chance),)},
    "several": _several,
    "account": _account,
    "two_lines": _two_lines,
    "loop": _loop,
    "partial": _partial,
    "manual": _by_hand(4, OrderStatus.DELIVERED),
    "waiting": _by_hand(2, OrderStatus.PAID_UNDELIVERED),
    "failed": _by_hand(5, OrderStatus.ABNORMAL),
    "short": _without(6, OrderStatus.ABNORMAL, FAILURE),
    "unpaid": _without(1, OrderStatus.UNPAID, FORM),
    "expired": _without(-1, OrderStatus.CLOSED),
    "deleted": lambda chance, _loops: {"codes": (_code(chance),), "deleted": MADE},
}
