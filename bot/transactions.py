"""The database as the workers of this room need it; `kadesk.database.Database` is one."""

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from sqlmodel.ext.asyncio.session import AsyncSession


class Transactions(Protocol):
    @property
    def has_one_writer(self) -> bool:
        """Whether only one transaction can write at a time."""

    def writing(self, *, is_brief: bool = False, is_urgent: bool = False) -> AbstractAsyncContextManager[AsyncSession]:
        """One transaction: committed when the block ends, rolled back when it raises.

        `is_brief`: each of its statements takes well under a millisecond. `is_urgent`: somebody is kept waiting.
        """

    def reading(self, *, is_brief: bool = False) -> AbstractAsyncContextManager[AsyncSession]:
        """A view in which nothing is written."""

    def elected(self, name: str) -> AbstractAsyncContextManager[bool]:
        """Whether this process is the one that does `name` now."""
