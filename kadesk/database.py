"""The database: SQLite by default, PostgreSQL to grow. The only module that knows which of the two it is.

`Database.writing()` is one transaction that commits when its block ends; `Database.reading()` never writes.
"""

import asyncio
import hashlib
import sqlite3
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing, nullcontext
from dataclasses import dataclass
from threading import current_thread
from types import ModuleType
from typing import Any, TypeVar

import aiosqlite
from sqlalchemy import event, func, select
from sqlalchemy.dialects.sqlite.aiosqlite import (
    AsyncAdapt_aiosqlite_connection,
    AsyncAdapt_aiosqlite_cursor,
    AsyncAdapt_aiosqlite_dbapi,
)
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, async_sessionmaker, create_async_engine
from sqlalchemy.util import await_only
from sqlmodel.ext.asyncio.session import AsyncSession

from kadesk.errors import SettingsError

T = TypeVar("T")

CACHE = 32_000  # KiB a connection may keep; with SQLite's own 2,000 a sweep writes its pages out and reads them again
RESTED = 1.0  # seconds after which a PostgreSQL connection is asked whether it lives, before it is used again
STATEMENTS = 500  # that a PostgreSQL connection keeps planned; SQLAlchemy's own 100 are fewer than we have
WRITE = "BEGIN IMMEDIATE"
BUSY = 30_000  # milliseconds that another process may hold the write lock


def sqlite_module() -> ModuleType:
    """The SQLite driver to use: the wheel with a current SQLite where there is one, else Python's own."""
    try:
        from pysqlite3 import dbapi2
    except ImportError:
        return sqlite3
    return dbapi2  # type: ignore[no-any-return]  # pysqlite3 ships no types


def has_sound_wal(version: tuple[int, ...]) -> bool:
    """Whether this SQLite is free of the WAL-reset bug, which can lose a commit.

    It is in 3.7.0 to 3.51.2, and fixed in 3.51.3 and the backports 3.44.6 and 3.50.7 (sqlite.org/wal.html).
    """
    version = (*version, 0, 0)[:3]
    return version >= (3, 51, 3) or (3, 50, 7) <= version < (3, 51) or (3, 44, 6) <= version < (3, 45)


@dataclass(slots=True)
class Ran:
    """What is known of a statement that was run to its end."""

    description: Any = None
    rowcount: int = -1
    lastrowid: int | None = None

    def close(self) -> None:
        """It is over already."""


class OneTripCursor(AsyncAdapt_aiosqlite_cursor):
    """Runs a statement to its end in one trip to the connection's thread; SQLAlchemy's own makes four."""

    __slots__ = ()
    _awaitable_cursor_close = False

    def _make_new_cursor(self, connection: Any) -> Any:
        return Ran()

    def _aenter_cursor(self, cursor: Any) -> Any:
        return cursor

    def execute(self, operation: Any, parameters: Any = None) -> Any:
        self._run("execute", operation, parameters or ())

    def executemany(self, operation: Any, seq_of_parameters: Any) -> Any:
        self._run("executemany", operation, seq_of_parameters)

    def _run(self, way: str, operation: Any, parameters: Any) -> None:
        connection: Any = self._adapt_connection  # a OneTripConnection
        try:
            connection.in_one_trip(lambda: self._run_there(connection, way, operation, parameters))
        except Exception as error:
            connection._handle_exception(error)

    def _run_there(self, connection: Any, way: str, operation: Any, parameters: Any) -> None:
        with closing(connection.driver_connection._conn.cursor()) as cursor:
            if (opening := connection.pop_opening()) is not None:
                cursor.execute(opening)
            getattr(cursor, way)(operation, parameters)
            self._rows = deque(cursor.fetchall() if cursor.description else ())
            self._cursor = Ran(cursor.description, cursor.rowcount, cursor.lastrowid)  # type: ignore[assignment]


