"""The database of a foreign shop: read in single statements, which are consistent by themselves, and hardly trusted.

A read-only user suffices. A statement that takes too long is ended there; a lost connection is tried once more.
"""

import asyncio
import logging
import re
import struct
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, OperationalError
from sqlalchemy.exc import TimeoutError as NoneFree
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.sql import Executable
from sqlalchemy.sql.expression import TableClause

from shop.errors import BadCredentials, BadShopOption, BadShopUrl, NothingGranted, SchemaMismatch, ShopDown

log = logging.getLogger(__name__)

DRIVERS = {"mysql": "aiomysql", "mariadb": "aiomysql", "postgresql": "asyncpg", "sqlite": "aiosqlite"}
# What a url may say behind its "?"; drivers take more, and some of it reads our files.
_OPTIONS = {
    "mysql": ("unix_socket", "charset"),
    "mariadb": ("unix_socket", "charset"),
    "postgresql": ("host", "port", "ssl", "sslmode"),
}
SECONDS = 5.0  # that an answer may take, connection and second try included
SHARE = 0.9  # of which a statement has this much: the server ends it before we have to leave
TRIES = 2
DEADLOCK, WRITE_TRIES = 1213, 3
CONNECTIONS = 4
# The servers' own numbers: of MySQL and MariaDB, then the states of PostgreSQL.
_UNKNOWN = {"1054", "1146", "42703", "42P01", "42883"}  # the last: a column of another type
_REFUSALS = {
    **dict.fromkeys(("1045", "28P01", "28000"), "the user or its password is wrong"),
    **dict.fromkeys(("1049", "3D000"), "it has no database of this name"),
}
_NOTHING_GRANTED = "1044"  # MySQL says so too when there is no such database
_WEATHER = re.compile("|None|2[0-9]{3}|08...|1040|1205|1213")  # lines that break, and servers that are busy
_DENIED = {"1142", "1143", "42501"}
_OF_SQLITE = ("no such column", "no such table")
_COLUMN = re.compile(r"for column '(?P<column>[^']*)' in table '(?P<table>[^']*)'")
_TABLE = re.compile(r"for table .*?(?P<table>\w+)\W*$")

_SERVER = "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = "
_COLUMNS = {
    "mysql": _SERVER + "DATABASE()",
    "mariadb": _SERVER + "DATABASE()",
    "postgresql": _SERVER + "ANY (current_schemas(false))",
    "sqlite": "SELECT m.name, c.name FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type <> 'index'",
}


async def change(connection: AsyncConnection, statement: Executable) -> int:
    """How many rows a single statement changed; none when the shop's own writing was in its way each time."""
    for _ in range(WRITE_TRIES):
        try:
            return (await connection.execute(statement)).rowcount
        except OperationalError as error:
            if getattr(error.orig, "args", ())[:1] != (DEADLOCK,):
                raise
    return 0


class ShopDatabase:
    """Reads of one shop, and writes where its owner switched them on."""

    def __init__(self, shop: str, url: str, *, seconds: float = SECONDS, may_write: bool = False) -> None:
        self.shop = shop
        self._seconds = seconds
        self._engine = _open(_read_url(shop, url), seconds, may_write)

    @property
    def dialect(self) -> str:
        """ "mysql", "mariadb", "postgresql" or "sqlite"."""
        return self._engine.dialect.name

    @property
    def engine(self) -> AsyncEngine:
        return self._engine

    async def rows(self, statement: Executable, **facts: Any) -> Sequence[Any]:
        """All rows of one statement. Raises `ShopDown` and its kinds."""
        try:
            async with asyncio.timeout(self._seconds):
                return await self._ask(statement, facts)
        except (
            DBAPIError,
            OSError,
            TimeoutError,
            NoneFree,
            struct.error,
            IndexError,
        ) as error:  # the last two: no MySQL
            raise self._translate(error) from None  # its words may hold what it was asked

    @asynccontextmanager
    async def held(self) -> AsyncIterator[AsyncConnection]:
        """One connection for statements that belong together, each of them by itself. Raises as `rows` does."""
        try:
            async with asyncio.timeout(self._seconds), self._engine.connect() as connection:
                yield connection
        except (DBAPIError, OSError, TimeoutError, NoneFree) as error:
            raise self._translate(error) from None

    async def _ask(self, statement: Executable, facts: Mapping[str, Any]) -> Sequence[Any]:
        for left in reversed(range(TRIES)):
            try:
                async with self._engine.connect() as connection:
                    return (await connection.execute(statement, facts)).all()
            except DBAPIError as error:
                if not (error.connection_invalidated and left):
                    raise
        raise ShopDown(shop=self.shop)

    def _translate(self, error: Exception) -> ShopDown:
        code, words = _read_error(error)
        if code in _UNKNOWN:
            return SchemaMismatch(shop=self.shop, problem=words)
        if code == _NOTHING_GRANTED:
            return NothingGranted(shop=self.shop)
        if code in _REFUSALS:
            return BadCredentials(shop=self.shop, problem=_REFUSALS[code])
        if code in _DENIED:
            found = _COLUMN.search(words) or _TABLE.search(words)
            name = ".".join(found[part] for part in ("table", "column") if part in found.groupdict()) if found else "it"
            return BadCredentials(shop=self.shop, problem=f"this user may not read {name}")
        if isinstance(error, DBAPIError) and not _WEATHER.fullmatch(code):  # its words may hold what it was asked
            log.warning("the database of the shop %s answers with its error %s", self.shop, code)
        return ShopDown(shop=self.shop)

    async def columns(self) -> Mapping[str, frozenset[str]]:
        """What its tables have, each with its columns, as this user sees them: one statement."""
        found: dict[str, set[str]] = {}
        for row in await self.rows(text(_COLUMNS[self.dialect])):
            found.setdefault(row[0], set()).add(row[1])
        return {name: frozenset(columns) for name, columns in found.items()}

    def grant(self, table: TableClause, verb: str = "SELECT") -> str:
        """What the owner of the database runs there, so that this user may read these columns and no others.

        Or change them, where `verb` is "UPDATE".
        """
        url, quote = self._engine.url, '"' if self.dialect == "postgresql" else "`"
        columns = ", ".join(f"{quote}{column.name}{quote}" for column in table.columns)
        name = f"{quote}{table.name}{quote}"
        if self.dialect == "postgresql":
            return f'GRANT {verb} ({columns}) ON {name} TO "{url.username}";'
        return f"GRANT {verb} ({columns}) ON `{url.database}`.{name} TO '{url.username}'@'%';"

    async def close(self) -> None:
        await self._engine.dispose()


