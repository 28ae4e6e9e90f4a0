"""What waits in the inbox: looked for by statements that are made once, for this is done for every message."""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, and_, bindparam, func, or_, select
from sqlmodel import UTCDateTime, col
from sqlmodel.ext.asyncio.session import AsyncSession

from audit import rows
from bot.tables import InboxRow, InboxState


class Pending(NamedTuple):
    """A row of the inbox as it stood when it was looked for."""

    id: int
    channel: str
    account: str
    update_id: str
    thread: str
    sealed: str
    attempts: int
    received_at: datetime
    problem: str | None
    album: str | None


IS_PENDING = col(InboxRow.state) == InboxState.PENDING
_ROW: list[Any] = [getattr(InboxRow, name) for name in Pending._fields]
_PARTS = (
    select(*_ROW)
    .where(IS_PENDING, col(InboxRow.thread) == bindparam("thread"), col(InboxRow.album) == bindparam("album"))
    .where(col(InboxRow.id) != bindparam("but"))
    .order_by(col(InboxRow.id))
)


class Heads:
    """The oldest pending row of each thread of these accounts: what may take effect next."""

    def __init__(self, accounts: Iterable[tuple[str, str]]) -> None:
        """`accounts` are names of a channel and an account."""
        self._look = _look(list(accounts))

    async def find(self, session: AsyncSession, now: datetime, limit: int, busy: Collection[str]) -> list[Pending]:
        """Those that may be tried now, oldest first; none of a thread in `busy`."""
        taken = frozenset(busy)  # as of this look: who is done meanwhile still waits in it
        most = limit + len(taken)
        found = await rows.in_one_trip(session, lambda it: rows.find_all(it, self._look, at=now, most=most))
        return [row for row in (Pending(*one) for one in found) if row.thread not in taken][:limit]


def _look(accounts: list[tuple[str, str]]) -> Select[Any]:
    known = (and_(col(InboxRow.channel) == channel, col(InboxRow.account) == account) for channel, account in accounts)
    heads = select(func.min(InboxRow.id)).where(IS_PENDING).group_by(col(InboxRow.thread))
    return (
        select(*_ROW)
        .where(col(InboxRow.id).in_(heads), or_(False, *known))
        .where(col(InboxRow.not_before) <= bindparam("at", type_=UTCDateTime()))
        .order_by(col(InboxRow.id))
        .limit(bindparam("most"))
    )


async def parts_beside(session: AsyncSession, row: Pending) -> list[Pending]:
    """What came of this row's album beside it."""
    facts = {"thread": row.thread, "album": row.album, "but": row.id}
    found = await rows.in_one_trip(session, lambda connection: rows.find_all(connection, _PARTS, **facts))
    return [Pending(*one) for one in found]


def of_album(thread: str, album: str | None) -> tuple[ColumnElement[bool], ...]:
    return (col(InboxRow.thread) == thread, IS_PENDING, col(InboxRow.album) == album)


def still(row: Pending | InboxRow) -> tuple[ColumnElement[bool], ...]:
    return (col(InboxRow.id) == row.id, IS_PENDING)
