"""Rows by prepared statements: values go to the driver as it wants them.

SQLAlchemy makes and checks the parameters of every row by itself, which takes longer than SQLite takes to store it.
`add` and `execute` carry out one statement for many rows; `find` and its kin are for verbs whose few statements many
wait for.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import Enum
from functools import cache, lru_cache, partial
from itertools import repeat
from typing import Any, TypeVar

from sqlalchemy import (
    JSON,
    Column,
    Connection,
    Dialect,
    Insert,
    Select,
    Update,
    UpdateBase,
    bindparam,
    event,
    insert,
    inspect,
    select,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import Session, SessionTransaction, class_mapper, make_transient_to_detached
from sqlalchemy.orm.attributes import instance_dict, set_committed_value
from sqlalchemy.orm.util import identity_key
from sqlalchemy.sql.dml import ReturningInsert
from sqlmodel import SQLModel
from sqlmodel.ext.asyncio.session import AsyncSession

T = TypeVar("T")
Processor = Callable[[Any], Any] | None
Row = TypeVar("Row", bound=SQLModel)
Statement = Select[Any] | UpdateBase
Parameter = tuple[str, Processor, Any]  # of a statement: what makes a driver's value of ours, its own value


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
    here = session.sync_session.info.get(HERE)
    # A session sends the SAVEPOINT of a nested transaction only when it is asked for its connection.
    is_nested = session.sync_session.in_nested_transaction()
    if here is None or here.closed or not here.in_transaction() or is_nested:
        return await session.run_sync(_do_work, work)
    session.sync_session.flush()
    return work(here)


HERE = "connection"  # of a session all of whose statements run where they are called: none has to wait for a thread


def _do_work(session: Session, work: Callable[[Connection], T]) -> T:
    session.flush()
    connection = session.connection()
    driver: Any = connection.connection.dbapi_connection
    if not hasattr(driver, "in_one_trip"):
        return work(connection)
    done: T = driver.in_one_trip(partial(work, connection))
    if driver.is_here:
        session.info[HERE] = connection
    return done


def find(connection: Connection, statement: Statement, **values: Any) -> tuple[Any, ...] | None:
    """The first row that `statement` brings. Keep the statement: it is compiled once."""
    return next(iter(find_all(connection, statement, **values)), None)


def find_all(connection: Connection, statement: Statement, **values: Any) -> list[tuple[Any, ...]]:
    """The rows that `statement` brings. Keep it, as above."""
    readers = _readers(statement, connection.dialect)
    found, _ = _run(connection, statement, values)
    return [
        tuple([process(value) if process else value for process, value in zip(readers, row, strict=True)])
        for row in found
    ]


def carry_out(connection: Connection, statement: UpdateBase, **values: Any) -> int:
    """How many rows `statement` changed. Keep it, as above."""
    return _run(connection, statement, values)[1]


def made(table: type[Row], **values: Any) -> Row:
    """A row of these values and, for columns not named, their defaults: sparing the checks of a model on our words."""
    return _made(table, {name: make() for name, make in _own_values(table) if name not in values} | values)


def enter(connection: Connection, row: SQLModel) -> None:
    """Insert a row that no session has, and give it its id."""
    values = instance_dict(row)
    (number,) = find(connection, _entry(type(row)), **{name: values[name] for name in _names(type(row))}) or (None,)
    set_committed_value(row, "id", number)


def know(session: AsyncSession, row: SQLModel) -> None:
    """A row that was entered belongs to the session from here on, as if it had stored it."""
    _take_in(session, row)
    if (within := session.sync_session.get_nested_transaction()) is not None:
        _forget_with(session.sync_session, within, row)


def _take_in(session: AsyncSession, row: SQLModel) -> None:
    make_transient_to_detached(row)
    session.add(row)


def _forget_with(session: Session, within: SessionTransaction, row: SQLModel) -> None:
    """A savepoint that is undone takes the row with it; the session forgets only what it stored itself."""
    savepoints = [within]
    while (parent := savepoints[-1].parent) is not None and parent.nested:
        savepoints.append(parent)

    def forget(session: Session, undone: SessionTransaction) -> None:
        if undone in savepoints and row in session:
            session.expunge(row)

    event.listen(session, "after_soft_rollback", forget)


async def load(
    session: AsyncSession, statement: Select[Any], *tables: type[SQLModel], **values: Any
) -> tuple[Any, ...] | None:
    """A row of each of `tables`, as the session loads them, of the first that `statement` brings.

    It selects all columns of these tables, in their order. One whose key is null is None.
    """
    found = await in_one_trip(session, lambda connection: find(connection, statement, **values))
    if found is None:
        return None
    loaded, start = [], 0
    for table in tables:
        columns = _columns(table)
        loaded.append(_known(session, table, found[start : start + len(columns)]))
        start += len(columns)
    return tuple(loaded)


async def get(session: AsyncSession, table: type[Row], number: int) -> Row | None:
    """The row of this primary key: the session's own where it has it."""
    present: Row | None = session.sync_session.identity_map.get(identity_key(table, number))
    if present is not None and not inspect(present).expired_attributes:
        return present
    found = await load(session, _by_key(table), table, number=number)
    return found[0] if found else None


