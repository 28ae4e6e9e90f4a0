"""SQLite in memory, asked in the caller's own thread: for a test of very many transactions.

aiosqlite's thread costs as much as the transactions. What such a test cannot show is what outlives a process, or meets
another one: others do.
"""

from asyncio import Future
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from threading import Thread, current_thread
from typing import Any, TypeVar

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel.ext.asyncio.session import AsyncSession

from kadesk.database import STATEMENTS, Database
from kadesk.sqlite import OneTripConnection, sqlite_module

T = TypeVar("T")


class Here:
    """What SQLAlchemy and our own connection ask of aiosqlite's, done on the spot."""

    def __init__(self, connection: Any) -> None:
        self._conn = self._connection = connection
        self._thread: Thread | None = None
        self._tx = self

    async def _execute(self, work: Callable[[], T]) -> T:
        self._thread = current_thread()
        try:
            return work()
        finally:
            self._thread = None

    def put_nowait(self, asked: tuple[Future[T], Callable[[], T]]) -> None:
        future, work = asked
        future.set_result(work())

    def __getattr__(self, name: str) -> Callable[..., Any]:
        async def act(*arguments: Any, **options: Any) -> Any:
            return getattr(self._conn, name)(*arguments, **options)

        return act


class DatabaseHere(Database):
    """Sessions that write on one connection, kept at hand: taking one from the pool, and ending a session in a task of
    its own, which protects it where tasks are cancelled, cost as much as a short verb.
    """

    _held: AsyncConnection | None = None

    @asynccontextmanager
    async def writing(self, *, is_brief: bool = False, is_urgent: bool = False) -> AsyncIterator[AsyncSession]:
        if self._held is None:
            self._held = await self._write.kw["bind"].connect()
        session = AsyncSession(self._held, expire_on_commit=False)
        try:
            async with session.begin():
                yield session
        finally:
            await session.close()

    async def close(self) -> None:
        if self._held is not None:
            await self._held.close()
        await super().close()


def database_in_memory() -> Database:
    database = DatabaseHere("sqlite:///:memory:")

    @event.listens_for(database.engine.sync_engine, "do_connect")
    def connect(dialect: Any, _record: Any, _arguments: Any, _options: Any) -> OneTripConnection:
        return OneTripConnection(dialect.dbapi, Here(sqlite_module().connect(":memory:", cached_statements=STATEMENTS)))

    return database


async def fill(database: Database, source: Path | Database) -> None:
    """Put a copy of a file, or of another such database, in the place of what `database` holds."""
    if isinstance(source, Path):
        file = sqlite_module().connect(source)
        file.backup(await _driver(database))
        file.close()
    else:
        (await _driver(source)).backup(await _driver(database))


async def _driver(database: Database) -> Any:
    async with database.engine.connect() as connection:
        raw: Any = await connection.get_raw_connection()
        return raw.driver_connection._conn
