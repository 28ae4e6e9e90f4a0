"""The database as the workers of this room need it; `kadesk.database.Database` is one."""

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from sqlmodel.ext.asyncio.session import AsyncSession


class Transactions(Protocol):
    def writing(self) -> AbstractAsyncContextManager[AsyncSession]:
        """One transaction: committed when the block ends, rolled back when it raises."""

    def reading(self) -> AbstractAsyncContextManager[AsyncSession]:
        """A view in which nothing is written."""

    def elected(self, name: str) -> AbstractAsyncContextManager[bool]:
        """Whether this process is the one that does `name` now."""