def _known(session: AsyncSession, table: type[Row], values: Sequence[Any]) -> Row | None:
    names = [column.name for column in _columns(table)]
    facts = dict(zip(names, values, strict=True))
    number = facts[_key(table).name]
    if number is None:
        return None
    present: Row | None = session.sync_session.identity_map.get(identity_key(table, number))
    if present is not None:
        for name in inspect(present).expired_attributes:
            set_committed_value(present, name, facts[name])
        return present
    row = _made(table, facts)
    _take_in(session, row)
    return row


def _made(table: type[Row], values: dict[str, Any]) -> Row:
    row: Row = class_mapper(table).class_manager.new_instance()  # nobody may have asked for this table yet
    instance_dict(row).update(values)
    return row


def _run(connection: Connection, statement: Statement, values: dict[str, Any]) -> tuple[Sequence[Any], int]:
    """What `statement` brings, and how many rows it changed."""
    text, parameters = _prepared(statement, tuple(values), connection.dialect)
    given = tuple([process(value) if process else value for value, process in _given(parameters, values)])
    driver: Any = connection.connection.dbapi_connection
    if not hasattr(driver, "run") or connection.dispatch.before_cursor_execute:
        result = connection.exec_driver_sql(text, given)
        return (result.fetchall() if result.returns_rows else ()), result.rowcount
    # What SQLAlchemy makes of a statement (context, cursor, result) takes three times as long as SQLite does.
    try:
        found: tuple[Sequence[Any], int] = driver.run(text, given)
    except driver.dbapi.Error as error:
        raise _named(error, text, driver, connection.dialect) from error
    return found


def _given(parameters: list[Parameter], values: dict[str, Any]) -> Iterator[tuple[Any, Processor]]:
    return ((values.get(name, own), process) for name, process, own in parameters)


def _named(error: Exception, text: str, driver: Any, dialect: Dialect) -> Exception:
    """The driver's error as SQLAlchemy calls it."""
    return DBAPIError.instance(text, None, error, driver.dbapi.Error, hide_parameters=True, dialect=dialect)


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
def _columns(table: type[SQLModel]) -> tuple[Column[Any], ...]:
    return tuple(table.__table__.columns)  # type: ignore[attr-defined]  # SQLModel hides it from mypy


@cache
def _names(table: type[SQLModel]) -> tuple[str, ...]:
    return tuple(column.name for column in _columns(table) if column.name != "id")


@cache
def _key(table: type[SQLModel]) -> Column[Any]:
    (key,) = (column for column in _columns(table) if column.primary_key)
    return key


@cache
def _by_key(table: type[SQLModel]) -> Select[Any]:
    return select(*_columns(table)).where(_key(table) == bindparam("number"))


@cache
def _own_values(table: type[SQLModel]) -> list[tuple[str, Any]]:
    """What makes the value of each column that need not be named."""
    fields = table.model_fields.items()
    return [
        (name, field.default_factory or partial(_same, field.default))
        for name, field in fields
        if not field.is_required()
    ]


def _same(value: Any) -> Any:
    return value


@cache
def _entry(table: type[SQLModel]) -> ReturningInsert[Any]:
    columns: Any = table.__table__.columns  # type: ignore[attr-defined]
    return insert(table).returning(columns.id)


@cache
def _insertion(table: type[SQLModel]) -> Insert:
    return insert(table).inline()


@lru_cache(maxsize=256)
def _prepared(statement: Statement, names: tuple[str, ...], dialect: Dialect) -> tuple[str, list[Parameter]]:
    """The statement in the driver's words, and in its order the parameters."""
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
