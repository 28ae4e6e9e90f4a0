"""Which Telegram user is which staff account: proved by a one-time code from the console, by number alone.

User names change hands; the number does not. Each effect asks `find_linked` again: an account that was switched off, or
unlinked, has no hands in Telegram from that moment.
"""

import secrets
from datetime import datetime, timedelta

from sqlalchemy import delete
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from audit.trail import record
from shop.vault import Vault
from tickets.errors import LinkCodeWrong, LinkedElsewhere, NotAllowed
from tickets.link_tables import LinkCode, StaffLink
from tickets.staff import get_agent
from tickets.tables import Agent, Role

GOOD_FOR = timedelta(minutes=10)
LETTERS = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"  # none that is taken for another
LENGTH = 10  # 49 bits: nobody guesses one in ten minutes


async def offer_code(session: AsyncSession, now: datetime, vault: Vault, agent_id: int) -> str:
    """A code that links one Telegram user to this account within `GOOD_FOR`; an earlier one is void. Shown once."""
    await get_agent(session, agent_id)
    await session.exec(delete(LinkCode).where(col(LinkCode.agent_id) == agent_id))
    code = "".join(secrets.choice(LETTERS) for _ in range(LENGTH))
    session.add(LinkCode(code_hash=_hash(vault, code), agent_id=agent_id, expires_at=now + GOOD_FOR))
    record(session, now, f"agent:{agent_id}", "agent.link_offered", f"agent:{agent_id}")
    return code


async def use_code(session: AsyncSession, now: datetime, vault: Vault, code: str, user_id: int) -> Agent:
    """This Telegram user is the agent who was shown the code. Raises `LinkCodeWrong`, `LinkedElsewhere`."""
    row = await session.get(LinkCode, _hash(vault, code.strip().upper()))
    if row is None or row.expires_at <= now:
        raise LinkCodeWrong()
    agent_id = row.agent_id
    # Of two who send the same code one finds it there.
    used = await session.exec(delete(LinkCode).where(col(LinkCode.code_hash) == row.code_hash))
    agent = await session.get(Agent, agent_id)
    if used.rowcount != 1 or agent is None or not agent.is_active:
        raise LinkCodeWrong()
    other = (await session.exec(select(StaffLink).where(StaffLink.user_id == user_id))).first()
    if other is not None and other.agent_id != agent_id:
        raise LinkedElsewhere()
    await session.exec(delete(StaffLink).where(col(StaffLink.agent_id) == agent_id))
    session.add(StaffLink(agent_id=agent_id, user_id=user_id, linked_at=now))
    record(session, now, f"agent:{agent_id}", "agent.linked", f"agent:{agent_id}", after={"telegram": user_id})
    return agent


async def unlink(session: AsyncSession, now: datetime, agent_id: int, by_id: int) -> bool:
    """Take the Telegram user away from an account: its owner may, and an admin; False when it had none."""
    by = await get_agent(session, by_id)
    if by_id != agent_id and Role(by.role) != Role.ADMIN:
        raise NotAllowed(role=by.role, verb="unlink a colleague")
    gone = await session.exec(delete(StaffLink).where(col(StaffLink.agent_id) == agent_id))
    if gone.rowcount:
        record(session, now, f"agent:{by_id}", "agent.unlinked", f"agent:{agent_id}")
    return bool(gone.rowcount)


async def find_linked(session: AsyncSession, user_id: int) -> Agent | None:
    """The active account of this Telegram user, as it is at this moment."""
    mine = select(Agent).join(StaffLink, col(StaffLink.agent_id) == col(Agent.id)).where(StaffLink.user_id == user_id)
    return (await session.exec(mine.where(col(Agent.is_active).is_(True)))).first()


async def links(session: AsyncSession) -> dict[int, StaffLink]:
    """The links by account."""
    found = await session.exec(select(StaffLink).order_by(col(StaffLink.agent_id)))
    return {link.agent_id: link for link in found.all()}


def _hash(vault: Vault, code: str) -> str:
    return vault.keyed_hash("staff link", code)
