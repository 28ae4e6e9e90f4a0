import asyncio
import threading
from contextlib import closing
from datetime import datetime
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

import aiosqlite
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlmodel import col, func, select

from audit.tables import AuditRow
from audit.trail import record
from kadesk.database import Database
from kadesk.errors import SettingsError
from kadesk.sqlite import BUSY, has_sound_wal, sqlite_module
from tickets.tables import Heartbeat


@pytest.mark.parametrize(
    ("version", "is_sound"),
    [
        ((3, 40, 1), False),
        ((3, 44, 5), False),
        ((3, 44, 6), True),
        ((3, 45, 0), False),
        ((3, 50, 6), False),
        ((3, 50, 7), True),
        ((3, 51, 0), False),
        ((3, 51, 2), False),
        ((3, 51, 3), True),
        ((3, 53, 4), True),
        ((4, 0), True),
    ],
)
def test_wal_is_used_only_on_a_sound_build(version: tuple[int, ...], is_sound: bool) -> None:
    assert has_sound_wal(version) is is_sound


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_sqlite_keeps_what_it_acknowledged(database: Database) -> None:
    journal = "wal" if has_sound_wal(sqlite_module().sqlite_version_info) else "delete"

    async with database.reading() as session:
        pragmas = [
            (await session.exec(text(f"PRAGMA {name}"))).scalar_one() for name in ("journal_mode", "synchronous")
        ]

    assert pragmas == [journal, 2]


async def test_a_block_that_raises_leaves_nothing(database: Database, now: datetime) -> None:
    async def fail() -> None:
        async with database.writing() as session:
            record(session, now, "bot", "test.happened", "test:1")
            await session.flush()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()

    async with database.reading() as session:
        assert (await session.exec(select(AuditRow))).all() == []


async def test_reading_never_writes(database: Database, now: datetime) -> None:
    async with database.reading() as session:
        record(session, now, "bot", "test.happened", "test:1")
        await session.flush()

    async with database.reading() as session:
        assert (await session.exec(select(AuditRow))).all() == []


async def test_many_writers_wait_for_each_other(database: Database, now: datetime) -> None:
    async def add(number: int) -> None:
        async with database.writing() as session:
            count = (await session.exec(select(func.count(col(AuditRow.id))))).one()
            record(session, now, "bot", "test.happened", f"test:{number}", None, {"before": count})

    await asyncio.gather(*(add(number) for number in range(40)))

    async with database.reading() as session:
        assert (await session.exec(select(func.count(col(AuditRow.id))))).one() == 40


