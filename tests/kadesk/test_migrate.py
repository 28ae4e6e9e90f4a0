import asyncio
from datetime import datetime
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from audit.trail import record
from kadesk.database import Database
from kadesk.migrate import upgrade
from kadesk.tables import metadata


@pytest.fixture
async def bare(database: Database) -> Database:
    """A database with nothing in it at all."""
    async with database.engine.begin() as connection:
        if database.is_sqlite:
            await connection.run_sync(metadata.drop_all)
        else:
            await connection.execute(text("DROP SCHEMA public CASCADE"))
            await connection.execute(text("CREATE SCHEMA public"))
    return database


@pytest.fixture(autouse=True)
async def put_back(database: Database) -> Any:
    """The PostgreSQL server is shared: leave it as the other tests want it."""
    yield
    if not database.is_sqlite:
        async with database.engine.begin() as connection:
            await connection.execute(text("DROP SCHEMA public CASCADE"))
            await connection.execute(text("CREATE SCHEMA public"))
            await connection.run_sync(metadata.create_all)


async def test_migrations_make_the_tables_that_the_code_has(bare: Database) -> None:
    before, after = await upgrade(bare)

    def differences(connection: Any) -> list[Any]:
        return compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), metadata)

    async with bare.engine.connect() as connection:
        assert await connection.run_sync(differences) == []
    assert before is None
    assert after


async def test_a_second_upgrade_changes_nothing(bare: Database) -> None:
    _, head = await upgrade(bare)

    assert await upgrade(bare) == (head, head)


async def test_two_upgrades_at_once_are_one(bare: Database, database_url: str) -> None:
    other = Database(database_url)

    results = await asyncio.gather(upgrade(bare), upgrade(other))
    await other.close()

    assert sorted(before is None for before, _ in results) == [False, True]


async def test_the_guards_of_the_trail_stand_after_a_migration(bare: Database, now: datetime) -> None:
    await upgrade(bare)
    async with bare.writing() as session:
        record(session, now, "bot", "test.happened", "test:1")

    with pytest.raises(DBAPIError, match="audit rows are never changed"):
        async with bare.engine.begin() as connection:
            await connection.execute(text("DELETE FROM audit"))