class OneTripConnection(AsyncAdapt_aiosqlite_connection):
    """Opens a transaction in the trip of its first statement; one without a statement makes no trip at all.

    Of a brief transaction only a writer's begin and commit, which wait for others and for the disk, are done in the
    connection's thread: a trip there costs several times what a short statement does.
    """

    __slots__ = ("_has_gone", "_is_away", "_opening", "is_brief")
    _cursor_cls = OneTripCursor

    def __init__(self, dbapi: Any, connection: Any) -> None:
        super().__init__(dbapi, connection)
        self._opening: str | None = None
        self._has_gone = False  # to its thread, since the last transaction ended
        self._is_away = False  # work may be under way there: a trip did not come back, since its task was cancelled
        self.is_brief = False

    def open_with(self, statement: str) -> None:
        """Run this BEGIN before the next statement."""
        self._opening = statement

    def pop_opening(self) -> str | None:
        opening, self._opening = self._opening, None
        return opening

    def in_one_trip(self, work: Callable[[], T]) -> T:
        """Do `work` in the connection's thread; the statements that it makes there need no trip of their own."""
        driver: Any = self._connection
        if self.is_brief and self._opening != WRITE and not self._is_away:
            self._has_gone = True
            await_only(_nothing())  # SQLAlchemy insists on having waited
            return work()
        return work() if current_thread() is driver._thread else await_only(self._go(driver, work))

    async def _go(self, driver: Any, work: Callable[[], T]) -> T:
        async with self._execute_mutex:
            self._has_gone = self._is_away = True
            try:
                done = await driver._execute(work)
            except Exception:  # of the work itself: it has come back
                self._is_away = False
                raise
            self._is_away = False
            return done  # type: ignore[no-any-return]

    def cursor(self, server_side: bool = False) -> Any:
        if server_side and (opening := self.pop_opening()):  # such a cursor goes its own way to the thread
            self._has_gone = True
            await_only(self._connection.execute(opening))
        return super().cursor(server_side)

    def commit(self) -> None:
        if self._has_gone:
            self._end_with("commit")
        self._end()

    def rollback(self) -> None:
        """No trip where none was made: the pool asks for it every time.

        Whether a transaction is open cannot be asked instead: work of a cancelled task may be about to open one.
        """
        if self._has_gone:
            self._end_with("rollback", is_here=self.is_brief and not self._is_away)
        self._end()

    def _end_with(self, way: str, *, is_here: bool = False) -> None:
        driver: Any = self._connection
        end = getattr(driver._conn, way)
        try:
            end() if is_here else await_only(self._go(driver, end))
        except Exception as error:
            self._handle_exception(error)

    def _end(self) -> None:
        self._opening, self._has_gone = None, False


async def _nothing() -> None:
    """Over at once."""


class SqliteDriver(AsyncAdapt_aiosqlite_dbapi):
    """aiosqlite over a chosen sqlite3 module; SQLAlchemy's own adapter always takes Python's."""

    def _init_dbapi_attributes(self) -> None:
        for name in dir(self.sqlite):
            if name.endswith("Error") or name.startswith(("sqlite_version", "PARSE_")) or name == "Binary":
                setattr(self, name, getattr(self.sqlite, name))

    def connect(self, *arguments: Any, **options: Any) -> AsyncAdapt_aiosqlite_connection:
        options.pop("async_creator_fn", None)
        connection = aiosqlite.Connection(lambda: self.sqlite.connect(*arguments, **options), 64)
        connection._thread.daemon = True  # a forgotten connection must not keep the process alive
        try:
            return OneTripConnection(self, await_only(connection))
        except self.sqlite.Error:
            connection._thread.join()  # it answers into the event loop once more, which may be closed the next moment
            raise


def _prepare_sqlite(engine: AsyncEngine, module: ModuleType) -> None:
    journal = "WAL" if has_sound_wal(module.sqlite_version_info) else "DELETE"

    @event.listens_for(engine.sync_engine, "connect")
    def on_connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves
        cursor = connection.cursor()
        # A rollback journal commits by being deleted: EXTRA syncs its folder too, else a power cut brings it back.
        synchronous = "FULL" if journal == "WAL" else "EXTRA"
        own = (f"synchronous={synchronous}", "foreign_keys=ON", f"busy_timeout={BUSY}", f"cache_size=-{CACHE}")
        for pragma in (f"journal_mode={journal}", *own):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def on_begin(connection: Any) -> None:
        # A transaction that reads first and writes later is refused when another wrote between; so writers say so.
        options = connection.get_execution_options()
        is_writing = options.get("kadesk_writes", False)
        if options.get("kadesk_moves_tables", False):
            # A column is changed by copying its table and dropping the old one, which other tables still name.
            connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
        driver = connection.connection.dbapi_connection
        # Without WAL a reader may have to wait for a writer, whom the event loop then could not let go on.
        driver.is_brief = journal == "WAL" and options.get("kadesk_is_brief", False)
        driver.open_with(WRITE if is_writing else "BEGIN")


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
            _prepare_sqlite(self._engine, module)
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
        self._turn: Any = asyncio.Lock() if self.is_sqlite else nullcontext()

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
    async def writing(self, *, is_brief: bool = False) -> AsyncIterator[AsyncSession]:
        """One transaction: committed when the block ends, rolled back when it raises.

        `is_brief` promises that each of its statements takes well under a millisecond: SQLite runs them at once.
        """
        async with self._turn, (self._write_briefly if is_brief else self._write)() as session, session.begin():
            yield session

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
        async with self._turn, engine.connect() as connection:
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
