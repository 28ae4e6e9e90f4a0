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
from tickets.errors import LoginTaken, UnknownAgent
from tickets.tables import Agent, Role

_HASHER = PasswordHasher()  # argon2id with the parameters of RFC 9106


async def add_agent(session: AsyncSession, now: datetime, login: str, name: str, role: Role, password: str) -> Agent:
    """Make a staff account; `LoginTaken` when there is one of this login."""
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
