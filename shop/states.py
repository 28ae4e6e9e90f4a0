"""The states of a code, and the one guarded step from each to the next."""

from datetime import datetime

from sqlalchemy import Connection, bindparam, update
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from audit import rows
from audit.trail import record_now
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
_STEP = (
    update(Code)
    .where(col(Code.id) == bindparam("code"), col(Code.state) == bindparam("old"))
    .where(col(Code.reserved_for).is_not_distinct_from(bindparam("kept_for")))
    .values(state=bindparam("new"), reserved_for=bindparam("keep_for"))
)


async def move(
    session: AsyncSession, code_id: int, old: CodeState, new: CodeState, claim_id: int | None = None
) -> bool:
    """`step`, in a transaction that may have read the code: it is not read anew."""
    return await rows.in_one_trip(session, lambda connection: step(connection, code_id, old, new, claim_id))


async def quarantine(session: AsyncSession, now: datetime, code_id: int, old: CodeState, actor: str, why: str) -> bool:
    """Keep a code back; whether it was still in `old`."""
    return await rows.in_one_trip(session, lambda connection: keep_back(connection, now, code_id, old, actor, why))


def step(connection: Connection, code_id: int, old: CodeState, new: CodeState, claim_id: int | None = None) -> bool:
    """Compare-and-set: whether this call, and no other, moved the code from `old` to `new`.

    `claim_id` is whom a reserved code is kept for: of the old state or of the new one.
    """
    assert new in NEXT[old], f"a code never goes from {old} to {new}"
    kept_for = claim_id if old == CodeState.RESERVED else None
    keep_for = claim_id if new == CodeState.RESERVED else None
    return rows.carry_out(connection, _STEP, code=code_id, old=old, kept_for=kept_for, new=new, keep_for=keep_for) == 1


def keep_back(connection: Connection, now: datetime, code_id: int, old: CodeState, actor: str, why: str) -> bool:
    """`quarantine`, past the session."""
    moved = step(connection, code_id, old, CodeState.QUARANTINED)
    if moved:
        before, after = {"state": old}, {"state": CodeState.QUARANTINED, "why": why}
        record_now(connection, now, actor, "code.quarantined", f"code:{code_id}", before, after)
    return moved
