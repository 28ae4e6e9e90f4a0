"""A whole Kadesk without the composition room: a stall that sells, a desk, a dialogue, and buyers on any channel."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlmodel import SQLModel, select

from bot.bell import Bell
from bot.channels.port import Channel
from bot.delivery import Delivery
from bot.dialogue import Dialogue
from bot.door import Door
from bot.fakes.buyer import Buyer, TerminalFront
from bot.inbox import Inbox
from bot.phrases import Phrases
from faq import slots as slot_finding
from faq.errors import UnknownEntry
from faq.matcher import Candidate, Match
from faq.phrasing import Entry, Text
from faq.text import sentences
from kadesk.database import Database
from shop.adapters.local import LocalShop, hash_payment_tail, hash_query_password
from shop.codes import seal_code
from shop.deep_links import DeepLinks
from shop.invariants import check_invariants
from shop.port import OrderStatus
from shop.tables import Batch, CodeState, OrderCode, Pool, Product, ShopOrder, Supplier
from shop.vault import Keys, Vault
from tickets.claims import ClaimRules, Claims
from tickets.desk import Desk, DeskRules
from tickets.ownership import Ownership
from tickets.tables import Agent, Message, Role

if TYPE_CHECKING:  # who tests no messenger does not wait for them to be imported
    from bot.channels.wechat import WeChat
    from bot.fakes.weixin import FakeWeixin

KEYS = Keys.generate()
LINKS = DeepLinks("demo", "a secret of the shop, long enough")
ORDER, PASSWORD, PAYMENT = "AB12CD34EF56GH78", "open5esame", "4200001234567890"
CODE = "K7Q2M-9XH4T-R3VNP"


@dataclass
class Clock:
    """Time that stands still until it is told to go on."""

    now: datetime

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **span: float) -> None:
        self.now += timedelta(**span)


@dataclass
class Answers:
    """A few known answers, found by their exact words: what the matcher is for is tested in its own room."""

    entries: Mapping[str, Entry]
    asked: Mapping[str, Sequence[str]]  # question → entry keys; one is an answer, several are suggestions

    def match(self, text: str, language: str | None = None) -> Match:
        slots, rest = slot_finding.extract(text)
        keys = self.asked.get(text, ())
        outcome: Any = ("none", "answer", "suggest")[min(len(keys), 2)]
        candidates = tuple(Candidate(key, 0.9, {}) for key in keys)
        entry = keys[0] if outcome == "answer" else None
        return Match(outcome, entry, 0.9, candidates, slots, language or "zh", slot_finding.kind_of(slots, rest))

    def match_all(self, text: str) -> tuple[Match, ...]:
        return tuple(self.match(part) for part in sentences(text)) or (self.match(text),)

    def get(self, key: str) -> Entry:
        if key not in self.entries:
            raise UnknownEntry(key=key)
        return self.entries[key]


def known_answers() -> Answers:
    rows = [
        ("find_order", "order", "orders", "怎么查订单", "How do I find my order", "发订单号给我就能查。"),
        ("refund_policy", None, "refunds", "能退款吗", "Can I get a refund", "{promise}内答复退款。"),
        ("already_used", "claim", "codes", "提示已被使用", "It says already used", "先看看自己账号里到账没有。"),
        ("paid_not_delivered", "order", "delivery", "付款成功没发卡", "Paid but no code", "我来查。"),
        ("human", "human", "tickets", "找个人来", "Get me someone", "好的。"),
        ("no_reply", "human", "tickets", "怎么还没人", "Nobody answers me", "请回复“转人工”。"),
        ("ticket_status", "tickets", "tickets", "进度怎么样了", "Any update", "看工单。"),
    ]
    entries = {
        key: Entry(key, flow, (), {"zh": Text(zh, answer), "en": Text(en, f"About {key}.")}, (), theme)
        for key, flow, theme, zh, en, answer in rows
    }
    asked = {text: (key,) for key, _, _, zh, en, _ in rows for text in (zh, en)}
    return Answers(entries, asked | {"退": ("refund_policy", "find_order"), "Money": ("refund_policy", "find_order")})


@dataclass
class House:
    """Everything joined. `deliver` can be held back by tests that look at the outbox."""

    database: Database
    clock: Clock
    vault: Vault
    phrases: Phrases
    desk: Desk
    claims: Claims
    shop: Any
    dialogue: Dialogue
    bell: Bell = field(default_factory=Bell)
    outbox_bell: Bell = field(default_factory=Bell)

    @property
    def door(self) -> Door:
        return Door(self.database, self.vault, self.clock, self.bell)

    def inbox(self, *channels: Channel, dialogue: Any = None) -> Inbox:
        bells = {"bell": self.bell, "outbox_bell": self.outbox_bell}
        return Inbox(self.database, self.vault, channels, dialogue or self.dialogue, self.clock, **bells)

    def delivery(self, *channels: Channel, **options: Any) -> Delivery:
        options |= {"then": self.dialogue.follow_delivery, "links": self.claims.links}
        return Delivery(self.database, channels, self.clock, bell=self.outbox_bell, **options)

    def settle(self, *channels: Channel) -> Callable[[], Awaitable[None]]:
        inbox, delivery = self.inbox(*channels), self.delivery(*channels)

        async def work() -> None:
            await inbox.drain()
            await delivery.drain()

        return work

    def buyer(self, name: str = "小陈") -> Buyer:
        """A buyer at a terminal, where the dialogue is the same as everywhere."""
        front = TerminalFront(name, self.door.accept, self.clock)
        return Buyer(front, self.settle(front.channel))

    async def all(self, table: type[Any], **values: object) -> list[Any]:
        """The rows of a table that have these values, oldest first."""
        async with self.database.reading() as session:
            order = next(iter(table.__table__.primary_key))
            return list((await session.exec(select(table).filter_by(**values).order_by(order))).all())

    async def one(self, table: type[Any], **values: object) -> Any:
        (row,) = await self.all(table, **values)
        return row

    async def heard(self) -> list[str]:
        """What buyers said, as it is stored."""
        return [message.text for message in await self.all(Message, direction="in")]

    async def add(self, *rows: SQLModel) -> None:
        async with self.database.writing() as session:
            session.add_all(rows)

    async def hire(self, login: str = "lin", name: str = "小林") -> int:
        agent = Agent(login=login, name=name, role=Role.AGENT, password_hash="-", created_at=self.clock())
        await self.add(agent)
        assert agent.id is not None
        return agent.id

    async def stock(self, sku: str = "STEAM-50", name: str = "Steam 50元充值卡", reserve: Sequence[str] = ()) -> None:
        """A product, whose orders `sell` sells from now on."""
        async with self.database.writing() as session:
            supplier = Supplier(name=f"supplier of {sku}")
            product = Product(shop="demo", sku=sku, name=name, price=4850, warranty=timedelta(days=30))
            session.add_all([supplier, product])
            await session.flush()
            batch = Batch(supplier_id=supplier.id, product_id=product.id, name=sku, arrived_at=self.clock())
            session.add(batch)
            await session.flush()
            self.place = {"product_id": product.id, "batch_id": batch.id}
            session.add_all(seal_code(self.vault, **self.place, text=text, pool=Pool.RESERVE) for text in reserve)

    async def sell(self, *codes: str, order_no: str = ORDER, status: OrderStatus = OrderStatus.DELIVERED) -> None:
        async with self.database.writing() as session:
            order = ShopOrder(
                shop="demo",
                order_no=order_no,
                product_id=self.place["product_id"],
                status=status,
                quantity=max(1, len(codes)),
                paid=0 if status == OrderStatus.UNPAID else 4850,
                paid_at=None if status == OrderStatus.UNPAID else self.clock(),
                delivered_at=self.clock() if codes else None,
                password_hash=hash_query_password(self.vault, "demo", order_no, PASSWORD),
                payment_tail_hash=hash_payment_tail(self.vault, "demo", order_no, PAYMENT),
                created_at=self.clock(),
            )
            sealed = [
                seal_code(self.vault, **self.place, text=text, pool=Pool.STOCK, state=CodeState.ISSUED)
                for text in codes
            ]
            session.add_all([order, *sealed])
            await session.flush()
            session.add_all(
                OrderCode(order_id=order.id, code_id=code.id, position=number)
                for number, code in enumerate(sealed, start=1)
            )


@pytest.fixture
def clock(now: datetime) -> Clock:
    return Clock(now)


@pytest.fixture
def vault() -> Vault:
    return Vault(KEYS)


@pytest.fixture
def answers() -> Any:
    return known_answers()


@pytest.fixture
def rules() -> DeskRules:
    return DeskRules()


@pytest.fixture
async def house(database: Database, clock: Clock, vault: Vault, answers: Any, rules: DeskRules) -> AsyncIterator[House]:
    """One order, one spare code. Whatever a test does, the shop's invariants hold afterwards."""
    phrases = Phrases()
    desk = Desk(phrases, rules)
    addresses = {
        "reveal_url": "https://kadesk.test/r/{}".format,
        "chat_url": "https://kadesk.test/chat?start={}".format,
    }
    claims = Claims(desk, vault, ClaimRules(**addresses))
    shop = LocalShop(database, vault)
    dialogue = Dialogue(
        desk=desk,
        claims=claims,
        ownership=Ownership(vault),
        shop=shop,
        answers=answers,
        phrases=phrases,
        links=[LINKS],
    )
    house = House(database, clock, vault, phrases, desk, claims, shop, dialogue)
    await house.stock(reserve=["SPARE-11111-AAAAA", "SPARE-22222-BBBBB"])
    await house.sell(CODE)
    yield house
    async with database.reading() as session:
        assert await check_invariants(session) == []


@pytest.fixture
async def weixin(house: House) -> AsyncIterator["FakeWeixin"]:
    from tests.bot.channels.fronts import serving_weixin

    async with serving_weixin(house) as fake:
        yield fake


@pytest.fixture
async def wechat(house: House, weixin: "FakeWeixin") -> AsyncIterator["WeChat"]:
    from tests.bot.channels.fronts import open_wechat

    wechat = open_wechat(house, weixin)
    yield wechat
    await wechat.close()
