"""The database: SQLite by default, PostgreSQL to grow. The only module that knows which of the two it is.

`Database.writing()` is one transaction that commits when its block ends; `Database.reading()` never writes.
"""

import hashlib
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Any

import aiosqlite
from sqlalchemy import event, func, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, async_sessionmaker, create_async_engine
from sqlmodel.ext.asyncio.session import AsyncSession

from kadesk.errors import SettingsError
from kadesk.sqlite import SqliteDriver, prepare, sqlite_module
from kadesk.turns import Turns

RESTED = 1.0  # seconds after which a PostgreSQL connection is asked whether it lives, before it is used again
STATEMENTS = 500  # that a PostgreSQL connection keeps planned; SQLAlchemy's own 100 are fewer than we have


def _look_before_use(engine: AsyncEngine) -> None:
    """Replace a connection that died while it rested in the pool.

    The pool's own way costs three round trips each time. A connection that was in use a moment ago needs none: that
    the server closed it is known here.
    """

    @event.listens_for(engine.sync_engine, "checkin")
    def on_checkin(_connection: Any, record: Any) -> None:
        record.info["rested_at"] = time.monotonic()

    @event.listens_for(engine.sync_engine, "checkout")
    def on_checkout(connection: Any, record: Any, _proxy: Any) -> None:
        has_rested = time.monotonic() - record.info.get("rested_at", time.monotonic()) > RESTED
        try:
            if connection.driver_connection.is_closed():
                raise DisconnectionError
            if has_rested:
                engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error as error:
            raise DisconnectionError from error


def _lock_number(name: str) -> int:
    """The 64-bit number that PostgreSQL's advisory locks want."""
    return int.from_bytes(hashlib.sha256(f"kadesk {name}".encode()).digest()[:8], signed=True)


async def _require_whole(connection: AsyncConnection) -> None:
    broken = (await connection.exec_driver_sql("PRAGMA foreign_key_check")).first()
    if broken is not None:
        table, _row, parent, _key = tuple(broken)
        raise RuntimeError(f"A migration left a row of {table} without the row of {parent} that it names.")


class Database:
    """Sessions on one database."""

    def __init__(self, url: str, held: int = 0) -> None:
        """`held` elections keep a PostgreSQL connection each for as long as this process is the elected one."""
        parsed = make_url(url)
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        self.url = parsed
        if self.is_sqlite:
            module = sqlite_module()
            self._engine = create_async_engine(
                parsed.set(drivername="sqlite+aiosqlite"), module=SqliteDriver(aiosqlite, module), hide_parameters=True
            )
            prepare(self._engine, module)
        elif parsed.get_backend_name() == "postgresql":
            self._engine = create_async_engine(
                parsed.set(drivername="postgresql+asyncpg"),
                pool_size=10 + held,
                max_overflow=10,
                connect_args={"prepared_statement_cache_size": STATEMENTS},
                hide_parameters=True,
            )
            _look_before_use(self._engine)
        else:
            raise SettingsError(problem=f"data.url must name sqlite or postgresql, not {parsed.get_backend_name()}.")
        self._write, self._write_briefly = self._sessions(kadesk_writes=True)
        self._read, self._read_briefly = self._sessions()
        # SQLite has one writer; waiting here is fair and costs nothing, waiting in SQLite polls.
        self._turns = Turns() if self.is_sqlite else None

    @property
    def has_one_writer(self) -> bool:
        """Whether only one transaction can write at a time."""
        return self.is_sqlite

    @property
    def engine(self) -> AsyncEngine:
        return self._engine

    def _sessions(self, **options: bool) -> tuple[async_sessionmaker[AsyncSession], async_sessionmaker[AsyncSession]]:
        """For any transactions, and for brief ones."""
        engines = (self._engine.execution_options(**options, kadesk_is_brief=is_brief) for is_brief in (False, True))
        any_, brief = (async_sessionmaker(one, class_=AsyncSession, expire_on_commit=False) for one in engines)
        return any_, brief

    @asynccontextmanager
    async def writing(self, *, is_brief: bool = False, is_urgent: bool = False) -> AsyncIterator[AsyncSession]:
        """One transaction: committed when the block ends, rolled back when it raises.

        `is_brief` promises that each of its statements takes well under a millisecond: SQLite runs them at once. One
        that `is_urgent` is next where one writes at a time.
        """
        write = self._write_briefly if is_brief else self._write
        async with self._turn(is_urgent):
            session = write()
            try:
                yield session
                await session.commit()
            except BaseException:
                async with session:  # which is closed to the end, though the task may be cancelled
                    raise
            session.sync_session.close()  # of a connection there is nothing left to give back

    def _turn(self, is_urgent: bool = False) -> AbstractAsyncContextManager[None]:
        return nullcontext() if self._turns is None else self._turns.take(is_urgent)

    @asynccontextmanager
    async def reading(self, *, is_brief: bool = False) -> AsyncIterator[AsyncSession]:
        """A consistent view; nothing written in it survives. `is_brief` as above."""
        async with (self._read_briefly if is_brief else self._read)() as session:
            yield session

    @asynccontextmanager
    async def alone(self, name: str) -> AsyncIterator[AsyncConnection]:
        """One transaction that no other process of this install runs at the same time; the others wait.

        It may change tables: on SQLite references are checked at its end, not before.
        """
        engine = self._engine.execution_options(kadesk_writes=True, kadesk_moves_tables=True)
        async with self._turn(), engine.connect() as connection:
            async with connection.begin():
                if not self.is_sqlite:
                    await connection.execute(select(func.pg_advisory_xact_lock(_lock_number(name))))
                yield connection
                if self.is_sqlite:
                    await _require_whole(connection)
            await connection.invalidate()  # the next one checks references again

    @asynccontextmanager
    async def elected(self, name: str) -> AsyncIterator[bool]:
        """Whether this process is the one that does `name` now; the others get False and go on.

        On SQLite the lock on the data folder has elected this process already.
        """
        if self.is_sqlite:
            yield True
            return
        async with self._engine.connect() as connection:
            autocommit = await connection.execution_options(isolation_level="AUTOCOMMIT")
            number = _lock_number(name)
            is_held = bool((await autocommit.execute(select(func.pg_try_advisory_lock(number)))).scalar_one())
            try:
                yield is_held
            finally:
                if is_held:
                    await autocommit.execute(select(func.pg_advisory_unlock(number)))

    async def close(self) -> None:
        await self._engine.dispose()
