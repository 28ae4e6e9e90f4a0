"""Lets go of what was said to staff long ago, and of the buttons under it."""

from datetime import datetime

from sqlalchemy import delete
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from bot.staff.tables import PostState, StaffButton, StaffPost


async def forget(session: AsyncSession, before: datetime) -> None:
    """Posts that left the queue, and used buttons; the others go with their ticket. `before`: days ago, see `news`."""
    old = (col(StaffPost.created_at) < before, col(StaffPost.state) != PostState.QUEUED)
    await session.exec(delete(StaffPost).where(*old))
    await session.exec(delete(StaffButton).where(col(StaffButton.pressed_at) < before))
