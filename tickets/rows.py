"""Many rows by one prepared statement: values go to the driver as it wants them.

SQLAlchemy makes and checks the parameters of every row by itself, which takes longer than SQLite takes to store it.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import cache, lru_cache
from itertools import repeat
from typing import Any

from sqlalchemy import Dialect, Insert, Update, insert
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import SQLModel

Processor = Callable[[Any], Any] | None


async def add(connection: AsyncConnection, table: type[SQLModel], rows: Sequence[dict[str, Any]]) -> None:
    """Insert `rows`, which all name the same columns."""
    await execute(connection, _insertion(table), rows)


async def execute(connection: AsyncConnection, statement: Insert | Update, rows: Sequence[dict[str, Any]]) -> None:
    """Carry out `statement` for each of `rows`, its parameters by name. Keep the statement: it is compiled once."""
    if rows:
        text, parameters = _prepared(statement, tuple(rows[0]), connection.dialect)
        columns = [_processed([row[name] for row in rows], process) for name, process in parameters]
        await connection.exec_driver_sql(text, list(zip(*columns, strict=True)))


@cache
def _insertion(table: type[SQLModel]) -> Insert:
    return insert(table).inline()


@lru_cache(maxsize=64)
def _prepared(
    statement: Insert | Update, names: tuple[str, ...], dialect: Dialect
) -> tuple[str, list[tuple[str, Processor]]]:
    """The statement in the driver's words, and in its order the parameters with what makes driver values of them."""
    compiled: Any = statement.compile(dialect=dialect, column_keys=list(names))
    binds = {name: compiled.binds[name] for name in compiled.positiontup}
    return compiled.string, [
        (name, bind.type.dialect_impl(dialect).bind_processor(dialect)) for name, bind in binds.items()
    ]


def _processed(values: list[Any], process: Processor) -> Iterable[Any]:
    if process is None:
        return values
    first = values[0]
    if all(value is first for value in values):  # the instant of the sweep, an empty list
        return repeat(process(first), len(values))
    return map(process, values)
