"""A message that was taken for delivered did not arrive after all: what followed from its arrival is undone."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, func
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from audit.trail import record
from tickets import clocks, outbox, reply_windows
from tickets.changes import lock_ticket
from tickets.ladder import Ladder
from tickets.reply_windows import Allowance
from tickets.tables import Clock, Message, Outgoing, Pause, Phase, Sending, Ticket, id_of

LOST = "!"  # before the channel's id of a part that it took and did not deliver


@dataclass(frozen=True, slots=True)
class Loss:
    """What a channel says of a message that it had taken."""

    outgoing_id: int  # the first of those that went out in it
    foreign_id: str  # the channel's id of it, or of a part of it: the parts before have arrived
    state: Sending  # that follows
    problem: str
    allowance: Allowance | None = None  # that it was paid from, where it counts as not spent


class TakingBack(Ladder):
    """The verb of what was taken for delivered."""

    async def take_back_message(self, session: AsyncSession, now: datetime, loss: Loss) -> int:
        """As if it had failed when it was sent: it handles nothing, and nobody was waited for; how many went out in it.

        Who has the ticket is told. A clock that another answer met since is met by that one. Of a message that failed
        before, this part did not arrive either.
        """
        held: dict[int, Ticket] = {}
        while missing := {row.ticket_id for row in await _sent(session, loss) if row.ticket_id} - held.keys():
            held |= {number: await lock_ticket(session, number) for number in sorted(missing)}
        lost = await _sent(session, loss, is_held=True)
        for row in lost:
            sent_at = row.sent_at
            row.state, row.problem, row.not_before = loss.state, loss.problem, now
            row.foreign_id = _arrived(row.foreign_id or "", loss.foreign_id)
            session.add(row)
            after = {"state": loss.state, "problem": loss.problem}
            record(session, now, "bot", "message.taken_back", f"outgoing:{row.id}", {"state": Sending.SENT}, after)
            await session.flush()
            if row.handles and row.ticket_id and sent_at:
                await self._undo(session, now, held[row.ticket_id], row, sent_at)
        if not lost:
            await _note_lost_part(session, now, loss)
        if lost and loss.allowance and (sent_at := lost[0].sent_at):
            await reply_windows.take_back(session, sent_at, lost[0].conversation_id, loss.allowance)
        return len(lost)

    async def _undo(
        self, session: AsyncSession, now: datetime, ticket: Ticket, row: Outgoing, sent_at: datetime
    ) -> None:
        cycle = await clocks.get_cycle(session, ticket)
        reopened = await _met_by(session, ticket, sent_at)
        for clock in reopened:
            clock.met_at = await _answered_later(session, clock, row)
            if clock.met_at is None and (clock.cycle_id != cycle.id or ticket.phase == Phase.CLOSED):
                clock.stopped_at = now  # that wait is over, whoever ended it: there is no verdict on it
            session.add(clock)
        if any(clock.met_at is None and clock.stopped_at is None for clock in reopened):
            await self._wait_as_before(session, now, reopened, id_of(cycle), sent_at)
        facts = {"message": row.message_id, "met_at": None}
        record(
            session, now, "system", "ticket.unhandled", f"ticket:{ticket.id}", {"met_at": sent_at.isoformat()}, facts
        )
        await self.tell_staff(session, now, ticket, "notice.taken_back", holder=True)

    async def _wait_as_before(
        self, session: AsyncSession, now: datetime, reopened: Sequence[Clock], cycle_id: int, sent_at: datetime
    ) -> None:
        """The buyer was never waited for, and their later words belong to the wait that goes on."""
        found = await session.exec(select(Pause).where(Pause.cycle_id == cycle_id, Pause.since == sent_at))
        for pause in found.all():
            pause.until = pause.since
            session.add(pause)
        goes_on = {clock.metric: clock.id for clock in reopened if clock.met_at is None and clock.stopped_at is None}
        running = select(Clock).where(Clock.cycle_id == cycle_id, *clocks.is_running())
        for clock in (await session.exec(running)).all():
            if clock.metric in goes_on and clock.id != goes_on[clock.metric]:
                clock.stopped_at = now
                session.add(clock)
        await clocks.reckon(session, [cycle_id], self.rules)


async def _sent(session: AsyncSession, loss: Loss, *, is_held: bool = False) -> Sequence[Outgoing]:
    """What went out in this message, the first first."""
    first = await session.get(Outgoing, loss.outgoing_id, populate_existing=True)
    if first is None or first.state != Sending.SENT or loss.foreign_id not in (first.foreign_id or "").split(","):
        return ()
    here = (col(Outgoing.conversation_id) == first.conversation_id, col(Outgoing.id) >= loss.outgoing_id)
    same = (col(Outgoing.foreign_id) == first.foreign_id, col(Outgoing.state) == Sending.SENT)
    found = select(Outgoing).where(*here, *same).order_by(col(Outgoing.id)).execution_options(populate_existing=True)
    return (await session.exec(found.with_for_update() if is_held else found)).all()


async def _note_lost_part(session: AsyncSession, now: datetime, loss: Loss) -> None:
    row = await session.get(Outgoing, loss.outgoing_id, populate_existing=True, with_for_update=True)
    if row is None or row.state not in outbox.LOST or LOST + loss.foreign_id in (row.foreign_id or "").split(","):
        return
    before = {"state": row.state, "problem": row.problem}
    row.state = loss.state if row.state == Sending.UNKNOWN else row.state
    row.problem, row.foreign_id = loss.problem, _arrived(row.foreign_id or "", loss.foreign_id)
    session.add(row)
    after = {"state": row.state, "problem": row.problem}
    record(session, now, "bot", "message.taken_back", f"outgoing:{row.id}", before, after)


def _arrived(ids: str, lost: str) -> str:
    """Of the parts of a message those before the lost one, and that, marked: its id is never used again."""
    parts = ids.split(",") if ids else []
    return ",".join([*(parts[: parts.index(lost)] if lost in parts else parts), LOST + lost])


async def _met_by(session: AsyncSession, ticket: Ticket, sent_at: datetime) -> Sequence[Clock]:
    answered: tuple[ColumnElement[bool], ...] = (
        col(Clock.metric).in_(clocks.ANSWERED),
        col(Clock.met_at) == sent_at,
        col(Clock.stopped_at).is_(None),
    )
    found = select(Clock).where(Clock.ticket_id == ticket.id, *answered).order_by(col(Clock.id))
    return (await session.exec(found.execution_options(populate_existing=True))).all()


async def _answered_later(session: AsyncSession, clock: Clock, lost: Outgoing) -> datetime | None:
    """When another answer to the same wait arrived."""
    other = (col(Outgoing.id) != lost.id, col(Outgoing.handles), Outgoing.state == Sending.SENT)
    said = (Outgoing.ticket_id == clock.ticket_id, col(Outgoing.created_at) >= clock.started_at)
    # By its messages: they have an index by ticket, and the outbox has none.
    found = select(func.min(Outgoing.sent_at)).join(Message, col(Message.id) == col(Outgoing.message_id))
    return (await session.exec(found.where(Message.ticket_id == clock.ticket_id, *other, *said))).one()
