"""Many rows by one statement: what is read back is what the ordinary way would have stored."""

from datetime import UTC, datetime

from sqlalchemy import bindparam, update
from sqlmodel import col

from audit.tables import AuditRow
from tests.tickets.conftest import Floor
from tickets import rows
from tickets.tables import Notice, Trigger

AT = datetime(2026, 3, 2, 4, 0, 0, 123456, tzinfo=UTC)


def audited(number: int, **facts: object) -> dict[str, object]:
    one = {"at": AT, "actor": "scheduler", "action": Trigger.DUE, "subject": f"ticket:{number}"}
    return one | {"before": None, "after": facts}


async def test_rows_come_back_as_they_went_in(floor: Floor) -> None:
    async with floor.database.writing() as session:
        await rows.add(await session.connection(), AuditRow, [audited(1, level=1), audited(2, level=2, to="三线")])

    found = await floor.all(AuditRow)

    assert [row.model_dump(exclude={"id"}) for row in found] == [audited(1, level=1), audited(2, level=2, to="三线")]


async def test_one_row_and_none_at_all_are_rows_too(floor: Floor) -> None:
    async with floor.database.writing() as session:
        await rows.add(await session.connection(), AuditRow, [])
        await rows.add(await session.connection(), AuditRow, [audited(1)])

    assert len(await floor.all(AuditRow)) == 1


async def test_a_column_that_only_some_rows_fill_keeps_its_gaps(floor: Floor, lin: int) -> None:
    told = [{"agent_id": person, "text": "迟了", "created_at": AT, "not_before": None} for person in (lin, None)]
    async with floor.database.writing() as session:
        await rows.add(await session.connection(), Notice, told)

    found = await floor.all(Notice)

    assert [(row.agent_id, row.not_before, row.created_at) for row in found] == [(lin, None, AT), (None, None, AT)]


async def test_a_statement_keeps_the_values_of_its_own(floor: Floor, lin: int) -> None:
    told = [{"agent_id": lin, "text": text, "created_at": AT} for text in ("一", "二")]
    seen = update(Notice).where(col(Notice.text) == bindparam("said")).values(seen_at=AT)
    async with floor.database.writing() as session:
        connection = await session.connection()
        await rows.add(connection, Notice, told)
        await rows.execute(connection, seen, [{"said": "二"}])

    assert [row.seen_at for row in await floor.all(Notice)] == [None, AT]
