from datetime import datetime, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlmodel import col, select

from audit.tables import AuditLink, AuditRow
from audit.trail import Break, count_unlinked, find_break, link_rows, record
from kadesk.database import Database


async def write_rows(database: Database, now: datetime, count: int) -> None:
    async with database.writing() as session:
        for number in range(count):
            record(
                session, now + timedelta(seconds=number), "agent:1", "ticket.noted", "ticket:1", None, {"订单": number}
            )


async def without_guard(database: Database, statement: str) -> None:
    """Change the trail as somebody with the database file in hand would."""
    async with database.engine.begin() as connection:
        if database.is_sqlite:
            await connection.execute(text("DROP TRIGGER audit_no_update"))
            await connection.execute(text("DROP TRIGGER audit_no_delete"))
            await connection.execute(text(statement))
        else:
            await connection.execute(text("ALTER TABLE audit DISABLE TRIGGER USER"))
            await connection.execute(text(statement))
            await connection.execute(text("ALTER TABLE audit ENABLE TRIGGER USER"))


async def test_linked_rows_verify(database: Database, now: datetime) -> None:
    await write_rows(database, now, 25)

    async with database.writing() as session:
        assert await link_rows(session, limit=10) == 10
        assert await link_rows(session, limit=100) == 15
        assert await link_rows(session) == 0

    async with database.reading() as session:
        assert await find_break(session, page=7) is None
        assert await count_unlinked(session) == 0
        positions = (await session.exec(select(AuditLink.position).order_by(col(AuditLink.position)))).all()
        assert list(positions) == list(range(1, 26))


async def test_the_unlinked_tail_is_counted(database: Database, now: datetime) -> None:
    await write_rows(database, now, 3)

    async with database.reading() as session:
        assert await count_unlinked(session) == 3


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        pytest.param("UPDATE audit SET actor = 'agent:2' WHERE id = 5", "changed", id="another actor"),
        pytest.param("UPDATE audit SET after = '{\"订单\": 99}' WHERE id = 5", "changed", id="another value"),
        pytest.param("DELETE FROM audit WHERE id = 5", "removed", id="row removed"),
        pytest.param("DELETE FROM audit_link WHERE audit_id = 5", "unlinked gap", id="link removed"),
    ],
)
async def test_a_removed_or_changed_row_is_detected(
    database: Database, now: datetime, statement: str, problem: str
) -> None:
    await write_rows(database, now, 10)
    async with database.writing() as session:
        await link_rows(session)

    await without_guard(database, statement)

    async with database.reading() as session:
        found = await find_break(session)
    assert isinstance(found, Break)
    assert found.position == 5
    assert found.problem == problem


@pytest.mark.parametrize("statement", ["UPDATE audit SET actor = 'x'", "DELETE FROM audit"])
async def test_audit_rows_refuse_update_and_delete(database: Database, now: datetime, statement: str) -> None:
    await write_rows(database, now, 1)

    with pytest.raises(DBAPIError, match="audit rows are never changed"):
        async with database.engine.begin() as connection:
            await connection.execute(text(statement))

    async with database.reading() as session:
        assert (await session.exec(select(AuditRow.actor))).one() == "agent:1"


async def test_a_row_that_commits_late_is_linked_too(database: Database, now: datetime) -> None:
    async with database.writing() as session:
        session.add(AuditRow(id=7, at=now, actor="bot", action="late.test", subject="x:1"))
    async with database.writing() as session:
        await link_rows(session)
    async with database.writing() as session:
        session.add(AuditRow(id=3, at=now, actor="bot", action="late.test", subject="x:2"))

    async with database.writing() as session:
        assert await link_rows(session) == 1

    async with database.reading() as session:
        assert await find_break(session) is None
