"""Staff accounts: who may sign in, and with what right."""

import asyncio
from datetime import datetime
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy.exc import IntegrityError
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from audit.trail import record
from tickets.errors import LoginTaken, UnknownAgent, WeakPassword
from tickets.tables import Agent, Role

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
    try:
        async with session.begin_nested():
            session.add(agent)
    except IntegrityError:
        raise LoginTaken(login=agent.login) from None
    record(session, now, "system", "agent.added", f"agent:{agent.id}", after={"login": agent.login, "role": agent.role})
    return agent


async def set_password(
    session: AsyncSession, now: datetime, login: str, password: str, *, actor: str = "system"
) -> Agent:
    """Give an account a new password; raises `UnknownAgent`, `WeakPassword`. Its sessions are the caller's to end."""
    _check_strength(password)
    agent = await _get_by_login(session, login)
    agent.password_hash = await asyncio.to_thread(_HASHER.hash, password)
    session.add(agent)
    record(session, now, actor, "agent.password_set", f"agent:{agent.id}")
    return agent


async def disable(session: AsyncSession, now: datetime, login: str, *, actor: str = "system") -> Agent:
    """Switch an account off, whatever it holds; `UnknownAgent` when there is none. Sessions are the caller's to end."""
    agent = await _get_by_login(session, login)
    if agent.is_active:
        agent.is_active = False
        session.add(agent)
        record(session, now, actor, "agent.disabled", f"agent:{agent.id}", {"is_active": True}, {"is_active": False})
    return agent


async def check_password(session: AsyncSession, login: str, password: str) -> Agent | None:
    """The active account that login and password open. An unknown login costs the same time as a wrong password."""
    agent = (await session.exec(select(Agent).where(Agent.login == _normalise(login)))).first()
    # Hashing takes tens of milliseconds on purpose; not on the event loop.
    is_right = await asyncio.to_thread(_verify, agent.password_hash if agent else _decoy(), password)
    return agent if agent is not None and agent.is_active and is_right else None


async def get_agent(session: AsyncSession, agent_id: int) -> Agent:
    """The active account; a switched-off one is as unknown as none."""
    agent = await session.get(Agent, agent_id)
    if agent is None or not agent.is_active:
        raise UnknownAgent(agent=agent_id)
    return agent


async def _get_by_login(session: AsyncSession, login: str) -> Agent:
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
