"""The database of a foreign shop: read in single statements, which are consistent by themselves, and hardly trusted.

A read-only user suffices. A statement that takes too long is ended there; a lost connection is tried once more.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.sql import Executable

from shop.errors import BadShopUrl, SchemaMismatch, ShopDown

DRIVERS = {"mysql": "aiomysql", "mariadb": "aiomysql", "postgresql": "asyncpg", "sqlite": "aiosqlite"}
SECONDS = 5.0  # that a statement may take, and that a connection may need
TRIES = 2
CONNECTIONS = 4
# What says that a table or a column is not what the adapter knows, by the servers' own numbers.
_UNKNOWN = ("1054", "1146", "42703", "42P01", "no such column", "no such table", "UndefinedColumn", "UndefinedTable")

_SERVER = "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = "
_COLUMNS = {
    "mysql": _SERVER + "DATABASE()",
    "mariadb": _SERVER + "DATABASE()",
    "postgresql": _SERVER + "ANY (current_schemas(false))",
    "sqlite": "SELECT m.name, c.name FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type <> 'index'",
}


class ShopDatabase:
    """Reads of one shop."""

    def __init__(self, shop: str, url: str, *, seconds: float = SECONDS) -> None:
        self.shop = shop
        self._seconds = seconds
        self._engine = _open(_read_url(shop, url), seconds)

    @property
    def dialect(self) -> str:
        """ "mysql", "mariadb", "postgresql" or "sqlite"."""
        return self._engine.dialect.name

    @property
    def engine(self) -> AsyncEngine:
        return self._engine

    async def rows(self, statement: Executable, **facts: Any) -> Sequence[Any]:
        """All rows of one statement. Raises `ShopDown`, `SchemaMismatch`."""
        for left in reversed(range(TRIES)):
            try:
                async with self._engine.connect() as connection:
                    return (await connection.execute(statement, facts)).all()
            except (DBAPIError, OSError, TimeoutError) as error:
                is_lost = isinstance(error, DBAPIError) and error.connection_invalidated
                if not (is_lost and left):
                    raise self._translate(error) from None  # its words may hold what it was asked
        raise ShopDown(shop=self.shop)

    def _translate(self, error: Exception) -> ShopDown | SchemaMismatch:
        problem = str(getattr(error, "orig", error))
        kind = f"{type(getattr(error, 'orig', error)).__name__} {problem}"
        if any(sign in kind for sign in _UNKNOWN):
            return SchemaMismatch(shop=self.shop, problem=problem.splitlines()[0])
        return ShopDown(shop=self.shop)

    async def columns(self) -> Mapping[str, frozenset[str]]:
        """What its tables have, each with its columns, as this user sees them: one statement."""
        found: dict[str, set[str]] = {}
        for row in await self.rows(text(_COLUMNS[self.dialect])):
            found.setdefault(row[0], set()).add(row[1])
        return {name: frozenset(columns) for name, columns in found.items()}

    async def close(self) -> None:
        await self._engine.dispose()


def _read_url(shop: str, url: str) -> URL:
    try:
        parsed = make_url(url)
        backend = parsed.get_backend_name()
    except (ArgumentError, NoSuchModuleError, ValueError):
        raise BadShopUrl(shop=shop) from None
    if backend not in DRIVERS:
        raise BadShopUrl(shop=shop)
    return parsed.set(drivername=f"{backend}+{DRIVERS[backend]}")


def _open(url: URL, seconds: float) -> AsyncEngine:
    backend = url.get_backend_name()
    options: dict[str, Any] = {"isolation_level": "AUTOCOMMIT", "hide_parameters": True}
    if backend == "postgresql":
        limits = {"default_transaction_read_only": "on", "statement_timeout": str(round(seconds * 1_000))}
        options["connect_args"] = {"timeout": seconds, "server_settings": limits}
    elif backend != "sqlite":
        options["connect_args"] = {"connect_timeout": seconds, "charset": "utf8mb4"}
    if backend != "sqlite":
        options |= {"pool_size": CONNECTIONS, "pool_recycle": 300, "pool_timeout": seconds}
    engine = create_async_engine(url, **options)
    if backend == "sqlite":
        _limit(engine, "PRAGMA query_only = ON", f"PRAGMA busy_timeout = {round(seconds * 1_000)}")
    elif backend != "postgresql":
        _limit(engine, "SET SESSION TRANSACTION READ ONLY", _statement_limit(seconds))
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