async def test_a_transaction_without_a_statement_leaves_nothing_open(database: Database, now: datetime) -> None:
    for _ in range(2):
        async with database.writing():
            pass

    async with database.reading() as session:
        await session.connection()
    async with database.writing() as session:
        record(session, now, "bot", "test.happened", "test:1")
    async with database.reading() as session:
        assert len((await session.exec(select(AuditRow))).all()) == 1


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_writers_begin_with_the_lock_even_when_they_read_first(database: Database) -> None:
    other = sqlite_module().connect(database.url.database, timeout=0)

    async with database.writing() as session:
        await session.exec(select(AuditRow))

        with pytest.raises(sqlite_module().OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
    other.close()


@pytest.mark.parametrize("rested", [0.0, 60.0])
@pytest.mark.parametrize("database_url", [pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True)
async def test_a_connection_that_the_server_closed_is_replaced(
    database: Database, database_url: str, rested: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kadesk.database.RESTED", -rested)
    other = Database(database_url)
    async with database.reading() as session:
        backend = (await session.exec(text("SELECT pg_backend_pid()"))).scalar_one()
    async with other.reading() as session:
        await session.exec(text(f"SELECT pg_terminate_backend({backend}, 5000)"))
    await other.close()

    async with database.reading() as session:
        assert (await session.exec(text("SELECT pg_backend_pid()"))).scalar_one() != backend


async def test_errors_of_the_driver_are_translated(database: Database, now: datetime) -> None:
    async with database.writing() as session:
        session.add(Heartbeat(name="sweep", at=now))

    with pytest.raises(IntegrityError):
        async with database.writing() as session:
            session.add(Heartbeat(name="sweep", at=now))


async def test_one_process_is_elected(database: Database, database_url: str) -> None:
    other = Database(database_url)
    try:
        async with (
            database.elected("linker") as first,
            other.elected("linker") as second,
            other.elected("other") as free,
        ):
            assert first is True
            assert second is database.is_sqlite  # there the lock on the data folder has elected already
            assert free is True
        async with other.elected("linker") as again:
            assert again is True
    finally:
        await other.close()


async def test_instants_come_back_aware_and_exact(database: Database, now: datetime) -> None:
    exact = now.replace(microsecond=123456)
    async with database.writing() as session:
        session.add(Heartbeat(name="sweep", at=exact))

    async with database.reading() as session:
        found = (await session.exec(select(Heartbeat.at))).one()

    assert found == exact
    assert found.tzinfo is not None


def test_another_database_is_refused_by_name() -> None:
    with pytest.raises(SettingsError, match="sqlite or postgresql, not mysql"):
        Database("mysql://localhost/kadesk")


def test_a_file_that_cannot_be_opened_leaves_nobody_behind_who_speaks_into_a_closed_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = aiosqlite.Connection.stop

    def stop_late(self: aiosqlite.Connection) -> Any:
        self._tx.put_nowait((None, partial(Event().wait, 0.2)))
        return stop(self)

    async def look() -> None:
        database = Database(f"sqlite:///{tmp_path}/missing/kadesk.db")
        async with database.reading() as session:
            await session.exec(select(Heartbeat))

    monkeypatch.setattr(aiosqlite.Connection, "stop", stop_late)
    before = set(threading.enumerate())

    with pytest.raises(OperationalError):
        asyncio.run(look())

    assert set(threading.enumerate()) == before


async def test_a_brief_transaction_is_a_transaction(database: Database, now: datetime) -> None:
    async def look() -> list[str]:
        async with database.reading(is_brief=True) as session:
            return list((await session.exec(select(AuditRow.action))).all())

    seen = []

    async def fail() -> None:
        async with database.writing(is_brief=True) as session:
            record(session, now, "bot", "test.dropped", "test:1")
            await session.flush()
            seen.append(await look())
            raise RuntimeError

    async with database.writing(is_brief=True) as session:
        record(session, now, "bot", "test.kept", "test:1")
    with pytest.raises(RuntimeError):
        await fail()

    assert (seen, await look()) == ([["test.kept"]], ["test.kept"])


async def test_brief_work_that_is_cancelled_on_its_way_leaves_a_sound_connection(
    database: Database, now: datetime
) -> None:
    async def write(number: int) -> None:
        async with database.writing(is_brief=True) as session:
            record(session, now, "bot", "test.happened", f"test:{number}")
            await session.flush()
            record(session, now, "bot", "test.happened", f"test:{number}")

    for number in range(20):
        task = asyncio.create_task(write(number))
        for _ in range(number):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    await write(20)

    async with database.reading() as session:
        rows = (await session.exec(select(AuditRow.subject, func.count()).group_by(col(AuditRow.subject)))).all()

    assert {count for _, count in rows} == {2}
    assert "test:20" in {subject for subject, _ in rows}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_brief_work_waits_for_another_process_and_holds_nothing_up(database: Database, now: datetime) -> None:
    async def write() -> None:
        async with database.writing(is_brief=True) as session:
            record(session, now, "bot", "test.happened", "test:1")

    with closing(sqlite_module().connect(database.url.database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        task = asyncio.create_task(write())
        for _ in range(20):
            await asyncio.sleep(0.005)
        was_done = task.done()
        other.execute("ROLLBACK")
        await task

    async with database.reading() as session:
        count = (await session.exec(select(func.count()).select_from(AuditRow))).one()
        waits = (await session.exec(text("PRAGMA busy_timeout"))).scalar_one()  # type: ignore[call-overload]
    assert (was_done, count, waits) == (False, 1, BUSY)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_without_wal_no_transaction_is_brief(database: Database, now: datetime) -> None:
    """A reader at once would wait in the event loop for a writer that needs the loop to end."""
    is_sound = has_sound_wal(sqlite_module().sqlite_version_info)

    async with database.reading(is_brief=True) as session:
        await session.exec(select(AuditRow.id))
        driver: Any = (await (await session.connection()).get_raw_connection()).dbapi_connection

    assert driver.is_brief == is_sound
