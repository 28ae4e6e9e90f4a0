"""Rows by prepared statements: values go to the driver as it wants them.

SQLAlchemy makes and checks the parameters of every row by itself, which takes longer than SQLite takes to store it.
`add` and `execute` carry out one statement for many rows; `find` and its kin are for verbs whose few statements many
wait for.
"""

from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from functools import cache, lru_cache, partial
from itertools import repeat
from typing import Any, TypeVar

from sqlalchemy import JSON, Column, Connection, CursorResult, Dialect, Insert, Select, Update, UpdateBase, insert
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import Session, make_transient_to_detached
from sqlalchemy.orm.attributes import set_committed_value
from sqlalchemy.sql.dml import ReturningInsert
from sqlmodel import SQLModel
from sqlmodel.ext.asyncio.session import AsyncSession

T = TypeVar("T")
Processor = Callable[[Any], Any] | None
Statement = Select[Any] | UpdateBase


async def add(connection: AsyncConnection, table: type[SQLModel], rows: Sequence[dict[str, Any]]) -> None:
    """Insert `rows`, which all name the same columns, and every one that has a default: none is filled in."""
    if rows:
        if unnamed := _defaults(table) - rows[0].keys():
            raise KeyError(*unnamed)
        empty = {name for name in rows[0] if all(row[name] is None for row in rows)}
        # Python's driver spends on a None more than on the rest of a row; but a JSON column holds a null of its own.
        left_out = empty - {column.name for column in _json_columns(table)}
        names = [name for name in rows[0] if name not in left_out]
        await _execute(connection, _insertion(table), names, rows)


async def execute(connection: AsyncConnection, statement: Insert | Update, rows: Sequence[dict[str, Any]]) -> None:
    """Carry out `statement` for each of `rows`, its parameters by name. Keep the statement: it is compiled once."""
    if rows:
        await _execute(connection, statement, list(rows[0]), rows)


async def in_one_trip(session: AsyncSession, work: Callable[[Connection], T]) -> T:
    """Do `work`, which makes several statements one after the other, past the session.

    SQLite's driver goes to its thread and back once for all of them; elsewhere each is a trip of its own.
    """
    return await session.run_sync(_do_work, work)


def _do_work(session: Session, work: Callable[[Connection], T]) -> T:
    session.flush()
    connection = session.connection()
    driver: Any = connection.connection.dbapi_connection
    return driver.in_one_trip(partial(work, connection)) if hasattr(driver, "in_one_trip") else work(connection)


def find(connection: Connection, statement: Statement, **values: Any) -> tuple[Any, ...] | None:
    """The first row that `statement` brings. Keep the statement: it is compiled once."""
    return next(iter(find_all(connection, statement, **values)), None)


def find_all(connection: Connection, statement: Statement, **values: Any) -> list[tuple[Any, ...]]:
    """The rows that `statement` brings. Keep it, as above."""
    readers = _readers(statement, connection.dialect)
    return [
        tuple(process(value) if process else value for process, value in zip(readers, row, strict=True))
        for row in _run(connection, statement, values)
    ]


def carry_out(connection: Connection, statement: UpdateBase, **values: Any) -> int:
    """How many rows `statement` changed. Keep it, as above."""
    return _run(connection, statement, values).rowcount


def enter(connection: Connection, row: SQLModel) -> None:
    """Insert a row that no session has, and give it its id."""
    (number,) = find(connection, _entry(type(row)), **row.model_dump(exclude={"id"})) or (None,)
    set_committed_value(row, "id", number)


def know(session: AsyncSession, row: SQLModel) -> None:
    """A row that was entered belongs to the session from here on, as if it had stored it."""
    make_transient_to_detached(row)
    session.add(row)


def _run(connection: Connection, statement: Statement, values: dict[str, Any]) -> CursorResult[Any]:
    text, parameters = _prepared(statement, tuple(values), connection.dialect)
    given = ((process, values.get(name, own)) for name, process, own in parameters)
    return connection.exec_driver_sql(text, tuple(process(value) if process else value for process, value in given))


async def _execute(
    connection: AsyncConnection, statement: Insert | Update, names: list[str], rows: Sequence[dict[str, Any]]
) -> None:
    text, parameters = _prepared(statement, tuple(names), connection.dialect)
    columns = [_processed([row.get(name, own) for row in rows], process) for name, process, own in parameters]
    await connection.exec_driver_sql(text, list(zip(*columns, strict=True)))


@cache
def _defaults(table: type[SQLModel]) -> set[str]:
    return {column.name for column in table.__table__.columns if column.default is not None}  # type: ignore[attr-defined]


@cache
def _json_columns(table: type[SQLModel]) -> list[Column[Any]]:
    return [column for column in table.__table__.columns if isinstance(column.type, JSON)]  # type: ignore[attr-defined]


@cache
def _entry(table: type[SQLModel]) -> ReturningInsert[Any]:
    columns: Any = table.__table__.columns  # type: ignore[attr-defined]
    return insert(table).returning(columns.id)


@cache
def _insertion(table: type[SQLModel]) -> Insert:
    return insert(table).inline()


@lru_cache(maxsize=256)
def _prepared(
    statement: Statement, names: tuple[str, ...], dialect: Dialect
) -> tuple[str, list[tuple[str, Processor, Any]]]:
    """The statement in the driver's words, and in its order the parameters: what makes driver values, its own value."""
    compiled: Any = statement.compile(dialect=dialect, column_keys=list(names))
    binds = [(name, compiled.binds[name]) for name in compiled.positiontup]
    return compiled.string, [
        (name, bind.type.dialect_impl(dialect).bind_processor(dialect), bind.value) for name, bind in binds
    ]


@lru_cache(maxsize=256)
def _readers(statement: Statement, dialect: Dialect) -> list[Processor]:
    """What makes of each column of the driver's a value of ours."""
    columns: Any = statement.exported_columns
    return [column.type.dialect_impl(dialect).result_processor(dialect, None) for column in columns]


def _processed(values: list[Any], process: Processor) -> Iterable[Any]:
    first = values[0]
    if all(value is first for value in values):  # the instant of the sweep, the author
        plain = first.value if isinstance(first, Enum) else first  # the driver takes long over words of an enum
        return repeat(process(plain) if process else plain, len(values))
    if process is None:
        return values
    made: dict[int, Any] = {}  # an object that stands in many rows is written out once
    return [made[key] if (key := id(value)) in made else made.setdefault(key, process(value)) for value in values]
