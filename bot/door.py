"""Where updates come in: stored before they are acknowledged, those that arrive together in one transaction."""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import update as changing
from sqlalchemy.dialects.postgresql import insert  # SQLite's words for ON CONFLICT are the same
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from audit import rows
from bot.bell import Bell
from bot.channels.pace import Queue
from bot.channels.port import Update
from bot.inbox import FLOOD, LONGEST, QUIET, seal_id
from bot.pending import of_album, still
from bot.tables import InboxRow, InboxState
from bot.together import Together
from bot.transactions import Transactions
from shop.vault import Vault

TOGETHER = 40  # calls of channels whose updates share a transaction

Place = tuple[datetime, bool]  # when an update may take effect, and whether it begins a flood

_STORE = insert(InboxRow).on_conflict_do_nothing().inline()


async def store(
    session: AsyncSession,
    now: datetime,
    vault: Vault,
    update: Update,
    not_before: datetime | None = None,
    problem: str | None = None,
) -> bool:
    """Add one raw update, sealed, to the caller's transaction; False when it is a repeat."""
    values = {
        "channel": update.channel,
        "account": update.account,
        "update_id": update.update_id,
        "thread": thread_of(update),
        "sealed": vault.seal_text("inbox", seal_id(update.channel, update.account, update.update_id), update.raw),
        "received_at": now,
        "state": InboxState.PENDING,
        "attempts": 0,
        "not_before": not_before or now,
        "problem": problem,
        "album": update.album or None,
    }
    return await rows.in_one_trip(session, lambda connection: rows.carry_out(connection, _STORE, **values)) == 1


class Door:
    """Where channels hand updates over. Who floods is told so once, and what they sent takes effect at their pace."""

    def __init__(
        self,
        database: Transactions,
        vault: Vault,
        clock: Callable[[], datetime],
        bell: Bell,
        rate: int = 40,  # messages a minute of one buyer that take effect
    ) -> None:
        self._queue = Queue(rate)
        self.together = Together(database, TOGETHER, is_urgent=True)
        self._vault = vault
        self._clock = clock
        self._bell = bell

    async def accept(self, *updates: Update) -> int:
        """Store the updates; when this returns they are committed, all of them, and may be acknowledged."""
        if not updates:
            return 0
        places: dict[int, Place] = {}  # once: the work may be begun twice

        async def keep(session: AsyncSession) -> int:
            return sum([await self._store(session, one, places) for one in updates])

        fresh = await self.together.write(keep)
        self._bell.ring()
        return fresh

    async def _store(self, session: AsyncSession, update: Update, places: dict[int, Place]) -> bool:
        now, sender = self._clock(), thread_of(update)
        if update.album and await _wait_for_more(session, now, sender, update.album):
            return await store(session, now, self._vault, update, now + QUIET)
        if id(update) not in places:
            places[id(update)] = self._queue.place(sender, now)
        not_before, is_first = places[id(update)]
        not_before = max(not_before, now + QUIET) if update.album else not_before
        return await store(session, now, self._vault, update, not_before, FLOOD if is_first else None)


def thread_of(update: Update) -> str:
    """Updates of one thread take effect in order."""
    return f"{update.channel}:{update.account}:{update.address}"


async def _wait_for_more(session: AsyncSession, now: datetime, thread: str, album: str) -> bool:
    """Whether parts of this album wait already; they wait for the next one too, though not for ever."""
    found = await session.exec(select(InboxRow).where(*of_album(thread, album)).order_by(col(InboxRow.id)).limit(1))
    first = found.first()
    if first is None:
        return False
    until = max(first.not_before, min(now + QUIET, first.received_at + LONGEST))
    await session.exec(changing(InboxRow).where(*still(first)).values(not_before=until))
    return True
