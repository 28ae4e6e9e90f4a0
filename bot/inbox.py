"""What was stored at the door takes effect once, in order per buyer.

Any number of processes may work it off: a row's state says who was first.
"""

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Protocol

from sqlalchemy import ColumnElement, and_, bindparam, delete, func, or_, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from audit import rows
from audit.trail import record
from bot.bell import Bell
from bot.channels.port import Channel, Fetches, Inbound, Kind, Rationed, Update
from bot.errors import FileAway
from bot.faults import place_of
from bot.tables import InboxRow, InboxState
from bot.together import Together, Work
from bot.transactions import Transactions
from shop.rotation import Seals, text_not_under
from shop.vault import Vault
from tickets import conversations, reply_windows
from tickets.tables import id_of

log = logging.getLogger(__name__)

# Waits before the second to the fifth try; their sum, how long a poisoned row holds its buyer up, is under a minute.
BACKOFF = tuple(timedelta(seconds=seconds) for seconds in (1, 4, 10, 30))
FLOOD = "the first of a flood"  # the problem of a row after which its buyer is told that the rest is queued
LANES = 8  # buyers served at a time by one process
SPREAD = 4  # times as many of the oldest among which several processes choose theirs
MORE = {"shop": 8, "file": 64}  # buyers served beside these, while their lanes wait for others; a shop may be our own
LOOK_EVERY = 1.0  # seconds between looks for rows that another process stored
FETCH_TRIES = 4  # before a message is read without the file that came along: with their waits, under a minute
QUIET = timedelta(seconds=1)  # without another part, before an album is taken for complete
LONGEST = timedelta(seconds=5)  # that an album is waited for


class Dialogue(Protocol):
    """What an update means and what follows from it; `bot.dialogue.Dialogue` is one."""

    async def set_scene(self, session: AsyncSession, now: datetime, inbound: Inbound) -> Any:
        """What must be known before the shop is asked; reads only."""

    async def look_up(self, scene: Any, inbound: Inbound) -> Any:
        """Ask the shop, however long it takes; no transaction is open."""

    async def answer(self, session: AsyncSession, now: datetime, inbound: Inbound, looked: Any) -> None:
        """Decide, and write everything that follows into the caller's transaction."""

    async def apologise(self, session: AsyncSession, now: datetime, inbound: Inbound) -> None:
        """Tell the buyer that a message of theirs was laid aside."""

    async def calm(self, session: AsyncSession, now: datetime, inbound: Inbound) -> None:
        """Tell the buyer that they write too fast, and that the rest is queued."""


