"""SQLite's driver: a transaction goes to the connection's thread as seldom as may be, and a commit is on the disk."""

import sqlite3
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from threading import current_thread
from types import ModuleType
from typing import Any, TypeVar

import aiosqlite
from sqlalchemy import event
from sqlalchemy.dialects.sqlite.aiosqlite import (
    AsyncAdapt_aiosqlite_connection,
    AsyncAdapt_aiosqlite_cursor,
    AsyncAdapt_aiosqlite_dbapi,
)
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.util import await_only
from sqlalchemy.util.concurrency import in_greenlet

T = TypeVar("T")

CACHE = 32_000  # KiB a connection may keep; with SQLite's own 2,000 a sweep writes its pages out and reads them again
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
            connection.begin_with(cursor)
            getattr(cursor, way)(operation, parameters)
            self._rows = deque(cursor.fetchall() if cursor.description else ())
            self._cursor = Ran(cursor.description, cursor.rowcount, cursor.lastrowid)  # type: ignore[assignment]


class OneTripConnection(AsyncAdapt_aiosqlite_connection):
    """Opens a transaction in the trip of its first statement; one without a statement makes no trip at all.

    Of a brief transaction only what waits is done in the connection's thread, a writer's begin while another process
    writes and the commit: a trip there costs several times what a short statement does.
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

    def begin_with(self, cursor: Any) -> None:
        """Open the transaction if it is not open: one that could not be opened stays to be opened."""
        if self._opening is not None:
            cursor.execute(self._opening)
            self._opening = None

    def in_one_trip(self, work: Callable[[], T]) -> T:
        """Do `work` in the connection's thread; the statements that it makes there need no trip of their own."""
        driver: Any = self._connection
        if self.is_brief and not self._is_away and (self._opening != WRITE or self._begins_at_once()):
            self._has_gone = True
            if in_greenlet():
                await_only(_nothing())  # SQLAlchemy insists on having waited
            return work()
        return work() if current_thread() is driver._thread else await_only(self._go(driver, work))

    def _begins_at_once(self) -> bool:
        """Open a writer's transaction, unless it had to wait for another process."""
        with closing(self.driver_connection._conn.cursor()) as cursor:
            cursor.execute("PRAGMA busy_timeout=0")
            try:
                self.begin_with(cursor)
            except self.dbapi.OperationalError:
                return False
            finally:
                cursor.execute(f"PRAGMA busy_timeout={BUSY}")
        return True

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

    @property
    def is_here(self) -> bool:
        """Whether statements run where they are called: nothing has to be waited for until the transaction ends."""
        return self.is_brief and self._has_gone and self._opening is None and not self._is_away

    def run(self, operation: str, parameters: Sequence[Any]) -> tuple[list[tuple[Any, ...]], int]:
        """The rows that a statement brings, and how many it changed. Errors are the driver's own."""
        if self.is_here or current_thread() is self._connection._thread:
            return self._run_there(operation, parameters)
        return self.in_one_trip(lambda: self._run_there(operation, parameters))

    def _run_there(self, operation: str, parameters: Sequence[Any]) -> tuple[list[tuple[Any, ...]], int]:
        driver: Any = self.driver_connection
        cursor = driver._conn.cursor()
        self.begin_with(cursor)
        cursor.execute(operation, parameters)
        return (cursor.fetchall() if cursor.description else []), cursor.rowcount

    def cursor(self, server_side: bool = False) -> Any:
        if server_side and self._opening is not None:  # such a cursor goes its own way to the thread
            self._has_gone = True
            await_only(self._connection.execute(self._opening))
            self._opening = None
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


def prepare(engine: AsyncEngine, module: ModuleType) -> None:
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
