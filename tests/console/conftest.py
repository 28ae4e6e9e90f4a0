"""The web pages on a real database with the real desk, a clock that tests move, and a browser's manners over HTTP."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from argon2 import PasswordHasher
from fastapi import FastAPI
from sqlmodel import select

from bot import dead_letters
from bot.phrases import Phrases
from bot.phrases.retelling import Retelling
from console.rules import ConsoleRules, Lights
from console.sign_in import begin
from console.site import mount_console
from kadesk.database import Database
from shop.adapters import local
from shop.adapters.local import LocalShop
from shop.demo import DemoOrder, create_demo_shop
from shop.vault import Keys, Vault
from tickets import outbox
from tickets.claims import ClaimRules, Claims, Reason, Settled
from tickets.conversations import add_message, find_or_create
from tickets.desk import Desk
from tickets.tables import Agent, Buyer, Conversation, Outgoing, Role, Ticket

if TYPE_CHECKING:
    from tests.console.house import House

ORIGIN = "http://kadesk.test"
PASSWORD = "correct horse battery"
# As every password is kept, only quicker to make and to check.
_HASHER = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
_HASH = _HASHER.hash(PASSWORD)


@dataclass
class Clock:
    """Stands still until it is moved."""

    now: datetime

    def __call__(self) -> datetime:
        return self.now

    def pass_(self, **span: float) -> None:
        self.now += timedelta(**span)


@dataclass
class Stage:
    """A shop with its pages, and people to act on it."""

    database: Database
    clock: Clock
    rules: ConsoleRules = field(default_factory=ConsoleRules)
    vault: Vault = field(default_factory=lambda: Vault(Keys.generate()))
    origin: str = ORIGIN
    lights: Lights | None = None
    failing: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.desk = Desk(Phrases())
        links = ClaimRules(reveal_url=lambda token: f"{self.origin}/r/{token}")
        self.claims = Claims(self.desk, self.vault, links)
        self.app = FastAPI(openapi_url=None)
        mount_console(
            self.app,
            database=self.database,
            desk=self.desk,
            claims=self.claims,
            shop=LocalShop(self.database, self.vault),
            vault=self.vault,
            clock=self.clock,
            rules=self.rules,
            letters=dead_letters,
            retell=Retelling(Phrases()),
            lights=self.lights,
            failing=lambda: self.failing,
        )

    async def add_agent(self, login: str = "lin", role: Role = Role.AGENT) -> Agent:
        agent = Agent(
            login=login, name=f"{login.title()} 小林", role=role, password_hash=_HASH, created_at=self.clock()
        )
        async with self.database.writing() as session:
            session.add(agent)
        return agent

    async def meet(self, name: str = "买家甲", address: str = "a", tier: str = "normal") -> Conversation:
        async with self.database.writing() as session:
            conversation = await find_or_create(session, self.clock(), "web", "shop", address, name, "zh")
            buyer = await session.get_one(Buyer, conversation.buyer_id)
            buyer.tier = tier
            return conversation

    async def open(
        self, conversation: Conversation, subject: str = "卡密用不了", text: str = "", **facts: Any
    ) -> Ticket:
        async with self.database.writing() as session:
            ticket = await self.desk.open(session, self.clock(), conversation, "question", subject, **facts)
            message = await add_message(session, self.clock(), conversation, text or subject)
            await self.desk.hear(session, self.clock(), ticket, message)
            return ticket

    async def open_shop(self) -> list[DemoOrder]:
        with pytest.MonkeyPatch.context() as quick:  # what two hundred orders are hashed with takes a second
            quick.setattr(local, "_HASHER", _HASHER)
            return await self._fill_shop()

    async def _fill_shop(self) -> list[DemoOrder]:
        async with self.database.writing() as session:
            return (await create_demo_shop(session, self.clock(), self.vault, Random(7))).orders

    async def claim(
        self, conversation: Conversation, known: DemoOrder, reason: Reason = Reason.ALREADY_USED
    ) -> Settled:
        order = await LocalShop(self.database, self.vault).find_order(known.order_no)
        assert order is not None
        async with self.database.writing() as session:
            return await self.claims.file(session, self.clock(), conversation, order, order.codes[0], reason)

    async def deliver(self) -> int:
        """Send what waits, as the web channel does; how many."""
        async with self.database.writing() as session:
            waiting = list((await session.exec(select(Outgoing).where(Outgoing.state == "queued"))).all())
            for outgoing in waiting:
                assert outgoing.id is not None
                await outbox.mark_sent(session, self.clock(), outgoing.id, "x")
        return len(waiting)

    def browser(self, language: str = "zh", address: str = "192.0.2.1") -> "Visitor":
        return Visitor(self.app, language, address)


class Visitor(httpx.AsyncClient):
    """Keeps cookies, names its origin on a POST and sends the page's token, as a browser with our pages does."""

    def __init__(self, app: FastAPI, language: str, address: str) -> None:
        transport = httpx.ASGITransport(app, client=(address, 5000))
        super().__init__(transport=transport, base_url=ORIGIN, headers={"accept-language": language})

    async def submit(self, path: str, **form: str | list[str]) -> httpx.Response:
        form = {"csrftoken": self.cookies.get("starlette_admin_csrftoken", ""), **form}
        return await self.post(path, data=form, headers={"origin": ORIGIN})

    async def sign_in(self, login: str = "lin", password: str = PASSWORD) -> httpx.Response:
        await self.get("/console/login")
        return await self.submit("/console/login", login=login, password=password)


def text_of(response: httpx.Response) -> str:
    """What a reader sees of a page, in one line."""
    without_head = re.sub(r"<(head|script)\b.*?</\1>", " ", response.text, flags=re.S)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", without_head)).strip()


@pytest.fixture
def clock(now: datetime) -> Clock:
    return Clock(now)


@pytest.fixture
def stage(database: Database, clock: Clock) -> Stage:
    return Stage(database, clock)


@pytest.fixture
async def visitor(stage: Stage) -> AsyncIterator[Visitor]:
    """Somebody who has not signed in."""
    async with stage.browser() as browser:
        yield browser


@pytest.fixture
async def agent(stage: Stage) -> Agent:
    return await stage.add_agent()


@pytest.fixture
async def signed_in(stage: Stage, agent: Agent) -> AsyncIterator[Visitor]:
    """An agent's browser."""
    async with stage.browser() as browser:
        async with stage.database.writing() as session:
            assert agent.id is not None
            token = await begin(session, stage.clock(), stage.rules.session, agent.id)
        browser.cookies.set("kadesk_console", token, domain="kadesk.test")
        await browser.get("/console/")
        yield browser


@pytest.fixture
async def house(database: Database, clock: Clock, matcher_cache: Path) -> AsyncIterator["House"]:
    """Everything, served on a port of its own."""
    from tests.console.house import House

    house = House(database, clock, matcher_cache)
    async with house.open():
        yield house


@pytest.fixture
async def agent_of(house: "House") -> Agent:
    return await house.stage.add_agent()