class Inbox:
    """Works stored updates off: each in one transaction with all its effects."""

    def __init__(
        self,
        database: Transactions,
        vault: Vault,
        channels: Iterable[Channel],
        dialogue: Dialogue,
        clock: Callable[[], datetime],
        *,
        bell: Bell,
        outbox_bell: Bell,
    ) -> None:
        self._database = database
        self._together = Together(database, LANES)
        self._vault = vault
        self._channels = {(channel.name, channel.account): channel for channel in channels}
        self._dialogue = dialogue
        self._clock = clock
        self._bell = bell
        self._outbox_bell = outbox_bell
        self._busy: set[str] = set()  # threads that a lane of this process serves now
        self._away = Counter[str]()  # lanes that wait for others, by what for

    async def run(self) -> None:
        """Serve until cancelled."""
        while True:
            try:
                await self.drain()
            except Exception as error:  # the database is away: weather, not a reason to stop
                log.error("the inbox stumbled: %s", place_of(error))
            await self._bell.wait(LOOK_EVERY)

    async def drain(self) -> int:
        """Serve until nothing is ready; how many rows took effect."""
        done = 0
        lanes: set[asyncio.Task[int]] = set()
        try:
            while True:
                room = LANES - len(lanes) + sum(min(self._away[what], most) for what, most in MORE.items())
                for row in await self._heads(room) if room > 0 else ():
                    self._busy.add(row.thread)
                    lanes.add(asyncio.create_task(self._serve(row)))
                if not lanes:
                    return done
                # Others may have come while all lanes are slow.
                finished, lanes = await asyncio.wait(lanes, timeout=LOOK_EVERY, return_when=asyncio.FIRST_COMPLETED)
                done += sum(lane.result() for lane in finished)
        finally:
            for lane in lanes:
                lane.cancel()
            await asyncio.gather(*lanes, return_exceptions=True)

    async def _heads(self, limit: int) -> Sequence[InboxRow]:
        """The oldest pending row of each thread that is free and whose row may be tried now, oldest first."""
        if not self._channels:
            return ()
        known = or_(
            *(
                and_(col(InboxRow.channel) == channel, col(InboxRow.account) == account)
                for channel, account in self._channels
            )
        )
        is_pending = col(InboxRow.state) == InboxState.PENDING
        heads = select(func.min(InboxRow.id)).where(is_pending).group_by(col(InboxRow.thread))
        ready = (
            select(InboxRow)
            .where(col(InboxRow.id).in_(heads), known, col(InboxRow.not_before) <= self._clock())
            .where(col(InboxRow.thread).not_in(self._busy))
            .order_by(col(InboxRow.id))
            .limit(limit if self._database.has_one_writer else limit * SPREAD)
        )
        async with self._database.reading(is_brief=True) as session:
            found = (await session.exec(ready)).all()
        # Other processes look at the same moment: who takes a row that another has taken has worked for nothing.
        return found if len(found) <= limit else random.sample(found, limit)

    async def _serve(self, row: InboxRow) -> int:
        try:
            return int(await self._take_effect(row))
        except Exception as error:
            await self._put_back(row, place_of(error), error.retry_after if isinstance(error, FileAway) else None)
            return 0
        finally:
            self._busy.discard(row.thread)

    async def _take_effect(self, row: InboxRow) -> bool:
        """Look things up with no transaction open, then decide and write everything in one."""
        parts = await self._parts(row) if row.album else ()
        inbound = await self._fetch(row, join([self._read(one) for one in (row, *parts)]))
        async with self._database.reading(is_brief=True) as session:
            scene = await self._dialogue.set_scene(session, self._clock(), inbound)
        with self._waiting("shop"):
            looked = await self._dialogue.look_up(scene, inbound)

        async def answer(session: AsyncSession) -> bool:
            if not await _finish(session, row):
                return False
            for part in parts:  # who has the first has them all
                await _finish(session, part)
            await self._dialogue.answer(session, self._clock(), inbound, looked)
            await self._allow(session, row, inbound)
            if row.problem == FLOOD:
                await self._dialogue.calm(session, self._clock(), inbound)
            return True

        is_ours = await self._write(row, answer)
        self._outbox_bell.ring()
        return is_ours

    async def _allow(self, session: AsyncSession, row: InboxRow, inbound: Inbound) -> None:
        """Note how long, and how often, the messenger lets us answer this."""
        channel = self._channels[row.channel, row.account]
        if isinstance(channel, Rationed) and (allowance := channel.allowance_after(inbound)) is not None:
            conversation = await conversations.find(session, row.channel, row.account, inbound.address)
            if conversation is not None:
                await reply_windows.renew(session, inbound.sent_at, id_of(conversation), allowance)

    async def _write(self, row: InboxRow, work: Work[bool]) -> bool:
        """Where one writes at a time buyers share a commit; elsewhere they need not wait for each other's locks."""
        if self._database.has_one_writer and not row.attempts:
            return await self._together.write(work)
        async with self._database.writing(is_brief=True) as session:
            return await work(session)

    async def _parts(self, row: InboxRow) -> Sequence[InboxRow]:
        """What came of this row's album beside it. What comes later is a message of its own."""
        beside = (*of_album(row.thread, row.album), col(InboxRow.id) != row.id)
        async with self._database.reading() as session:
            return (await session.exec(select(InboxRow).where(*beside).order_by(col(InboxRow.id)))).all()

    async def _fetch(self, row: InboxRow, inbound: Inbound) -> Inbound:
        channel = self._channels[row.channel, row.account]
        if not inbound.attachments or not isinstance(channel, Fetches):
            return inbound
        with self._waiting("file"):
            return await channel.fetch(inbound, is_last=row.attempts + 1 >= FETCH_TRIES)

    @contextmanager
    def _waiting(self, what: str) -> Iterator[None]:
        """While a lane waits for others, it does not keep other buyers waiting."""
        self._away[what] += 1
        try:
            yield
        finally:
            self._away[what] -= 1

    def _read(self, row: InboxRow) -> Inbound:
        channel = self._channels[row.channel, row.account]
        raw = self._vault.open_text("inbox", seal_id(row.channel, row.account, row.update_id), row.sealed)
        address = row.thread.removeprefix(f"{row.channel}:{row.account}:")
        return channel.read(Update(row.channel, row.account, row.update_id, address, raw))

    async def _put_back(self, row: InboxRow, problem: str, least: timedelta | None = None) -> None:
        """Count the failure; the row waits for its next try, or is laid aside for a person."""
        attempts = row.attempts + 1
        is_dead = attempts > len(BACKOFF)
        now = self._clock()
        values = {"attempts": attempts, "problem": problem}
        if is_dead:
            values["state"] = InboxState.DEAD
        else:
            # No file is worth that its buyer waits longer than for any failure.
            values["not_before"] = now + min(max(BACKOFF[row.attempts], least or BACKOFF[0]), BACKOFF[-1])
        async with self._database.writing() as session:
            counted = await session.exec(
                update(InboxRow).where(*still(row), col(InboxRow.attempts) == row.attempts).values(**values)
            )
            is_ours = counted.rowcount == 1
            if is_ours and is_dead:
                record(session, now, "bot", "inbox.died", f"inbox:{row.id}", None, {"problem": problem})
                if row.album:  # each part would fail as the whole did, and hold its buyer up as long
                    parts = update(InboxRow).where(*of_album(row.thread, row.album))
                    await session.exec(parts.values(state=InboxState.DEAD, problem=problem))
        log.error("inbox row %s %s: %s", row.id, "was laid aside" if is_dead else "failed", problem)
        if is_ours and is_dead:
            await self._apologise(row)

    async def _apologise(self, row: InboxRow) -> None:
        """A message that is lost to us must not be lost on the buyer."""
        try:
            inbound = self._read(row)
            async with self._database.writing() as session:
                await self._dialogue.apologise(session, self._clock(), inbound)
        except Exception as error:  # whatever broke the message may break this too
            log.error("the sender of inbox row %s could not be told: %s", row.id, place_of(error))
        self._outbox_bell.ring()


