"""Taking turns: a lock on something that has no row of its own."""

from datetime import datetime

from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from tickets.tables import Heartbeat


async def take_turn(session: AsyncSession, now: datetime, name: str) -> None:
    """Wait until nobody else does `name`; it is ours until the transaction ends. The last lock that one takes.

    SQLite has one writer and leaves the lock out.
    """
    row = select(Heartbeat).where(col(Heartbeat.name) == name).with_for_update(key_share=True)
    if (await session.exec(row)).first() is not None:
        return
    try:
        async with session.begin_nested():
            session.add(Heartbeat(name=name, at=now))
    except IntegrityError:  # another transaction wrote it, and has ended
        (await session.exec(row)).one()
