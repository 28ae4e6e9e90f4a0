"""What the suite shares between its engines and consoles, to be fast, is shared by those alone that are alike."""

from collections.abc import Callable
from typing import Any

import pytest
from jinja2 import DictLoader, Environment
from sqlalchemy import JSON, Column, Integer, MetaData, Table, insert, select
from sqlalchemy.ext.asyncio import create_async_engine

from kadesk.database import Database

NOTES = Table("note", MetaData(), Column("id", Integer, primary_key=True), Column("text", JSON))


async def write_and_read(writes_json: Callable[[Any], str] | None) -> str:
    """A row as an engine with this writer of JSON stores it, in a memory of its own."""
    options = {} if writes_json is None else {"json_serializer": writes_json}
    engine = create_async_engine("sqlite+aiosqlite://", **options)
    async with engine.begin() as connection:
        await connection.execution_options(compiled_cache=SHARED)
        await connection.run_sync(NOTES.metadata.create_all)
        await connection.execute(insert(NOTES), {"text": "hello"})
        found = (await connection.exec_driver_sql("SELECT text FROM note")).scalar_one()
        assert (await connection.execute(select(NOTES.c.id))).scalar_one() == 1
    await engine.dispose()
    return str(found)


SHARED: dict[Any, Any] = {}


async def test_engines_that_are_alike_share_what_they_compiled_and_others_do_not() -> None:
    assert await write_and_read(None) == '"hello"'
    alike = len(SHARED)

    assert await write_and_read(None) == '"hello"'
    assert len(SHARED) == alike

    assert await write_and_read(lambda value: f'"<{value}>"') == '"<hello>"'
    assert len(SHARED) == 2 * alike


async def test_two_databases_of_the_product_are_alike(database: Database) -> None:
    other = Database(database.url.render_as_string(hide_password=False))
    for one in (database, other):
        async with one.reading() as session:
            await session.connection()
    await other.close()

    assert database.engine.dialect == other.engine.dialect


@pytest.mark.parametrize("escapes_first", [True, False])
def test_who_escapes_nothing_gets_no_template_of_who_does(escapes_first: bool) -> None:
    loader = DictLoader({f"page {escapes_first}": "{{ name }}"})

    drawn = [
        Environment(loader=loader, autoescape=escapes).get_template(f"page {escapes_first}").render(name="<b>")
        for escapes in (escapes_first, not escapes_first)
    ]

    assert drawn == (["&lt;b&gt;", "<b>"] if escapes_first else ["<b>", "&lt;b&gt;"])
