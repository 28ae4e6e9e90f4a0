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
from tickets.tables import Agent, Notice, OrderBinding, Ticket


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


async def test_rows_of_an_older_install_are_kept(bare: Database, now: datetime) -> None:
    rows = {
        "agent": {"id": 3, "login": "lin", "name": "Lin", "role": "agent", "password_hash": "x", "is_active": True},
        "buyer": {"id": 5, "name": "Wang", "tier": "normal", "language": "zh"},
        "identity": {"id": 6, "buyer_id": 5, "channel": "web", "account": "", "address": "a"},
        "conversation": {"id": 7, "identity_id": 6, "buyer_id": 5, "channel": "web", "account": "", "address": "a"},
        "ticket": {
            **{"id": 8, "number": "K-000008", "conversation_id": 7, "buyer_id": 5, "category": "claim", "subject": "s"},
            **{"status": "open", "phase": "open", "level": 1, "assignee_id": 3, "hurries": 0, "version": 1},
        },
        "notice": {"id": 9, "agent_id": 3, "ticket_id": 8, "text": "t"},
        "order_binding": {"id": 10, "identity_id": 6, "shop": "demo", "order_no": "A1", "way": "query_password"},
    }
    await upgrade(bare, "0001")
    async with bare.engine.begin() as connection:
        for table, row in rows.items():
            names = [*row, "proved_at" if table == "order_binding" else "created_at"]
            values = ", ".join(f":{name}" for name in names)
            made_at = now.isoformat(" ") if bare.is_sqlite else now
            statement = text(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({values})")
            await connection.execute(statement, row | {names[-1]: made_at})

    await upgrade(bare)

    async with bare.reading() as session:
        ticket = await session.get_one(Ticket, 8)
        notice = await session.get_one(Notice, 9)
        agent = await session.get_one(Agent, 3)
        binding = await session.get_one(OrderBinding, 10)
    assert (ticket.assignee_id, ticket.queue, ticket.fields, ticket.snoozed_until) == (3, "general", {}, None)
    assert (notice.ticket_id, agent.is_away, agent.skills) == (8, False, [])
    assert (binding.order_no, binding.contact_hash, binding.place_hash) == ("A1", None, None)


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
