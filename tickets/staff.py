"""Staff accounts: who may sign in, with what right, and what tickets come to them."""

import asyncio
import json
from collections.abc import Iterable
from datetime import datetime
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import ColumnElement, String, cast
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from audit.once import add_once
from audit.trail import record
from tickets.changes import changing
from tickets.errors import LoginTaken, UnknownAgent, UnknownBuyer, WeakPassword
from tickets.tables import Agent, Buyer, Phase, Role, Ticket, id_of

SHORTEST_PASSWORD = 10  # characters
_HASHER = PasswordHasher()  # argon2id with the parameters of RFC 9106


async def add_agent(session: AsyncSession, now: datetime, login: str, name: str, role: Role, password: str) -> Agent:
    """Make a staff account; raises `LoginTaken`, `WeakPassword`."""
    _check_strength(password)
    agent = Agent(
        login=_normalise(login),
        name=name,
        role=Role(role),
        password_hash=await asyncio.to_thread(_HASHER.hash, password),
        created_at=now,
    )
    if not await add_once(session, agent):
        raise LoginTaken(login=agent.login)
    record(session, now, "system", "agent.added", f"agent:{agent.id}", after={"login": agent.login, "role": agent.role})
    return agent


async def set_password(
    session: AsyncSession, now: datetime, login: str, password: str, *, actor: str = "system"
) -> Agent:
    """Give an account a new password; raises `UnknownAgent`, `WeakPassword`. Its sessions are the caller's to end."""
    _check_strength(password)
    agent = await get_by_login(session, login)
    agent.password_hash = await asyncio.to_thread(_HASHER.hash, password)
    session.add(agent)
    record(session, now, actor, "agent.password_set", f"agent:{agent.id}")
    return agent


async def disable(session: AsyncSession, now: datetime, login: str, *, actor: str = "system") -> Agent:
    """Switch an account off; `UnknownAgent` when there is none. Sessions are the caller's to end.

    What it owed an answer on stands in the queue again: nobody else would look for it there.
    """
    agent = await get_by_login(session, login)
    if agent.is_active:
        agent.is_active = False
        session.add(agent)
        record(session, now, actor, "agent.disabled", f"agent:{agent.id}", {"is_active": True}, {"is_active": False})
        await give_back(session, now, id_of(agent), actor)
    return agent


async def set_skills(
    session: AsyncSession, now: datetime, login: str, skills: Iterable[str], *, actor: str = "system"
) -> Agent:
    """What this agent can do: the queues that ask for one of these skills are theirs to pull from."""
    agent = await get_by_login(session, login)
    before, after = agent.skills, sorted({skill.strip() for skill in skills} - {""})
    agent.skills = after
    session.add(agent)
    record(session, now, actor, "agent.skills_set", f"agent:{agent.id}", {"skills": before}, {"skills": after})
    return agent


async def set_capacity(
    session: AsyncSession, now: datetime, login: str, capacity: int | None, *, actor: str = "system"
) -> Agent:
    """How many open tickets this agent may hold; None: as many as the settings say."""
    agent = await get_by_login(session, login)
    before, agent.capacity = agent.capacity, capacity
    session.add(agent)
    facts = {"capacity": before}, {"capacity": capacity}
    record(session, now, actor, "agent.capacity_set", f"agent:{agent.id}", *facts)
    return agent


async def set_account_manager(
    session: AsyncSession, now: datetime, buyer_id: int, login: str | None, *, actor: str = "system"
) -> Buyer:
    """Who looks after this merchant from now on; None: nobody. Raises `UnknownBuyer`, `UnknownAgent`."""
    buyer = await session.get(Buyer, buyer_id)
    if buyer is None:
        raise UnknownBuyer(buyer=buyer_id)
    manager = await get_by_login(session, login) if login else None
    before, buyer.account_manager_id = buyer.account_manager_id, manager.id if manager else None
    session.add(buyer)
    facts = {"account_manager": before}, {"account_manager": buyer.account_manager_id}
    record(session, now, actor, "buyer.account_manager_set", f"buyer:{buyer_id}", *facts)
    return buyer


async def give_back(session: AsyncSession, now: datetime, agent_id: int, actor: str) -> int:
    """What this agent owes an answer on stands in the queue again, where it stood; returns how many."""
    mine = (Ticket.assignee_id == agent_id, Ticket.phase == Phase.OPEN)
    held = (await session.exec(select(Ticket).where(*mine).order_by(col(Ticket.id)).with_for_update())).all()
    for ticket in held:
        with changing(session, now, ticket, actor, "ticket.released"):
            ticket.assignee_id = None
    return len(held)


def is_there() -> tuple[ColumnElement[bool], ...]:
    """Which accounts may be given tickets."""
    return (col(Agent.is_active).is_(True), col(Agent.is_away).is_(False))


def has_skill(skill: str) -> ColumnElement[bool]:
    """Which accounts have this skill: a word of the JSON list, as it is written there."""
    return cast(Agent.skills, String).contains(json.dumps(skill), autoescape=True)


async def check_password(session: AsyncSession, login: str, password: str) -> Agent | None:
    """The active account that login and password open. An unknown login costs the same time as a wrong password."""
    agent = (await session.exec(select(Agent).where(Agent.login == _normalise(login)))).first()
    # Hashing takes tens of milliseconds on purpose; not on the event loop.
    is_right = await asyncio.to_thread(_verify, agent.password_hash if agent else _decoy(), password)
    return agent if agent is not None and agent.is_active and is_right else None


async def get_agent(session: AsyncSession, agent_id: int, *, for_change: bool = False) -> Agent:
    """The active account, held `for_change` until the transaction ends; a switched-off one is as unknown as none."""
    # Not against those who only refer to it: a notice for an agent need not wait while they take a ticket.
    lock = {"key_share": True} if for_change else None
    agent = await session.get(Agent, agent_id, with_for_update=lock, populate_existing=for_change)
    if agent is None or not agent.is_active:
        raise UnknownAgent(agent=agent_id)
    return agent


async def get_by_login(session: AsyncSession, login: str) -> Agent:
    """The account of that login, switched off or not; raises `UnknownAgent`."""
    agent = (await session.exec(select(Agent).where(Agent.login == _normalise(login)))).first()
    if agent is None:
        raise UnknownAgent(agent=_normalise(login))
    return agent


def _check_strength(password: str) -> None:
    if len(password) < SHORTEST_PASSWORD:
        raise WeakPassword(least=SHORTEST_PASSWORD)


def _normalise(login: str) -> str:
    return login.strip().lower()


def _verify(password_hash: str, password: str) -> bool:
    try:
        return _HASHER.verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False


@cache
def _decoy() -> str:
    return _HASHER.hash("the password of nobody")
