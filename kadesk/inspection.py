"""What is looked at every day and on demand: the audit chain, the heads kept outside, and the shop's books."""

from collections.abc import AsyncIterator, Callable
from datetime import datetime
from pathlib import Path

from sqlmodel.ext.asyncio.session import AsyncSession

from audit.anchors import find_moved, read_anchors
from audit.trail import Head, find_break
from shop.invariants import check_invariants
from tickets import notices
from tickets.desk import Desk
from tickets.tables import Heartbeat

BEAT = "inspection"
WALK_PAGE = 500  # audit rows that are hashed at one go: a buyer who writes meanwhile waits for no more


async def find_problems(
    session: AsyncSession, sign: Callable[[str], str], kept: Head, anchors: Path | None
) -> AsyncIterator[str]:
    """One sentence per thing that is not as it must be."""
    found = await find_break(session, sign, kept, WALK_PAGE)
    if found:
        row = f"audit row {found.audit_id}: " if found.audit_id else ""
        yield f"The chain breaks at position {found.position}: {row}{found.problem}."
    moved = await find_moved(session, read_anchors(anchors)) if anchors else None
    if moved:
        yield f"The chain is not the one that was anchored on {moved.at:%Y-%m-%d %H:%M} UTC: it was written anew."
    for problem in await check_invariants(session):
        yield f"The books are wrong: {problem}."


async def report(session: AsyncSession, now: datetime, desk: Desk, problems: list[str]) -> None:
    """Leave a heartbeat, and tell the managers what was found."""
    beat = await session.get(Heartbeat, BEAT) or Heartbeat(name=BEAT, at=now)
    beat.at, beat.detail = now, {"problems": len(problems)}
    session.add(beat)
    if problems:
        text = desk.say(desk.rules.staff_language, "notice.inspection", problems=" ".join(problems))
        await notices.tell_managers(session, now, text, desk.rules.quiet)
