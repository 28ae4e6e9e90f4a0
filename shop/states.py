"""The states of a code, and the one guarded step from each to the next."""

from datetime import datetime
from typing import Any

from sqlalchemy import update
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from audit.trail import record
from shop.tables import Code, CodeState

# A void code is gone for good; a quarantined one may turn out to be sound after all.
NEXT: dict[CodeState, frozenset[CodeState]] = {
    CodeState.FREE: frozenset({CodeState.RESERVED, CodeState.ISSUED, CodeState.VOID, CodeState.QUARANTINED}),
    CodeState.RESERVED: frozenset({CodeState.FREE, CodeState.ISSUED, CodeState.VOID, CodeState.QUARANTINED}),
    CodeState.ISSUED: frozenset({CodeState.REVEALED, CodeState.VOID, CodeState.QUARANTINED}),
    CodeState.REVEALED: frozenset({CodeState.VOID, CodeState.QUARANTINED}),
    CodeState.QUARANTINED: frozenset({CodeState.FREE, CodeState.VOID}),
    CodeState.VOID: frozenset(),
}
OUT = frozenset({CodeState.ISSUED, CodeState.REVEALED})  # a buyer has it, or is about to


async def move(
    session: AsyncSession, code_id: int, old: CodeState, new: CodeState, claim_id: int | None = None
) -> bool:
    """Compare-and-set: whether this call, and no other, moved the code from `old` to `new`.

    `claim_id` is whom a reserved code is kept for: of the old state or of the new one.
    """
    assert new in NEXT[old], f"a code never goes from {old} to {new}"
    values: dict[str, Any] = {"state": new, "reserved_for": claim_id if new == CodeState.RESERVED else None}
    step = update(Code).where(col(Code.id) == code_id, col(Code.state) == old)
    if old == CodeState.RESERVED:
        step = step.where(col(Code.reserved_for) == claim_id)
    return bool((await session.exec(step.values(values))).rowcount == 1)


async def quarantine(session: AsyncSession, now: datetime, code_id: int, old: CodeState, actor: str, why: str) -> bool:
    """Keep a code back; whether it was still in `old`."""
    moved = await move(session, code_id, old, CodeState.QUARANTINED)
    if moved:
        before, after = {"state": old}, {"state": CodeState.QUARANTINED, "why": why}
        record(session, now, actor, "code.quarantined", f"code:{code_id}", before, after)
    return moved
