"""The dead-letter list: updates that failed too often, kept for a person to try again or to drop."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, tuple_, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from audit.trail import record
from bot.errors import NotLaidAside
from bot.tables import InboxRow, InboxState
from tickets.tables import Conversation

_IS_DEAD = col(InboxRow.state) == InboxState.DEAD


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An update that was laid aside, without its words: they are sealed."""

    id: int
    channel: str
    conversation_id: int | None  # None: the buyer was never met
    received_at: datetime
    problem: str  # the kind and place of the failure


async def count(session: AsyncSession) -> int:
    return (await session.exec(select(func.count()).select_from(InboxRow).where(_IS_DEAD))).one()


async def latest(session: AsyncSession, limit: int) -> list[DeadLetter]:
    """Newest first."""
    found = await session.exec(select(InboxRow).where(_IS_DEAD).order_by(col(InboxRow.id).desc()).limit(limit))
    rows = found.all()
    known = await _conversations(session, rows)
    return [
        DeadLetter(row.id, row.channel, known.get(_place(row)), row.received_at, row.problem or "")
        for row in rows
        if row.id is not None
    ]


async def retry(session: AsyncSession, now: datetime, row_id: int, actor: str) -> None:
    """Let the update take effect after all; raises `NotLaidAside`. Its buyer may have said it again since."""
    problem = await _leave(session, row_id, state=InboxState.PENDING, attempts=0, not_before=now, problem=None)
    before, after = {"state": InboxState.DEAD, "problem": problem}, {"state": InboxState.PENDING}
    record(session, now, actor, "inbox.retried", f"inbox:{row_id}", before, after)


async def drop(session: AsyncSession, now: datetime, row_id: int, actor: str) -> None:
    """Give the update up for good, and its words with it; raises `NotLaidAside`."""
    problem = await _leave(session, row_id, state=InboxState.DONE, sealed="")
    before, after = {"state": InboxState.DEAD, "problem": problem}, {"state": InboxState.DONE}
    record(session, now, actor, "inbox.dropped", f"inbox:{row_id}", before, after)


async def _leave(session: AsyncSession, row_id: int, **values: object) -> str | None:
    """Move the row off the list, of any number of callers once; the problem that it had."""
    problem = (await session.exec(select(InboxRow.problem).where(InboxRow.id == row_id, _IS_DEAD))).first()
    moved = await session.exec(update(InboxRow).where(col(InboxRow.id) == row_id, _IS_DEAD).values(**values))
    if moved.rowcount != 1:
        raise NotLaidAside(row=row_id)
    return problem


def _place(row: InboxRow) -> tuple[str, str, str]:
    return row.channel, row.account, row.thread.removeprefix(f"{row.channel}:{row.account}:")


async def _conversations(session: AsyncSession, rows: Sequence[InboxRow]) -> dict[tuple[str, str, str], int]:
    place = Conversation.channel, Conversation.account, Conversation.address
    found = await session.exec(select(Conversation).where(tuple_(*place).in_({_place(row) for row in rows})))
    return {(one.channel, one.account, one.address): one.id for one in found.all() if one.id is not None}
