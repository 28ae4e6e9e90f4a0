from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlmodel import col, select

from audit.anchors import append_anchor, find_moved, read_anchors
from audit.errors import BadAnchors
from audit.tables import AuditLink
from audit.trail import Head, find_head, link_rows, record
from kadesk.database import Database

KEY = "0"


def sign(text: str) -> str:
    return f"{hash((KEY, text)):x}"


async def write(database: Database, now: datetime, count: int, kept: Head) -> Head:
    async with database.writing() as session:
        for number in range(count):
            record(session, now, "bot", "ticket.opened", f"ticket:{number}")
    async with database.writing() as session:
        return (await link_rows(session, sign, kept))[0]


async def test_a_chain_agrees_with_its_anchors(database: Database, now: datetime, tmp_path: Path) -> None:
    path = tmp_path / "anchors"
    append_anchor(path, now, Head())
    head = await write(database, now, 3, Head())
    append_anchor(path, now, head)
    append_anchor(path, now + timedelta(days=1), await write(database, now, 2, head))

    async with database.reading() as session:
        assert await find_moved(session, read_anchors(path)) is None
        assert read_anchors(path)[-1].head == await find_head(session)


async def test_a_chain_that_was_written_anew_is_told(database: Database, now: datetime, tmp_path: Path) -> None:
    path = tmp_path / "anchors"
    append_anchor(path, now, await write(database, now, 2, Head()))
    anchors = read_anchors(path)

    async with database.reading() as session:
        true_hash = (await session.exec(select(AuditLink.hash).where(col(AuditLink.position) == 2))).one()
        forged = [type(anchors[0])(now, Head(2, true_hash[::-1]))]
        longer = [type(anchors[0])(now, Head(9, true_hash))]

        assert await find_moved(session, forged) == forged[0]
        assert await find_moved(session, longer) == longer[0]


def test_half_a_line_of_a_crash_is_no_anchor(now: datetime, tmp_path: Path) -> None:
    path = tmp_path / "anchors"
    append_anchor(path, now, Head(7, "ab"))
    with path.open("a") as file:
        file.write("2026-03-03T04:00")

    assert [anchor.head for anchor in read_anchors(path)] == [Head(7, "ab")]


@pytest.mark.parametrize("text", ["hello\n", "2026-03-02T04:00:00+00:00\n", "2026-03-02T04:00:00+00:00 x y\n", "é\n"])
def test_another_file_is_refused_in_one_sentence(tmp_path: Path, text: str) -> None:
    path = tmp_path / "anchors"
    path.write_text(text)

    with pytest.raises(BadAnchors, match="does not hold the heads"):
        read_anchors(path)
