"""The demo install: a small shop, three staff accounts, some macros and what a visitor needs to know to try it."""

import json
import os
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from random import Random

from rich.table import Table
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from bot.phrases import Phrases
from kadesk.database import Database
from kadesk.shell import out
from shop.demo import DemoShop, create_demo_shop
from shop.port import OrderStatus
from shop.tables import ShopOrder
from shop.vault import Vault
from tickets.desk import Desk
from tickets.macros import Macros, Recipe
from tickets.staff import add_agent
from tickets.tables import Phase, Role, id_of

STAFF = (("lin", "小林", Role.AGENT), ("chen", "陈组长", Role.LEAD), ("wang", "王经理", Role.MANAGER))
MACROS = (
    Recipe(
        "先安抚，再核实", "{buyer} 您好，工单 {number} 我来跟进，正在向供货商核实，有结果马上告诉您。", tags=("核实中",)
    ),
    Recipe("要截图", "{buyer} 您好，请把兑换时的提示整屏截图发过来，订单 {order} 我马上核对。", tags=("等截图",)),
    Recipe("教用法并解决", "请先退出账号重新登录，再到兑换页输入卡密，字母区分大小写。", Phase.RESOLVED, ("用法",)),
)
SHOWN = 6  # orders printed besides the first
COPIED = ("staff", "order", "password")  # columns that stay whole however narrow the window is


@dataclass(frozen=True)
class Account:
    """A staff account of the demo, with its generated password."""

    login: str
    name: str
    role: str
    password: str


@dataclass(frozen=True)
class Try:
    """An order to try things with."""

    order_no: str
    query_password: str
    product: str
    status: str
    codes: int
    shows: str = ""


@dataclass(frozen=True)
class Guide:
    """What `make demo-info` prints; kept in a file that only its owner can read."""

    staff: list[Account]
    orders: list[Try]


async def load_demo(database: Database, vault: Vault, now: datetime, folder: Path) -> Guide:
    """Create the demo once; later calls only read its guide."""
    path = folder / "demo.json"
    async with database.writing() as session:
        if (await session.exec(select(ShopOrder.id).limit(1))).first() is None:
            guide = await _create(session, vault, now)
            # Written before the commit: a guide without its shop is replaced, a shop without its guide is of no use.
            _write_private(path, json.dumps(asdict(guide), ensure_ascii=False, indent=1))
    return read_guide(path)


def read_guide(path: Path) -> Guide:
    """The guide of a demo that was loaded; empty when this install is no demo."""
    if not path.exists():
        return Guide([], [])
    content = json.loads(path.read_text(encoding="utf-8"))
    return Guide([Account(**one) for one in content["staff"]], [Try(**one) for one in content["orders"]])


async def _create(session: AsyncSession, vault: Vault, now: datetime) -> Guide:
    shop = await create_demo_shop(session, now, vault, Random(secrets.randbits(256)))
    staff = [Account(login, name, role, secrets.token_urlsafe(9)) for login, name, role in STAFF]
    for account in staff:
        agent = await add_agent(session, now, account.login, account.name, Role(account.role), account.password)
    macros = Macros(Desk(Phrases()))
    for recipe in MACROS:
        await macros.keep(session, now, id_of(agent), recipe)
    return Guide(staff, _to_try(shop))


def _to_try(shop: DemoShop) -> list[Try]:
    several = [order for order in shop.orders if len(order.codes) > 2][:2]
    single = [order for order in shop.orders if order.status is OrderStatus.DELIVERED and len(order.codes) == 1]
    undelivered = [order for order in shop.orders if order.status is OrderStatus.PAID_UNDELIVERED][:1]
    shows = {
        shop.example.order_no: "replaced at once",
        shop.to_prove.order_no: "wants a screenshot",
        shop.to_return.order_no: "refund while unseen",
        **{order.order_no: "several codes" for order in several},
        **{order.order_no: "paid, nothing came" for order in undelivered},
    }
    chosen = {order.order_no: order for order in [shop.example, shop.to_prove, shop.to_return, *several, *undelivered]}
    chosen |= {order.order_no: order for order in single}
    return [
        Try(number, order.query_password, order.product, order.status, len(order.codes), shows.get(number, ""))
        for number, order in [*chosen.items()][: SHOWN + 1]
    ]


def _write_private(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)


def print_guide(guide: Guide, public_url: str) -> None:
    """Where to click, and with what."""
    out.print(f"\nKadesk  chat     {public_url}/chat")
    out.print(f"        console  {public_url}/console")
    out.print(f"        reports  {public_url}/console/reports\n")
    if not guide.orders:
        return
    first = guide.orders[0]
    out.print(f"Demo order {first.order_no}  query password {first.query_password}", style="bold")
    out.print("Ask 怎么查订单, or say 卡密无效 and report its code.\n")
    _print_table(("staff", "name", "role", "password"), [tuple(asdict(one).values()) for one in guide.staff])
    rows = [
        (one.order_no, one.query_password, one.product, str(one.codes), one.shows or one.status) for one in guide.orders
    ]
    _print_table(("order", "password", "product", "codes", "shows"), rows)


def _print_table(titles: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    table = Table(box=None, header_style="dim", pad_edge=False)
    for title in titles:
        table.add_column(title, no_wrap=title in COPIED)
    for row in rows:
        table.add_row(*row)
    out.print(table)
    out.print()
