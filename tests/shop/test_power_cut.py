"""The power goes while replacements are issued: whatever was acknowledged is there when it comes back.

The statements are those that the ledger really sends. They run once more on a disk that can lose its power, with the
settings of a real connection.
"""

import os
import shutil
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

import pytest
from disk import Cut, Disk, Event, cuts, opened
from sqlalchemy import event

from kadesk import sqlite as sqlite_driver
from kadesk.database import Database
from shop.ledger import issue_replacement
from shop.reveals import make_link
from shop.vault import Vault
from tests.shop.conftest import KEYS, Stall

CUTS = int(os.environ.get("POWER_CUTS", "5000"))
ISSUES = 150
PRAGMAS = ("journal_mode", "synchronous")

FOUND = """
SELECT replacement.claim_id FROM replacement
JOIN code ON code.id = replacement.code_id AND code.state = 'issued'
JOIN reveal_link ON reveal_link.code_id = code.id
JOIN audit ON audit.subject = 'code:' || code.id AND audit.action = 'code.issued'
ORDER BY replacement.claim_id
"""


@dataclass
class Recording:
    """What a connection of ours did, in SQL; where each commit told somebody."""

    before: bytes  # the database's file before
    settings: dict[str, str]
    statements: list[str]


async def record(folder: Path, template: Path, now: datetime) -> Recording:
    """Issue replacements the way the desk does; every statement as SQLite got it."""
    path = folder / "kadesk.db"
    shutil.copy(template, path)
    database, vault, statements = Database(f"sqlite:///{path}"), Vault(KEYS), []
    stall = Stall(database, vault, now)
    await stall.add_product(reserve=[f"NEW{number:05d}" for number in range(ISSUES)])
    orders = [
        await stall.sell(*(f"OLD{number:03d}{code}" for code in range(10)), order_no=f"ORDER{number:04d}")
        for number in range(ISSUES // 10)
    ]
    await database.close()
    before = path.read_bytes()

    database = Database(f"sqlite:///{path}")
    async with database.engine.connect() as connection:
        settings = {name: str((await connection.exec_driver_sql(f"PRAGMA {name}")).scalar()) for name in PRAGMAS}
    event.listen(
        database.engine.sync_engine,
        "checkout",
        lambda dbapi, *_: dbapi.run_async(lambda driver: driver.set_trace_callback(statements.append)),
    )
    for claim in range(1, ISSUES + 1):
        order = orders[(claim - 1) // 10]
        async with database.writing() as session:
            replaced = order.codes[(claim - 1) % 10]
            issued = await issue_replacement(
                session, now, vault, claim_id=claim, order=order, replaced=replaced, actor="bot"
            )
            await make_link(session, now, vault, issued.code_id, timedelta(hours=1))
    await database.close()
    return Recording(before, settings, statements)


def replay(recording: Recording, settings: dict[str, str]) -> tuple[list[Event], dict[str, bytes]]:
    """The same statements on a disk that remembers; after each commit its claim is acknowledged."""
    files = {"kadesk.db": recording.before}
    disk = Disk(files)
    connection, claim = disk.open(), 0
    for name, value in settings.items():
        connection.execute(f"PRAGMA {name} = {value}")
    if settings["journal_mode"] != "wal":
        connection.execute("PRAGMA locking_mode = NORMAL")
        connection.execute("SELECT count(*) FROM code").fetchall()  # takes effect with the next lock
    disk.events.clear()
    files = {name: bytes(content) for name, content in disk.files.items()}
    for statement in recording.statements:
        connection.execute(statement)
        claim += statement.startswith("INSERT INTO replacement")
        if statement.startswith("COMMIT"):
            disk.acknowledge(claim)
    connection.close()
    disk.unregister()
    return disk.events, files


def lost(cut: Cut) -> str:
    """What is wrong with the database of this image; "" when nothing is."""
    with opened(cut.files) as connection:
        claims = [row[0] for row in connection.execute(FOUND)]
        if claims != list(range(1, len(claims) + 1)):
            return f"cut {cut.at}: half an issue"
        if not cut.acknowledged <= len(claims) <= cut.acknowledged + 1:
            return f"cut {cut.at}: {cut.acknowledged} were acknowledged, {len(claims)} are there"
        if connection.execute("PRAGMA quick_check").fetchall() != [("ok",)]:
            return f"cut {cut.at}: the file is broken"
    return ""


def find_losses(recording: Recording, settings: dict[str, str], wanted: int) -> list[str]:
    events, files = replay(recording, settings)
    assert len(events) > ISSUES
    return [problem for cut in cuts(events, files, Random(7), wanted) if (problem := lost(cut))]


@pytest.mark.slow
@pytest.mark.parametrize("is_sound", [True, False], ids=["wal", "rollback journal"])
async def test_what_was_acknowledged_survives_the_power_cut(
    tmp_path: Path, sqlite_template: Path, now: datetime, is_sound: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_driver, "has_sound_wal", lambda version: is_sound)
    recording = await record(tmp_path, sqlite_template, now)

    assert find_losses(recording, recording.settings, CUTS // 2) == []


@pytest.mark.parametrize(("journal", "synchronous"), [("wal", "NORMAL"), ("delete", "NORMAL"), ("delete", "FULL")])
async def test_with_less_syncing_the_power_cut_takes_some(
    tmp_path: Path, sqlite_template: Path, now: datetime, journal: str, synchronous: str
) -> None:
    """The broken twins: a commit that is not synced, or a journal whose deletion is not."""
    recording = await record(tmp_path, sqlite_template, now)

    assert find_losses(recording, {"journal_mode": journal, "synchronous": synchronous}, 400)