def _read_error(error: Exception) -> tuple[str, str]:
    """The server's number of it, and its first line."""
    problem = getattr(error, "orig", error)
    words = str(problem).partition("\n")[0]
    if any(sign in words for sign in _OF_SQLITE):
        return "42703", words
    number = problem.args[0] if problem.args else ""
    if isinstance(number, int):
        return str(number), str(problem.args[-1]).partition("\n")[0]
    return str(getattr(problem, "sqlstate", "")), re.sub("^<class '[^']*'>: ", "", words)


def _read_url(shop: str, url: str) -> URL:
    try:
        parsed = make_url(url)
        backend = parsed.get_backend_name()
    except (ArgumentError, NoSuchModuleError, ValueError):
        raise BadShopUrl(shop=shop) from None
    if backend not in DRIVERS:
        raise BadShopUrl(shop=shop)
    known = _OPTIONS.get(backend, parsed.query)
    if unknown := [option for option in parsed.query if option not in known]:
        raise BadShopOption(shop=shop, option=unknown[0], known=", ".join(known))
    if "sslmode" in parsed.query:  # as others than our driver call it
        parsed = parsed.difference_update_query(["sslmode"]).update_query_dict({"ssl": parsed.query["sslmode"]})
    return parsed.set(drivername=f"{backend}+{DRIVERS[backend]}")


def _open(url: URL, seconds: float, may_write: bool) -> AsyncEngine:
    backend = url.get_backend_name()
    options: dict[str, Any] = {"isolation_level": "AUTOCOMMIT", "hide_parameters": True}
    if backend == "postgresql":
        limits = {
            "default_transaction_read_only": "off" if may_write else "on",
            "statement_timeout": str(round(SHARE * seconds * 1_000)),
        }
        options["connect_args"] = {"timeout": seconds, "server_settings": limits}
    elif backend != "sqlite":
        options["connect_args"] = {"connect_timeout": seconds, "charset": "utf8mb4"}
    if backend != "sqlite":
        options |= {"pool_size": CONNECTIONS, "pool_recycle": 300, "pool_timeout": seconds}
    engine = create_async_engine(url, **options)
    if backend == "sqlite":
        _limit(
            engine,
            f"PRAGMA query_only = {'OFF' if may_write else 'ON'}",
            f"PRAGMA busy_timeout = {round(seconds * 1_000)}",
        )
    elif backend != "postgresql":
        _limit(
            engine,
            f"SET SESSION TRANSACTION READ {'WRITE' if may_write else 'ONLY'}",
            _statement_limit(SHARE * seconds),
        )
    return engine


def _statement_limit(seconds: float) -> str:
    """MariaDB and MySQL have different names for it, in seconds and in milliseconds, and each reads its own comment."""
    mariadb, mysql = f"max_statement_time = {seconds}", f"max_execution_time = {round(seconds * 1_000)}"
    return f"SET SESSION /*M! {mariadb}, */ /*!50704 {mysql}, */ net_read_timeout = {round(2 * seconds) or 1}"


def _limit(engine: AsyncEngine, *statements: str) -> None:
    @event.listens_for(engine.sync_engine, "connect")
    def on_connect(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        for statement in statements:
            cursor.execute(statement)
        cursor.close()
