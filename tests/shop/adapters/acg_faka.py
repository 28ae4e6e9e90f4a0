"""A shop that runs acg-faka: its tables as it installs them, and a thousand orders with what is true of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from random import Random
from typing import Any

from shop.port import OrderStatus
from tests.shop.adapters.conftest import fill, run

GONE = "很抱歉，有人在你付款之前抢走了商品，请联系客服。"
SOON = "正在发货中，请耐心等待，如有疑问，请联系客服。"
OPENED, SHANGHAI = datetime(2026, 1, 5, 1, 30, tzinfo=UTC), timedelta(hours=8)
UTF8 = "CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci"
OLD_SIGNS = "CHARACTER SET utf8mb3 COLLATE utf8mb3_general_ci"
NUMBER = "int unsigned NOT NULL DEFAULT 0"
MONEY = "decimal(10,2) unsigned NOT NULL DEFAULT 0.00"
FLAG = "tinyint unsigned NOT NULL DEFAULT 0"

# Column by column; those of newer releases are marked. Some that Kadesk must not read stand among them.
TABLES: Mapping[str, Mapping[str, str]] = {
    "user": {
        "username": f"varchar(32) {UTF8} NOT NULL",
        "email": f"varchar(128) {UTF8} DEFAULT NULL",
        "password": "varchar(64) NOT NULL DEFAULT 'member-password'",
        "salt": "varchar(32) NOT NULL DEFAULT 'member-salt'",
        "app_key": "varchar(32) NOT NULL DEFAULT 'member-app-key'",
        "balance": "decimal(14,2) unsigned NOT NULL DEFAULT 0.00",
    },
    "shared": {
        "type": FLAG,
        "name": f"varchar(128) {UTF8} NOT NULL",
        "domain": f"varchar(128) {UTF8} NOT NULL",
        "app_id": "varchar(32) NOT NULL DEFAULT 'upstream-id'",
        "app_key": "varchar(64) NOT NULL DEFAULT 'upstream-app-key'",
    },
    "pay": {"name": f"varchar(16) {UTF8} NOT NULL", "code": "varchar(32) NOT NULL", "handle": "varchar(64) NOT NULL"},
    "commodity": {
        "name": f"varchar(255) {UTF8} NOT NULL",
        "factory_price": MONEY,
        "price": MONEY,
        "user_price": MONEY,
        "owner": NUMBER,
        "code": f"varchar(64) {OLD_SIGNS} NOT NULL",
        "delivery_way": FLAG,
        "delivery_auto_mode": FLAG,
        "contact_type": FLAG,
        "password_status": FLAG,
        "shared_id": "int unsigned DEFAULT NULL",
        "shared_code": "varchar(64) CHARACTER SET utf8mb3 DEFAULT NULL",
        "shared_stock": "json DEFAULT NULL",
        "stock": "int DEFAULT NULL",
    },
    "card": {
        "owner": NUMBER,
        "commodity_id": "int unsigned NOT NULL",
        "draft": f"varchar(255) {UTF8} DEFAULT NULL",
        "secret": f"varchar(760) {UTF8} NOT NULL",
        "create_time": "datetime NOT NULL DEFAULT '2026-01-01 00:00:00'",
        "purchase_time": "datetime DEFAULT NULL",
        "order_id": "int unsigned DEFAULT NULL",
        "status": FLAG,
        "note": f"varchar(64) {UTF8} DEFAULT NULL",
        "race": f"varchar(32) {UTF8} DEFAULT NULL",
        "sku": "json DEFAULT NULL",
        "cost": "decimal(10,2) unsigned DEFAULT 0.00",
    },
    "order": {
        "owner": NUMBER,
        "user_id": NUMBER,
        "trade_no": f"char(19) {UTF8} NOT NULL",
        "amount": "decimal(10,2) unsigned NOT NULL",
        "commodity_id": "int unsigned NOT NULL",
        "card_id": "int unsigned DEFAULT NULL",
        "card_num": NUMBER,
        "pay_id": "int unsigned NOT NULL DEFAULT 2",
        "create_time": "datetime NOT NULL",
        "create_ip": f"varchar(64) {UTF8} NOT NULL",
        "create_device": FLAG,
        "pay_time": "datetime DEFAULT NULL",
        "status": FLAG,
        "secret": f"longtext {UTF8}",
        "password": f"varchar(32) {UTF8} DEFAULT NULL",
        "contact": f"varchar(32) {UTF8} DEFAULT NULL",
        "delivery_status": FLAG,
        "pay_url": "varchar(1024) DEFAULT NULL",
        "widget": f"text {UTF8}",
        "rent": MONEY,
        "race": f"varchar(32) {UTF8} DEFAULT NULL",
        "pay_cost": "decimal(10,2) unsigned DEFAULT 0.00",
        "sku": "json DEFAULT NULL",
    },
    "ticket": {"ticket_no": "varchar(32) NOT NULL", "order_trade_no": "char(19) DEFAULT NULL"},
}
NEWER = {
    *(("commodity", "shared_stock"), ("commodity", "stock")),
    *(("card", "race"), ("card", "sku"), ("card", "cost")),
    *(("order", "race"), ("order", "pay_cost"), ("order", "sku")),
}
KEYS = {
    "user": "UNIQUE (username), UNIQUE (email)",
    "shared": "UNIQUE (domain)",
    "commodity": "UNIQUE (code), INDEX (shared_id)",
    "card": "INDEX (commodity_id), INDEX (order_id), INDEX (secret), INDEX (status)",
    "order": "UNIQUE (trade_no), INDEX (commodity_id), INDEX (contact)",
}


async def install(url: str, prefix: str = "acg_", *, is_old: bool = False) -> None:
    for name, columns in TABLES.items():
        lines = [f"`{one}` {kind}" for one, kind in columns.items() if not (is_old and (name, one) in NEWER)]
        lines = ["`id` int unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY", *lines, *filter(None, [KEYS.get(name)])]
        signs = OLD_SIGNS if name == "commodity" else UTF8
        table = f"CREATE TABLE `{prefix}{name}` ({', '.join(lines)})"
        await run(url, f"{table} ENGINE=InnoDB DEFAULT {signs} ROW_FORMAT=DYNAMIC")


@dataclass
class Truth:
    """What is so of one order."""

    order_no: str
    status: OrderStatus
    sku: str
    quantity: int
    paid: int
    codes: Sequence[str] = ()
    password: str = ""
    contact: str = ""
    paid_at: datetime | None = None


@dataclass
class Books:
    """Rows to be filled in, and what is true of their orders."""

    random: Random = field(default_factory=lambda: Random(20_260_105))
    rows: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {name: [] for name in TABLES})
    truths: list[Truth] = field(default_factory=list)
    numbers: Any = field(default_factory=lambda: count(1))

    def add(self, table: str, **facts: Any) -> int:
        rows = self.rows[table]
        rows.append({"id": len(rows) + 1, **facts})
        return len(rows)

    def add_goods(self, code: str, price: str = "48.50", **facts: Any) -> int:
        usual = {"name": code, "delivery_way": 0, "shared_id": None, "owner": 0, "factory_price": "30.00"}
        return self.add("commodity", code=code, price=price, **(usual | facts))

    def code(self) -> str:
        parts = ("".join(self.random.choices("ACDEFGHJKMNPQRTUVWXY34679", k=5)) for _ in range(3))
        return "-".join(parts)

    def sell(self, goods_id: int, text: str | None, cards: Sequence[str] = (), **facts: Any) -> Truth:
        """A row of an order, of the cards it took, and what is true of it unless told otherwise."""
        number = next(self.numbers)
        order_no = facts.pop(
            "order_no", f"{self.random.randrange(100, 1000)}26010509{number:04d}{number % 1000:03d}1"[:18]
        )
        truth = {name: facts.pop(name) for name in ("is_status", "is_codes", "is_sku", "is_contact") if name in facts}
        paid_at = OPENED + timedelta(minutes=number)
        written = (paid_at + SHANGHAI).replace(tzinfo=None)
        usual = {
            **{
                "owner": 0,
                "user_id": 0,
                "trade_no": order_no,
                "amount": "48.50",
                "commodity_id": goods_id,
                "card_num": 1,
            },
            **{
                "create_time": written - timedelta(seconds=40),
                "create_ip": f"203.0.113.{number % 250}",
                "secret": text,
            },
            **{"pay_time": written, "status": 1, "delivery_status": 1, "password": f"pw{number:06d}", "race": None},
            **{"contact": f"buyer{number}@mail.qq.com", "pay_cost": "0.00"},
        }
        row = usual | facts
        order_id = self.add("order", **row)
        for card in cards:
            self.add("card", secret=card, commodity_id=goods_id, order_id=order_id, status=1, race=row["race"])
        code = next((one["code"] for one in self.rows["commodity"] if one["id"] == goods_id), str(goods_id))
        codes = truth.get("is_codes", cards)
        status = truth.get("is_status", OrderStatus.DELIVERED)
        self.truths.append(
            Truth(
                order_no=order_no,
                status=status,
                sku=truth.get("is_sku", code),
                quantity=row["card_num"],
                paid=round(float(row["amount"]) * 100) if row["status"] else 0,
                codes=codes,
                password=row["password"] or "",
                contact=truth.get("is_contact", row["contact"]),
                paid_at=paid_at if row["status"] else None,
            )
        )
        return self.truths[-1]

    async def open(self, url: str, prefix: str = "acg_", *, is_old: bool = False) -> None:
        """Make the tables and fill them."""
        await install(url, prefix, is_old=is_old)
        for name, rows in self.rows.items():
            names = sorted({one for row in rows for one in row if not (is_old and (name, one) in NEWER)})
            await fill(url, prefix + name, [{one: row.get(one) for one in names} for row in rows])


def thousand_orders() -> Books:
    """Of every kind that acg-faka knows, in turn."""
    books = Books()
    member = books.add("user", username="xiaochen", email="chen.xiao@mail.qq.com")
    books.add("user", username="laowang", email="wang@supplier.cn")
    upstream = books.add("shared", name="星河批发", domain="https://up.example.com")
    auto = books.add_goods("8AE80574F3CA98BE")
    by_hand = books.add_goods("5C1D0B7E9A3F2468", delivery_way=1)
    resold = books.add_goods("77F00BA4C2D91E35", shared_id=upstream)
    kinds = books.add_goods("0F1E2D3C4B5A6978")
    books.add("ticket", ticket_no="TK2601050930ABCDEF01", order_trade_no="1")
    for turn in range(1_000):
        _sell_one(books, turn % 17, (auto, by_hand, resold, kinds), member)
    return books


def _sell_one(books: Books, kind: int, goods: Sequence[int], member: int) -> None:
    auto, by_hand, resold, kinds = goods
    code, other = books.code(), books.code()
    match kind:
        case 0 | 1:
            books.sell(auto, code, [code])
        case 2:  # wholesale
            many = [books.code() for _ in range(books.random.randint(5, 40))]
            books.sell(auto, "\n".join(many), many, card_num=len(many), amount=f"{len(many) * 41}.25")
        case 3:  # in two parts
            books.sell(auto, f"{code}----{other}", [f"{code}----{other}"])
        case 4:  # a card of two lines, beside one of one
            both = [f"卡号：{code}\n密码：{other}", books.code()]
            books.sell(auto, "\r\n".join(both), both, card_num=2, amount="97.00")
        case 5:  # a card that says whom to ask
            books.sell(auto, f"{code} 使用问题请联系客服", [f"{code} 使用问题请联系客服"])
        case 6:
            books.sell(auto, GONE, is_status=OrderStatus.ABNORMAL)
        case 7:
            books.sell(by_hand, SOON, delivery_status=0, is_status=OrderStatus.PAID_UNDELIVERED)
        case 8:
            books.sell(by_hand, f"{code}\r\n{other}\r\n", is_codes=[code, other])
        case 9:
            books.sell(resold, f"{code}\n{other}", is_codes=[code, other], card_num=2, amount="88.00")
        case 10:  # upstream delivers by hand, and this shop does not notice
            books.sell(resold, SOON, is_status=OrderStatus.ABNORMAL)
        case 11:
            books.sell(auto, None, status=0, delivery_status=0, pay_time=None, is_status=OrderStatus.UNPAID)
        case 12:  # who is signed in leaves no contact
            books.sell(auto, code, [code], owner=member, contact="-", password=None, is_contact="chen.xiao@mail.qq.com")
        case 13:  # its goods were deleted, and their cards with them
            books.sell(9_999, code, is_codes=[code])
        case 14:
            books.sell(kinds, code, [code], race="月卡", contact="13800138000", is_sku="0F1E2D3C4B5A6978/月卡")
        case 15:  # given away
            books.sell(auto, code, [code], amount="0.00", password="", contact="")
        case _:  # as releases before 3.5.9 stored it; whoever looks sees the sign
            books.sell(auto, f"{code}&amp;{other}", [f"{code}&amp;{other}"], is_codes=[f"{code}&{other}"])
