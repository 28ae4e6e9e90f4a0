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

from sqlalchemy import bindparam, delete, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from audit import rows
from audit.trail import record
from bot.bell import Bell
from bot.channels.port import Channel, Fetches, Inbound, Kind, Rationed, Update
from bot.errors import FileAway
from bot.faults import place_of
from bot.pending import Heads, Pending, of_album, parts_beside, still
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
SPREAD = 8  # times the lanes: so many of the oldest among which several processes choose theirs
MORE = {"shop": 8, "file": 64}  # buyers served beside these, while their lanes wait for others; a shop may be our own
LOOK_EVERY = 1.0  # seconds between looks for rows that another process stored
FETCH_TRIES = 4  # before a message is read without the file that came along: with their waits, under a minute
FILE_LIMIT = 10 << 20  # bytes of a document or recording that is kept
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


Known = tuple[Inbound, Any]  # what a message says, and its scene


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
        file_limit: int = FILE_LIMIT,
        guests: Together | None = None,
    ) -> None:
        """What waits among the `guests`, such as the door's updates, is written with the turns of buyers."""
        self._database = database
        self._file_limit = file_limit
        self._together = Together(database, LANES, guests=guests)
        self._vault = vault
        self._channels = {(channel.name, channel.account): channel for channel in channels}
        self._heads = Heads(self._channels)
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
                for row, known in await self._ready(room) if room > 0 else ():
                    self._busy.add(row.thread)
                    lanes.add(asyncio.create_task(self._serve(row, known)))
                if not lanes:
                    return done
                # Others may have come while all lanes are slow.
                finished, lanes = await asyncio.wait(lanes, timeout=LOOK_EVERY, return_when=asyncio.FIRST_COMPLETED)
                done += sum(lane.result() for lane in finished)
        finally:
            for lane in lanes:
                lane.cancel()
            await asyncio.gather(*lanes, return_exceptions=True)

    async def _ready(self, limit: int) -> Sequence[tuple[Pending, Known | None]]:
        """What may be tried now of the threads that are free, oldest first."""
        if not self._channels:
            return ()
        async with self._database.reading(is_brief=True) as session:
            if self._database.has_one_writer:
                found = await self._heads.find(session, self._clock(), limit, self._busy)
                return [(row, await self._foresee(session, row)) for row in found]
            found = await self._heads.find(session, self._clock(), max(limit, LANES) * SPREAD, self._busy)
        # Other processes look at the same moment: who takes a row that another has taken has worked for nothing.
        return [(row, None) for row in (found if len(found) <= limit else random.sample(found, limit))]

    async def _foresee(self, session: AsyncSession, row: Pending) -> Known | None:
        """What a plain message says, and its scene: one view serves many, where it keeps nobody waiting."""
        await asyncio.sleep(0)
        if row.album or row.attempts:
            return None
        try:
            inbound = self._read(row)
            return None if inbound.attachments else (inbound, await self._set_scene(session, inbound))
        except Exception:  # its lane will meet the same, and count it
            return None

    async def _set_scene(self, session: AsyncSession, inbound: Inbound) -> Any:
        return await self._dialogue.set_scene(session, self._clock(), inbound)

    async def _serve(self, row: Pending, known: Known | None) -> int:
        try:
            return int(await self._take_effect(row, known))
        except Exception as error:
            await self._put_back(row, place_of(error), error.retry_after if isinstance(error, FileAway) else None)
            return 0
        finally:
            self._busy.discard(row.thread)

    async def _take_effect(self, row: Pending, known: Known | None) -> bool:
        """Look things up with no transaction open, then decide and write everything in one."""
        parts = await self._parts(row) if row.album else ()
        inbound, scene = known or await self._understand(row, parts)
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

    async def _allow(self, session: AsyncSession, row: Pending, inbound: Inbound) -> None:
        """Note how long, and how often, the messenger lets us answer this."""
        channel = self._channels[row.channel, row.account]
        if isinstance(channel, Rationed) and (allowance := channel.allowance_after(inbound)) is not None:
            conversation = await conversations.find(session, row.channel, row.account, inbound.address)
            if conversation is not None:
                about = (id_of(conversation), allowance)
                await reply_windows.renew(session, inbound.sent_at, *about, came_at=row.received_at)

    async def _write(self, row: Pending, work: Work[bool]) -> bool:
        """Where one writes at a time buyers share a commit; elsewhere they need not wait for each other's locks."""
        if self._database.has_one_writer and not row.attempts:
            return await self._together.write(work)
        async with self._database.writing(is_brief=True) as session:
            return await work(session)

    async def _parts(self, row: Pending) -> Sequence[Pending]:
        """What came of this row's album beside it. What comes later is a message of its own."""
        async with self._database.reading(is_brief=True) as session:
            return await parts_beside(session, row)

    async def _understand(self, row: Pending, parts: Sequence[Pending]) -> Known:
        inbound = await self._fetch(row, join([self._read(one) for one in (row, *parts)]))
        async with self._database.reading(is_brief=True) as session:
            return inbound, await self._set_scene(session, inbound)

    async def _fetch(self, row: Pending, inbound: Inbound) -> Inbound:
        channel = self._channels[row.channel, row.account]
        if not inbound.attachments or not isinstance(channel, Fetches):
            return inbound
        with self._waiting("file"):
            is_last = row.attempts + 1 >= FETCH_TRIES
            return await channel.fetch(inbound, is_last=is_last, file_limit=self._file_limit)

    @contextmanager
    def _waiting(self, what: str) -> Iterator[None]:
        """While a lane waits for others, it does not keep other buyers waiting."""
        self._away[what] += 1
        try:
            yield
        finally:
            self._away[what] -= 1

    def _read(self, row: Pending) -> Inbound:
        channel = self._channels[row.channel, row.account]
        raw = self._vault.open_text("inbox", seal_id(row.channel, row.account, row.update_id), row.sealed)
        address = row.thread.removeprefix(f"{row.channel}:{row.account}:")
        return channel.read(Update(row.channel, row.account, row.update_id, address, raw))

    async def _put_back(self, row: Pending, problem: str, least: timedelta | None = None) -> None:
        """Count the failure; the row waits for its next try, or is laid aside for a person."""
        if row.attempts >= len(BACKOFF):
            await self._lay_aside(row, problem)
            return
        # No file is worth that its buyer waits longer than for any failure.
        wait = min(max(BACKOFF[row.attempts], least or BACKOFF[0]), BACKOFF[-1])
        async with self._database.writing() as session:
            await _count(session, row, problem, not_before=self._clock() + wait)
        log.error("inbox row %s failed: %s", row.id, problem)

    async def _lay_aside(self, row: Pending, problem: str) -> None:
        """A message that is lost to us must not be lost on the buyer: who is killed here has done neither."""
        try:
            inbound = self._read(row)
            async with self._database.writing() as session:
                if await self._bury(session, row, problem):
                    await self._dialogue.apologise(session, self._clock(), inbound)
        except Exception as error:  # whatever broke the message may break this too
            log.error("the sender of inbox row %s could not be told: %s", row.id, place_of(error))
            async with self._database.writing() as session:
                await self._bury(session, row, problem)
        log.error("inbox row %s was laid aside: %s", row.id, problem)
        self._outbox_bell.ring()

    async def _bury(self, session: AsyncSession, row: Pending, problem: str) -> bool:
        """Whether it was us."""
        is_ours = await _count(session, row, problem, state=InboxState.DEAD)
        if is_ours:
            record(session, self._clock(), "bot", "inbox.died", f"inbox:{row.id}", None, {"problem": problem})
            if row.album:  # each part would fail as the whole did, and hold its buyer up as long
                parts = update(InboxRow).where(*of_album(row.thread, row.album))
                await session.exec(parts.values(state=InboxState.DEAD, problem=problem))
        return is_ours


async def _count(session: AsyncSession, row: Pending, problem: str, **values: Any) -> bool:
    """One more try that failed, unless another process has counted it."""
    counted = update(InboxRow).where(*still(row), col(InboxRow.attempts) == row.attempts)
    found = await session.exec(counted.values(attempts=row.attempts + 1, problem=problem, **values))
    return bool(found.rowcount == 1)


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


async def _finish(session: AsyncSession, row: Pending) -> bool:
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


def _renew(vault: Vault, row: InboxRow) -> None:
    row.sealed = vault.renew_text("inbox", seal_id(row.channel, row.account, row.update_id), row.sealed)


SEALS = Seals(InboxRow, text_not_under(col(InboxRow.sealed)), _renew)


def seal_id(channel: str, account: str, update_id: str) -> str:
    return f"{channel}:{account}:{update_id}"
