"""Signing staff in and out: random tokens whose hash is kept, and a rest after too many wrong passwords.

The rest is soft: it ends by itself, and it counts the login and the network address apart, so that guessing one
password for many logins is slowed as well as many passwords for one.
"""

import hashlib
import secrets
from datetime import datetime, timedelta

from sqlalchemy import delete, func
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from audit.trail import record
from console.errors import SignInRefused, SignInResting
from console.rules import ConsoleRules, Site
from console.tables import SignIn, SignInMiss
from tickets.staff import check_password
from tickets.tables import Agent

TOUCH_EVERY = timedelta(minutes=5)  # how exact `seen_at` is; finer would write on every page


def hash_token(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


async def sign_in(site: Site, login: str, password: str, source: str) -> str:
    """The token of a new session; raises SignInRefused, SignInResting."""
    now = site.clock()
    miss = SignInMiss(login_hash=site.vault.keyed_hash("sign_in", login.strip().lower()), source=source, at=now)
    await _note(site, miss)
    async with site.database.reading() as session:
        agent = await check_password(session, login, password)
    if agent is None or agent.id is None:
        raise SignInRefused()
    async with site.database.writing() as session:
        same_login, same_source = col(SignInMiss.login_hash) == miss.login_hash, col(SignInMiss.source) == source
        await session.exec(delete(SignInMiss).where(same_login, same_source))
        return await begin(session, now, site.rules.session, agent.id)


async def _note(site: Site, miss: SignInMiss) -> None:
    """Count a try as missed before its password is looked at, and refuse it when there were too many.

    The row is committed before the rows are counted, so of many tries at once only so many as are left can pass. A
    refused try is not counted any longer: insisting does not prolong the rest.
    """
    async with site.database.writing() as session:
        await session.exec(delete(SignInMiss).where(col(SignInMiss.at) <= miss.at - site.rules.rest))
        session.add(miss)
    async with site.database.reading() as session:
        until = await _resting_until(session, site.rules, miss)
    if until is not None:
        async with site.database.writing() as session:
            await session.exec(delete(SignInMiss).where(col(SignInMiss.id) == miss.id))
        raise SignInResting(until=until)


async def _resting_until(session: AsyncSession, rules: ConsoleRules, miss: SignInMiss) -> datetime | None:
    """When the oldest of too many misses, of this login or from this source, will be forgotten."""
    limits = (
        (col(SignInMiss.login_hash) == miss.login_hash, rules.misses_per_login),
        (col(SignInMiss.source) == miss.source, rules.misses_per_source),
    )
    for same, limit in limits:
        others = select(SignInMiss.at).where(same, col(SignInMiss.id) != miss.id).order_by(col(SignInMiss.at).desc())
        oldest = (await session.exec(others.offset(limit - 1).limit(1))).first()
        if oldest is not None:
            return oldest + rules.rest
    return None


async def begin(session: AsyncSession, now: datetime, lasts: timedelta, agent_id: int) -> str:
    """Open a session for an agent and return its token; sessions that have ended are cleared away."""
    token = secrets.token_urlsafe(32)
    await session.exec(delete(SignIn).where(col(SignIn.expires_at) <= now))
    session.add(
        SignIn(token_hash=hash_token(token), agent_id=agent_id, made_at=now, expires_at=now + lasts, seen_at=now)
    )
    record(session, now, f"agent:{agent_id}", "console.signed_in", f"agent:{agent_id}")
    return token


async def find_agent(session: AsyncSession, now: datetime, idle: timedelta, token: str) -> tuple[Agent, SignIn] | None:
    """Whose token this is, as long as the session runs and the agent is active."""
    found = await session.exec(
        select(Agent, SignIn)
        .join(SignIn, col(SignIn.agent_id) == col(Agent.id))
        .where(SignIn.token_hash == hash_token(token), col(Agent.is_active).is_(True))
        .where(col(SignIn.expires_at) > now, col(SignIn.seen_at) > now - idle)
    )
    return found.first()


async def touch(session: AsyncSession, now: datetime, token_hash: str) -> None:
    """A page was opened: the session is not idle."""
    row = await session.get(SignIn, token_hash)
    if row is not None:
        row.seen_at = now


async def end(session: AsyncSession, now: datetime, agent_id: int, token_hash: str) -> None:
    """Sign out here."""
    await session.exec(delete(SignIn).where(col(SignIn.token_hash) == token_hash))
    record(session, now, f"agent:{agent_id}", "console.signed_out", f"agent:{agent_id}")


async def end_all(session: AsyncSession, now: datetime, agent_id: int, actor: str) -> int:
    """Sign an agent out everywhere, as a new password or a lost laptop asks for; return how many sessions ended."""
    count = (await session.exec(select(func.count()).select_from(SignIn).where(SignIn.agent_id == agent_id))).one()
    await session.exec(delete(SignIn).where(col(SignIn.agent_id) == agent_id))
    record(session, now, actor, "console.sessions_ended", f"agent:{agent_id}", after={"sessions": count})
    return count
