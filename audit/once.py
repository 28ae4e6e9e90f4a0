"""Rows of which there may be one: of several who add it, one does."""

from sqlalchemy.exc import IntegrityError
from sqlmodel import SQLModel
from sqlmodel.ext.asyncio.session import AsyncSession


async def add_once(session: AsyncSession, row: SQLModel) -> bool:
    """Store `row`; False where it may not stand beside another: the transaction goes on without it."""
    try:
        async with session.begin_nested():
            session.add(row)
    except IntegrityError:
        return False
    return True
