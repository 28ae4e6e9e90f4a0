import hmac
from datetime import datetime, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlmodel import col, select

from audit.errors import ChainCut
from audit.tables import GUARDED, AuditLink, AuditRow
from audit.trail import Break, Head, count_unlinked, find_break, link_rows, record
from kadesk.database import Database


def sign(text: str) -> str:
    return hmac.new(b"a key outside the database", text.encode(), "sha256").hexdigest()


async def write_rows(database: Database, now: datetime, count: int) -> None:
    async with database.writing() as session:
        for number in range(count):
            record(
                session, now + timedelta(seconds=number), "agent:1", "ticket.noted", "ticket:1", None, {"订单": number}
            )


async def without_guard(database: Database, *statements: str) -> None:
    """Change the trail as somebody with the database file in hand would."""
    async with database.engine.begin() as connection:
        for table in GUARDED:
            if database.is_sqlite:
                await connection.execute(text(f"DROP TRIGGER {table}_no_update"))
                await connection.execute(text(f"DROP TRIGGER {table}_no_delete"))
            else:
                await connection.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
        for statement in statements:
            await connection.execute(text(statement))
        for table in GUARDED if not database.is_sqlite else ():
            await connection.execute(text(f"ALTER TABLE {table} ENABLE TRIGGER USER"))


async def test_linked_rows_verify(database: Database, now: datetime) -> None:
    await write_rows(database, now, 25)

    async with database.writing() as session:
        first, count = await link_rows(session, sign, Head(), limit=10)
        head, rest = await link_rows(session, sign, first, limit=100)
        same, none = await link_rows(session, sign, head)

    assert (first.position, count, head.position, rest, none) == (10, 10, 25, 15, 0)
    assert same == head == Head.from_text(head.to_text())
    async with database.reading() as session:
        assert await find_break(session, sign, head, page=7) is None
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
        pytest.param("DELETE FROM audit_link WHERE audit_id = 5", "its link is gone", id="link removed"),
    ],
)
async def test_a_removed_or_changed_row_is_detected(
    database: Database, now: datetime, statement: str, problem: str
) -> None:
    await write_rows(database, now, 10)
    async with database.writing() as session:
        await link_rows(session, sign, Head())

    await without_guard(database, statement)

    async with database.reading() as session:
        found = await find_break(session, sign, Head())
    assert isinstance(found, Break)
    assert found.position == 5
    assert found.problem == problem


@pytest.mark.parametrize(
    "statement",
    ["UPDATE audit SET actor = 'x'", "DELETE FROM audit", "UPDATE audit_link SET hash = 'x'", "DELETE FROM audit_link"],
)
async def test_audit_rows_refuse_update_and_delete(database: Database, now: datetime, statement: str) -> None:
    await write_rows(database, now, 1)
    async with database.writing() as session:
        await link_rows(session, sign, Head())

    with pytest.raises(DBAPIError, match="audit rows are never changed"):
        async with database.engine.begin() as connection:
            await connection.execute(text(statement))

    async with database.reading() as session:
        assert (await session.exec(select(AuditRow.actor))).one() == "agent:1"


async def test_a_row_that_commits_late_is_linked_too(database: Database, now: datetime) -> None:
    async with database.writing() as session:
        session.add(AuditRow(id=7, at=now, actor="bot", action="late.test", subject="x:1"))
    async with database.writing() as session:
        await link_rows(session, sign, Head())
    async with database.writing() as session:
        session.add(AuditRow(id=3, at=now, actor="bot", action="late.test", subject="x:2"))

    async with database.writing() as session:
        assert (await link_rows(session, sign, Head()))[1] == 1

    async with database.reading() as session:
        assert await find_break(session, sign, Head()) is None


async def test_a_chain_whose_end_was_cut_off_is_detected_and_not_continued(database: Database, now: datetime) -> None:
    await write_rows(database, now, 10)
    async with database.writing() as session:
        kept, _ = await link_rows(session, sign, Head())

    await without_guard(database, "DELETE FROM audit WHERE id > 7", "DELETE FROM audit_link WHERE position > 7")

    async with database.reading() as session:
        found = await find_break(session, sign, kept)
    assert found == Break(8, None, "the chain was cut off; it had 10 links")
    await write_rows(database, now, 1)
    with pytest.raises(ChainCut, match="ends at 7, but it had 10"):
        async with database.writing() as session:
            await link_rows(session, sign, kept)


async def test_a_chain_that_was_made_anew_is_detected(database: Database, now: datetime) -> None:
    await write_rows(database, now, 10)
    async with database.writing() as session:
        kept, _ = await link_rows(session, sign, Head())

    await without_guard(database, "UPDATE audit SET actor = 'agent:2' WHERE id = 5", "DELETE FROM audit_link")
    async with database.writing() as session:
        await link_rows(session, sign, Head())  # somebody who has the key, but not the head

    async with database.reading() as session:
        found = await find_break(session, sign, kept)
    assert found is not None
    assert found.problem == "the chain was written anew"


async def test_without_the_key_no_chain_fits(database: Database, now: datetime) -> None:
    await write_rows(database, now, 3)
    async with database.writing() as session:
        await link_rows(session, lambda text: sign(text + "another key"), Head())

    async with database.reading() as session:
        found = await find_break(session, sign, Head())
    assert found == Break(1, 1, "changed")
