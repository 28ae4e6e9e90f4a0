"""Heads of the audit chain that were written down outside the database, one line a day.

Whoever rewrites the whole database, chain and kept head together, still cannot change a line on another disk.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from audit.errors import BadAnchors
from audit.tables import AuditLink
from audit.trail import Head


@dataclass(frozen=True, slots=True)
class Anchor:
    at: datetime
    head: Head


def append_anchor(path: Path, now: datetime, head: Head) -> None:
    """Add a line, on disk when this returns; the folder must be there."""
    with path.open("a", encoding="ascii") as file:
        file.write(f"{now.astimezone(UTC).isoformat()} {head.to_text()}")
        file.flush()
        os.fsync(file.fileno())


def read_anchors(path: Path) -> list[Anchor]:
    """Every line that was ended; the last one of a crash may not have been. Raises `BadAnchors`."""
    try:
        *lines, _ = path.read_text(encoding="ascii").split("\n")
        parted = [line.split(" ", 1) for line in lines]
        return [Anchor(datetime.fromisoformat(at), Head.from_text(head)) for at, head in parted]
    except FileNotFoundError:
        return []
    except ValueError:
        raise BadAnchors(path=path) from None


async def find_moved(session: AsyncSession, anchors: Iterable[Anchor]) -> Anchor | None:
    """The first anchor with which the chain does not agree any more."""
    for anchor in anchors:
        if not anchor.head.position:
            continue
        found = await session.exec(select(AuditLink.hash).where(col(AuditLink.position) == anchor.head.position))
        if found.first() != anchor.head.hash:
            return anchor
    return None
