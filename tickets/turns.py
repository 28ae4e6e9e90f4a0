"""Taking turns: a lock on something that has no row of its own."""

from datetime import datetime

from sqlalchemy import bindparam, select
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from audit import rows
from audit.once import add_once
from tickets.tables import Heartbeat

_TURN = select(col(Heartbeat.name)).where(col(Heartbeat.name) == bindparam("turn")).with_for_update(key_share=True)


async def take_turn(session: AsyncSession, now: datetime, name: str) -> None:
    """Wait until nobody else does `name`; it is ours until the transaction ends. The last lock that one takes.

    SQLite has one writer and leaves the lock out.
    """
    if await _hold(session, name):
        return
    if not await add_once(session, Heartbeat(name=name, at=now)):  # another transaction wrote it, and has ended
        await _hold(session, name)


async def _hold(session: AsyncSession, name: str) -> bool:
    return await rows.in_one_trip(session, lambda connection: rows.find(connection, _TURN, turn=name)) is not None
