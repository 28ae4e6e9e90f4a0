"""Escalates before a messenger stops taking answers: what is not said by then cannot be said.

The instant stands on the window. A tick only finds it and acts, guarded by the row that it locks: however late, however
often and by however many schedulers it runs, each window is warned of once.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from tickets.alarms import ACTOR, Database
from tickets.changes import lock_ticket
from tickets.ladder import Ladder
from tickets.tables import Level, Phase, ReplyWindow, Ticket, Trigger

PAGE = 100  # windows found at a time


async def ring(database: Database, clock: Callable[[], datetime], ladder: Ladder, before: timedelta) -> int:
    """Warn of every window that closes within `before` while its buyer waits for us; of how many tickets."""
    warned = 0
    while True:
        async with database.reading() as session:
            found = await _closing(session, clock(), before)
        for conversation_id in found:
            async with database.writing() as session:
                warned += await _warn(session, clock(), ladder, conversation_id)
        if len(found) < PAGE:
            return warned


async def _closing(session: AsyncSession, now: datetime, before: timedelta) -> list[int]:
    near = (col(ReplyWindow.closes_at) > now, col(ReplyWindow.closes_at) <= now + before)
    found = select(ReplyWindow.conversation_id).where(*near, col(ReplyWindow.warned_at).is_(None))
    return list((await session.exec(found.order_by(col(ReplyWindow.closes_at)).limit(PAGE))).all())


async def _warn(session: AsyncSession, now: datetime, ladder: Ladder, conversation_id: int) -> int:
    waiting = (
        Ticket.conversation_id == conversation_id,
        Ticket.phase == Phase.OPEN,
        col(Ticket.merged_into_id).is_(None),
    )
    numbers = select(Ticket.id).where(*waiting, col(Ticket.waiting_since).is_not(None)).order_by(col(Ticket.id))
    tickets = [await lock_ticket(session, number) for number in (await session.exec(numbers)).all() if number]
    window = await session.get(ReplyWindow, conversation_id, with_for_update=True, populate_existing=True)
    if window is None or window.warned_at is not None:
        return 0
    window.warned_at = now
    for ticket in tickets:
        if not await ladder.escalate(session, now, ticket, Level.LEAD, Trigger.WINDOW, actor=ACTOR):
            await ladder.tell_staff(session, now, ticket, "notice.window", left=window.messages_left)
    return len(tickets)
