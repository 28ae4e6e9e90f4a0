"""A desk at work: staff, a buyer, and every verb in a transaction of its own."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Concatenate, TypeVar

import pytest
from sqlmodel import SQLModel, select
from sqlmodel.ext.asyncio.session import AsyncSession

from audit.tables import AuditRow
from kadesk.database import Database
from shop.invariants import check_invariants
from shop.port import CodeRef
from shop.vault import Keys, Vault
from tests.tickets.counter import RESERVE, RULES, Counter, stock
from tickets import conversations, escalations, outbox
from tickets.buyers import Heard
from tickets.claims import Claims
from tickets.desk import Desk
from tickets.escalations import Sweep
from tickets.tables import Agent, Author, Buyer, Conversation, Level, Message, Outgoing, Role, Ticket, Tier

Result = TypeVar("Result")
Table = TypeVar("Table", bound=SQLModel)
Verb = Callable[Concatenate[AsyncSession, datetime, ...], Awaitable[Result]]

KEYS = Keys.generate()


def say(language: str, key: str, /, **facts: object) -> str:
    """The key and its facts in place of words, so that tests read what was meant."""
    return " ".join([f"{language}:{key}", *(f"{name}={fact}" for name, fact in facts.items())])


@dataclass
class Floor:
    database: Database
    desk: Desk
    now: datetime

    async def do(self, verb: Verb[Result], *arguments: Any, at: datetime | None = None, **options: Any) -> Result:
        async with self.database.writing() as session:
            return await verb(session, at or self.now, *arguments, **options)

    async def all(self, table: type[Table], **values: object) -> list[Table]:
        """The rows of a table that have these values, oldest first."""
        async with self.database.reading() as session:
            rows = select(table).filter_by(**values)
            order = next(iter(table.__table__.primary_key))  # type: ignore[attr-defined]
            return list((await session.exec(rows.order_by(order))).all())

    async def one(self, table: type[Table], **values: object) -> Table:
        (row,) = await self.all(table, **values)
        return row

    async def actions(self, ticket: Ticket) -> list[str]:
        return [row.action for row in await self.all(AuditRow, subject=f"ticket:{ticket.id}")]

    async def hire(self, login: str, role: Role = Role.AGENT, *, is_active: bool = True) -> int:
        """A staff account nobody signs in with: hashing passwords takes its time."""
        async with self.database.writing() as session:
            agent = Agent(login=login, name=login.title(), role=role, password_hash="-", created_at=self.now)
            agent.is_active = is_active
            session.add(agent)
            await session.flush()
            assert agent.id is not None
            return agent.id

    async def meet(self, address: str = "buyer-1", tier: Tier = Tier.NORMAL, language: str = "zh") -> Conversation:
        async with self.database.writing() as session:
            place = ("web", "main", address)
            met = await conversations.find_or_create(session, self.now, *place, f"name of {address}", language)
            (await session.get_one(Buyer, met.buyer_id)).tier = tier
            return met

    async def open(
        self,
        conversation: Conversation | None = None,
        subject: str = "卡密无效",
        *,
        at: datetime | None = None,
        level: Level = Level.BOT_LANE,
        **options: Any,
    ) -> Ticket:
        conversation = conversation or await self.meet()
        return await self.do(self.desk.open, conversation, "question", subject, at=at, level=level, **options)

    async def speak(self, ticket: Ticket, text: str = "还在吗", *, at: datetime | None = None) -> Heard:
        """The buyer says something on the ticket."""

        async def verb(session: AsyncSession, now: datetime) -> Heard:
            conversation = await session.get_one(Conversation, ticket.conversation_id)
            message = await conversations.add_message(session, now, conversation, text)
            return await self.desk.hear(session, now, ticket, message)

        return await self.do(verb, at=at)

    async def deliver(self, *, at: datetime | None = None) -> list[str]:
        """Send everything that is queued; the texts in order."""
        sent = []
        while waiting := await self.do(outbox.waiting, "web", "main", at=at):
            for outgoing in waiting:
                assert await self.do(self._arrive, outgoing.id, at=at)
                sent.append((await self.one(Message, id=outgoing.message_id)).text)
        return sent

    async def _arrive(self, session: AsyncSession, now: datetime, outgoing_id: int) -> bool:
        """As delivery records it, with what follows from it."""
        is_sent = await outbox.mark_sent(session, now, outgoing_id, "")
        await self.desk.follow_arrival(session, now, outgoing_id)
        return is_sent

    async def queued(self) -> list[str]:
        """The texts that are not sent yet."""
        return [(await self.one(Message, id=row.message_id)).text for row in await self.all(Outgoing, state="queued")]

    async def post(
        self, conversation: Conversation, text: str, *, at: datetime | None = None, **options: Any
    ) -> Message:
        return await self.do(outbox.post, conversation, text, at=at, **{"author": Author.BOT} | options)

    async def sweep(self, at: datetime, **options: Any) -> Sweep:
        return await escalations.sweep(self.database, lambda: at, self.desk, **options)

    async def fresh(self, ticket: Ticket) -> Ticket:
        return await self.one(Ticket, id=ticket.id)


@pytest.fixture
def desk() -> Desk:
    return Desk(say)


@pytest.fixture
def vault() -> Vault:
    return Vault(KEYS)


@pytest.fixture
def floor(database: Database, desk: Desk, now: datetime) -> Floor:
    return Floor(database, desk, now)


@pytest.fixture
async def lin(floor: Floor) -> int:
    return await floor.hire("lin")


@pytest.fixture
async def ming(floor: Floor) -> int:
    return await floor.hire("ming")


@pytest.fixture
async def chen(floor: Floor) -> int:
    return await floor.hire("chen", Role.LEAD)


@pytest.fixture
async def wang(floor: Floor) -> int:
    return await floor.hire("wang", Role.MANAGER)


@pytest.fixture
def reserve() -> tuple[str, ...]:
    return RESERVE


@pytest.fixture
async def counter(floor: Floor, vault: Vault, reserve: tuple[str, ...]) -> AsyncIterator[Counter]:
    """Whatever a test does at the counter, the shop's invariants hold afterwards."""
    await stock(floor, vault, reserve)
    claims = Claims(floor.desk, vault, RULES)
    counter = Counter(floor, claims, await floor.meet(), CodeRef(vault.fingerprint("SOLD-1"), "****-OLD1", 1))
    yield counter
    async with floor.database.reading() as session:
        assert await check_invariants(session) == []
