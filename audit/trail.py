"""Writing audit rows and chaining them.

Writers only insert. One elected linker gives each committed row its place in a hash chain, so that writers never queue
behind the chain's head; the tail that has no link yet is short and counted.
"""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from audit.tables import AuditLink, AuditRow

GENESIS = hashlib.sha256(b"kadesk audit chain").hexdigest()
# A transaction may commit after later ids did; the linker looks back this far for rows that it passed.
LOOK_BACK = 10_000


@dataclass(frozen=True, slots=True)
class Break:
    """The first place where chain and rows disagree."""

    position: int
    audit_id: int
    problem: str  # "changed", "removed" or "unlinked gap"


def record(
    session: AsyncSession,
    now: datetime,
    actor: str,
    action: str,
    subject: str,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    """Add one audit row to the caller's transaction. Never put a code or a password in `before` or `after`."""
    session.add(AuditRow(at=now, actor=actor, action=action, subject=subject, before=before, after=after))


def link_hash(previous: str, row: AuditRow) -> str:
    """The hash that stands for `row` after the link `previous`."""
    content = [row.id, row.at.isoformat(), row.actor, row.action, row.subject, row.before, row.after]
    text = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(f"{previous}\n{text}".encode()).hexdigest()


async def link_rows(session: AsyncSession, limit: int = 2_000) -> int:
    """Chain up to `limit` committed rows that have no link yet; return how many. For the elected linker only."""
    head = (await session.exec(select(AuditLink).order_by(col(AuditLink.position).desc()).limit(1))).first()
    position, previous = (head.position, head.hash) if head else (0, GENESIS)
    floor = (await session.exec(select(func.max(AuditLink.audit_id)))).one() or 0
    unlinked = (
        select(AuditRow)
        .where(col(AuditRow.id) > floor - LOOK_BACK)
        .where(col(AuditRow.id).not_in(select(AuditLink.audit_id).where(col(AuditLink.audit_id) > floor - LOOK_BACK)))
        .order_by(col(AuditRow.id))
        .limit(limit)
    )
    rows = (await session.exec(unlinked)).all()
    for row in rows:
        position, previous = position + 1, link_hash(previous, row)
        assert row.id is not None
        session.add(AuditLink(position=position, audit_id=row.id, hash=previous))
    await session.flush()
    return len(rows)


async def count_unlinked(session: AsyncSession) -> int:
    """How many rows the chain does not cover yet."""
    rows = (await session.exec(select(func.count()).select_from(AuditRow))).one()
    links = (await session.exec(select(func.count()).select_from(AuditLink))).one()
    return max(0, rows - links)


async def find_break(session: AsyncSession, page: int = 5_000) -> Break | None:
    """Walk the whole chain; the first changed or removed row, or None when all agree."""
    position, previous = 0, GENESIS
    while True:
        found = await session.exec(
            select(AuditLink, AuditRow)
            .join(AuditRow, col(AuditRow.id) == col(AuditLink.audit_id), isouter=True)
            .where(col(AuditLink.position) > position)
            .order_by(col(AuditLink.position))
            .limit(page)
        )
        pairs: list[tuple[AuditLink, AuditRow | None]] = list(found.all())
        if not pairs:
            return None
        for link, row in pairs:
            if link.position != position + 1:
                return Break(position + 1, link.audit_id, "unlinked gap")
            if row is None:
                return Break(link.position, link.audit_id, "removed")
            if link_hash(previous, row) != link.hash:
                return Break(link.position, link.audit_id, "changed")
            position, previous = link.position, link.hash
        session.expunge_all()