async def forget_done(session: AsyncSession, before: datetime) -> int:
    """Delete the rows that took effect before this instant; a repeat of their updates would count as new."""
    done = delete(InboxRow).where(col(InboxRow.state) == InboxState.DONE, col(InboxRow.received_at) < before)
    gone: int = (await session.exec(done)).rowcount
    return gone


async def is_settled(session: AsyncSession, channel: str, account: str) -> bool:
    """Whether every update of this account took effect or was laid aside."""
    pending = select(InboxRow.id).where(InboxRow.channel == channel, InboxRow.account == account)
    return (await session.exec(pending.where(InboxRow.state == InboxState.PENDING).limit(1))).first() is None


async def has_unheard(session: AsyncSession, channel: str, account: str, address: str) -> bool:
    """Whether something that came from this address waits to take effect, or was laid aside for a person to look at."""
    for state in (InboxState.PENDING, InboxState.DEAD):
        here = (InboxRow.thread == f"{channel}:{account}:{address}", InboxRow.state == state)
        if (await session.exec(select(InboxRow.id).where(*here).limit(1))).first() is not None:
            return True
    return False


async def _finish(session: AsyncSession, row: InboxRow) -> bool:
    """Claim the row's effects for this transaction: of all who try, one gets True. The raw update goes with it."""
    claimed = await rows.in_one_trip(session, lambda connection: rows.carry_out(connection, _FINISH, number=row.id))
    return claimed == 1


_FINISH = (
    update(InboxRow)
    .where(col(InboxRow.id) == bindparam("number"), col(InboxRow.state) == InboxState.PENDING)
    .values(state=InboxState.DONE, sealed="")
)


def join(parts: Sequence[Inbound]) -> Inbound:
    """The parts of one message as that message, known by the part that has words."""
    first = next((one for one in parts if one.text), parts[0])
    if len(parts) == 1:
        return first
    return replace(
        first,
        kind=next((one.kind for one in parts if one.kind == Kind.PHOTO), first.kind),
        text="\n".join(one.text for one in parts if one.text),
        attachments=tuple(attachment for one in parts for attachment in one.attachments),
        reply_to=next((one.reply_to for one in parts if one.reply_to), ""),
    )


def of_album(thread: str, album: str | None) -> tuple[ColumnElement[bool], ...]:
    is_pending = col(InboxRow.state) == InboxState.PENDING
    return (col(InboxRow.thread) == thread, is_pending, col(InboxRow.album) == album)


def still(row: InboxRow) -> tuple[ColumnElement[bool], ...]:
    return (col(InboxRow.id) == row.id, col(InboxRow.state) == InboxState.PENDING)


def _renew(vault: Vault, row: InboxRow) -> None:
    row.sealed = vault.renew_text("inbox", seal_id(row.channel, row.account, row.update_id), row.sealed)


SEALS = Seals(InboxRow, text_not_under(col(InboxRow.sealed)), _renew)


def seal_id(channel: str, account: str, update_id: str) -> str:
    return f"{channel}:{account}:{update_id}"
