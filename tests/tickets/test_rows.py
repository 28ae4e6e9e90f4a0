"""Rows by prepared statements: what is read back is what the ordinary way would have stored."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from threading import Event, get_ident

import pytest
from sqlalchemy import Connection, bindparam, text, update
from sqlalchemy.exc import DBAPIError
from sqlmodel import col, select

from audit import rows
from audit.tables import AuditRow
from audit.trail import record_now
from tests.tickets.conftest import Floor
from tickets.tables import Agent, Notice, Trigger

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


_AGENT = select(Agent.name, Agent.skills, Agent.is_away, Agent.created_at).where(col(Agent.id) == bindparam("agent"))


async def test_a_row_that_is_found_reads_as_it_was_stored(floor: Floor, lin: int) -> None:
    async with floor.database.writing() as session:
        agent = await session.get_one(Agent, lin)
        agent.skills, agent.created_at = ["退款"], AT

        found = await rows.in_one_trip(session, lambda connection: rows.find(connection, _AGENT, agent=lin))

    assert found == (agent.name, ["退款"], False, AT)


async def test_what_is_not_there_is_not_found(floor: Floor) -> None:
    async with floor.database.writing() as session:
        assert await rows.in_one_trip(session, lambda connection: rows.find(connection, _AGENT, agent=4711)) is None


async def test_a_trip_that_fails_leaves_nothing(floor: Floor) -> None:
    def add_and_fail(connection: Connection) -> None:
        record_now(connection, AT, "bot", "test.happened", "test:1", {}, {})
        connection.execute(text("SELECT * FROM nowhere"))

    with pytest.raises(DBAPIError):
        async with floor.database.writing() as session:
            await rows.in_one_trip(session, add_and_fail)

    assert await floor.all(AuditRow) == []


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_sqlite_goes_to_its_thread_once(floor: Floor) -> None:
    threads: list[int] = []

    def look_twice(connection: Connection) -> None:
        for _ in range(2):
            rows.find(connection, _AGENT, agent=1)
            threads.append(get_ident())

    async with floor.database.writing() as session:
        await rows.in_one_trip(session, look_twice)

    assert threads[0] == threads[1] != get_ident()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_cancelled_trip_leaves_no_transaction_open(floor: Floor) -> None:
    begun, is_free = Event(), Event()

    def stay(connection: Connection) -> None:
        begun.set()
        is_free.wait()
        record_now(connection, AT, "bot", "test.happened", "test:1", {}, {})

    async def write(work: Callable[[Connection], None]) -> None:
        async with floor.database.writing() as session:
            await rows.in_one_trip(session, work)

    writer = asyncio.create_task(write(stay))
    await asyncio.to_thread(begun.wait)
    writer.cancel()
    asyncio.get_running_loop().call_soon(is_free.set)
    with pytest.raises(asyncio.CancelledError):
        await writer

    assert await floor.all(AuditRow) == []
    await write(lambda connection: record_now(connection, AT, "bot", "test.happened", "test:2", {}, {}))
    assert [row.subject for row in await floor.all(AuditRow)] == ["test:2"]


async def test_what_goes_past_a_session_is_undone_with_its_savepoint(floor: Floor) -> None:
    def note(connection: Connection, subject: str) -> None:
        record_now(connection, AT, "scheduler", Trigger.DUE, subject, None, None)

    async with floor.database.writing(is_brief=True) as session:
        await rows.in_one_trip(session, lambda connection: note(connection, "stays"))
        with suppress(LookupError):
            async with session.begin_nested():
                await rows.in_one_trip(session, lambda connection: note(connection, "goes"))
                raise LookupError

    assert [row.subject for row in await floor.all(AuditRow)] == ["stays"]


async def test_a_row_that_a_session_knows_goes_with_its_savepoint(floor: Floor) -> None:
    """Else the session would find a row that there is not; what was there before stays, and may be read before."""

    def entered(connection: Connection, text: str) -> Notice:
        notice = rows.made(Notice, agent_id=agent, text=text, created_at=AT, not_before=AT)
        rows.enter(connection, notice)
        return notice

    agent = await floor.hire("lin")
    async with floor.database.writing() as session:
        before = await rows.in_one_trip(session, lambda connection: entered(connection, "stays"))
        rows.know(session, before)
        with suppress(LookupError):
            async with session.begin_nested(), session.begin_nested():
                assert await rows.get(session, Agent, agent) is not None
                gone = await rows.in_one_trip(session, lambda connection: entered(connection, "goes"))
                rows.know(session, gone)
                raise LookupError
        number = gone.id

        assert await session.get(Notice, number) is None
        assert (await session.get_one(Notice, before.id), (await session.get_one(Agent, agent)).login) == (
            before,
            "lin",
        )
