"""Writing audit rows and chaining them.

Writers only insert. One elected linker gives each committed row its place in a hash chain, so that writers never queue
behind the chain's head; the tail that has no link yet is short and counted. The hashes are keyed, so that nobody who
has only the database can make a new chain; the head is kept outside as well, so that nobody can cut its end off.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, insert
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from audit import rows
from audit.errors import ChainCut
from audit.tables import AuditLink, AuditRow

GENESIS = "kadesk audit chain"
# A transaction may commit after later ids did; the linker looks back this far for rows that it passed.
LOOK_BACK = 10_000


_ROW = insert(AuditRow).inline()  # nobody asks for its number
# A keyed hash of a text; the vault's, whose key is not in the database.
Sign = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Head:
    """The newest link."""

    position: int = 0
    hash: str = GENESIS

    @classmethod
    def from_text(cls, text: str) -> "Head":
        position, _, found = text.strip().partition(" ")
        return cls(int(position), found)

    def to_text(self) -> str:
        return f"{self.position} {self.hash}\n"


@dataclass(frozen=True, slots=True)
class Break:
    """The first place where chain, rows and the head that was kept outside disagree."""

    position: int
    audit_id: int | None
    problem: str  # a word or two for people: "changed", "removed", "its link is gone", …


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


def record_now(
    connection: Connection,
    now: datetime,
    actor: str,
    action: str,
    subject: str,
    before: dict[str, Any] | None,
    after: dict[str, Any] | None,
) -> None:
    """As `record`, at once and past the session: for a verb whose own statements go past it too."""
    row = {"at": now, "actor": actor, "action": action, "subject": subject, "before": before, "after": after}
    rows.carry_out(connection, _ROW, **row)


def link_hash(sign: Sign, previous: str, row: AuditRow) -> str:
    """The hash that stands for `row` after the link `previous`."""
    content = [row.id, row.at.isoformat(), row.actor, row.action, row.subject, row.before, row.after]
    text = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return sign(f"{previous}\n{text}")


async def link_rows(session: AsyncSession, sign: Sign, kept: Head, limit: int = 2_000) -> tuple[Head, int]:
    """Chain up to `limit` committed rows that have no link yet; return the new head and how many.

    For the elected linker. Raises ChainCut when the chain ends before the head that was kept: going on would hide it.
    """
    head = await find_head(session)
    if head.position < kept.position:
        raise ChainCut(position=head.position, kept=kept.position)
    rows = await _unlinked(session, limit)
    for row in rows:
        assert row.id is not None
        head = Head(head.position + 1, link_hash(sign, head.hash, row))
        session.add(AuditLink(position=head.position, audit_id=row.id, hash=head.hash))
    await session.flush()
    return head, len(rows)


async def find_head(session: AsyncSession) -> Head:
    link = (await session.exec(select(AuditLink).order_by(col(AuditLink.position).desc()).limit(1))).first()
    return Head(link.position, link.hash) if link else Head()


async def _unlinked(session: AsyncSession, limit: int) -> Sequence[AuditRow]:
    floor = ((await session.exec(select(func.max(AuditLink.audit_id)))).one() or 0) - LOOK_BACK
    linked = select(AuditLink.audit_id).where(col(AuditLink.audit_id) > floor)
    unlinked = select(AuditRow).where(col(AuditRow.id) > floor, col(AuditRow.id).not_in(linked))
    return (await session.exec(unlinked.order_by(col(AuditRow.id)).limit(limit))).all()


async def count_unlinked(session: AsyncSession) -> int:
    """How many rows the chain does not cover yet."""
    rows = (await session.exec(select(func.count()).select_from(AuditRow))).one()
    links = (await session.exec(select(func.count()).select_from(AuditLink))).one()
    return max(0, rows - links)


async def find_break(session: AsyncSession, sign: Sign, kept: Head, page: int = 5_000) -> Break | None:
    """Walk the whole chain; the first place that is not as it was written, or None when all agree."""
    head = Head()
    while pairs := await _next_pairs(session, head.position, page):
        for link, row in pairs:
            if problem := _problem(sign, head, link, row, kept):
                return Break(head.position + 1, link.audit_id, problem)
            head = Head(link.position, link.hash)
        session.expunge_all()
    if head.position < kept.position:
        return Break(head.position + 1, None, f"the chain was cut off; it had {kept.position} links")
    return None


async def _next_pairs(session: AsyncSession, after: int, page: int) -> Sequence[tuple[AuditLink, AuditRow | None]]:
    pairs = (
        select(AuditLink, AuditRow)
        .join(AuditRow, col(AuditRow.id) == col(AuditLink.audit_id), isouter=True)
        .where(col(AuditLink.position) > after)
        .order_by(col(AuditLink.position))
        .limit(page)
    )
    return (await session.exec(pairs)).all()


def _problem(sign: Sign, head: Head, link: AuditLink, row: AuditRow | None, kept: Head) -> str:
    if link.position != head.position + 1:
        return "its link is gone"
    if row is None:
        return "removed"
    if link_hash(sign, head.hash, row) != link.hash:
        return "changed"
    if link.position == kept.position and link.hash != kept.hash:
        return "the chain was written anew"
    return ""
