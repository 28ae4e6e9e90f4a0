"""Instants that tickets wait for: the end of a snooze, and the steps of the close after silence.

They stand on the tickets. A tick only finds them and acts, guarded by the same row's state, in order of time, until
none is left: however late, however often and by however many schedulers it runs, each takes effect once.
"""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple, Protocol

from sqlalchemy import ColumnElement
from sqlmodel import and_, col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from tickets import clocks, compensation, silence
from tickets.changes import changing
from tickets.ladder import Ladder
from tickets.tables import Conversation, Ending, Message, Outgoing, Phase, Sending, Ticket

ACTOR = "scheduler"


class Database(Protocol):
    """Where transactions come from."""

    def reading(self) -> AbstractAsyncContextManager[AsyncSession]: ...
    def writing(self) -> AbstractAsyncContextManager[AsyncSession]: ...


@dataclass(frozen=True, slots=True)
class Acted:
    """What a tick did."""

    woken: int = 0
    warned: int = 0  # buyers who were told that their silence will close the ticket
    closed: int = 0

    def __add__(self, other: "Acted") -> "Acted":
        return Acted(self.woken + other.woken, self.warned + other.warned, self.closed + other.closed)


class Alarm(NamedTuple):
    """A ticket whose instant has passed."""

    ticket_id: int
    at: datetime


def passed(instant: Any, now: datetime) -> tuple[ColumnElement[bool], ...]:
    """The instant stands on the ticket and is over. In the instant itself the buyer may yet speak."""
    return (col(instant).is_not(None), col(instant) < now)


def unacted(instant: Any, now: datetime) -> tuple[ColumnElement[bool], ...]:
    """The guard: since the look nobody has acted on this instant, and nothing has put it off."""
    return passed(instant, now)


# Whether words of a buyer have come that did not take effect yet.
Unheard = Callable[[AsyncSession, Conversation], Awaitable[bool]]


async def nothing_unheard(_session: AsyncSession, _conversation: Conversation) -> bool:
    """Where whatever arrives takes effect at once."""
    return False


async def ring(
    database: Database,
    clock: Callable[[], datetime],
    ladder: Ladder,
    limit: int = 200,
    *,
    unheard: Unheard = nothing_unheard,
    counts_silence: bool = True,
) -> Acted:
    """Act on every instant that has passed, `limit` tickets to a transaction. An idle tick is two looks at indexes.

    Who is `unheard` is not silent. While silence does not count (we may have been deaf) tickets are only woken.
    """
    done = Acted()
    closing = ((Ticket.closes_at, partial(_go_on, unheard=unheard)),) if counts_silence else ()
    for instant, act in ((Ticket.snoozed_until, _wake), *closing):
        after: Alarm | None = None
        while True:
            now = clock()
            async with database.reading() as session:
                batch = await find_passed(session, instant, now, after, limit)
            if not batch:
                break
            # Between the look and the act the buyer may have spoken; the guard decides again.
            async with database.writing() as session:
                for ticket in await _hold(session, instant, now, batch):
                    done += await act(session, now, ticket, ladder)
            after = batch[-1]
    return done


async def find_passed(
    session: AsyncSession, instant: Any, now: datetime, after: Alarm | None, limit: int
) -> list[Alarm]:
    """The next `limit` tickets whose `instant` is over, the oldest first."""
    tickets = (
        select(Ticket.id, instant).where(*passed(instant, now)).order_by(col(instant), col(Ticket.id)).limit(limit)
    )
    if after is not None:
        same = and_(col(instant) == after.at, col(Ticket.id) > after.ticket_id)
        tickets = tickets.where(or_(col(instant) > after.at, same))
    return [Alarm(ticket_id or 0, at) for ticket_id, at in (await session.exec(tickets)).all()]


async def next_alarm(session: AsyncSession, *, counts_silence: bool = True) -> datetime | None:
    """The first instant at which a tick will find something; the scheduler wakes then."""
    instants = []
    for instant in (Ticket.snoozed_until, Ticket.closes_at) if counts_silence else (Ticket.snoozed_until,):
        first = select(instant).where(col(instant).is_not(None)).order_by(col(instant)).limit(1)
        instants.append((await session.exec(first)).first())
    coming = [instant for instant in instants if instant is not None]
    return min(coming) + datetime.resolution if coming else None


async def _hold(session: AsyncSession, instant: Any, now: datetime, batch: Sequence[Alarm]) -> Sequence[Ticket]:
    """Those of the batch that are as they were found, locked. One that another transaction holds waits for the next."""
    order = {alarm.ticket_id: place for place, alarm in enumerate(batch)}
    found = await session.exec(
        select(Ticket)
        .where(col(Ticket.id).in_(order), *unacted(instant, now))
        .order_by(col(Ticket.id))
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True)
    )
    return sorted(found.all(), key=lambda ticket: order[ticket.id or 0])


async def _wake(session: AsyncSession, now: datetime, ticket: Ticket, ladder: Ladder) -> Acted:
    silence.wake(session, now, ticket, ACTOR)
    if ticket.assignee_id is not None:
        await ladder.tell_staff(session, now, ticket, "notice.woken", holder=True)
    return Acted(woken=1)


async def _go_on(session: AsyncSession, now: datetime, ticket: Ticket, ladder: Ladder, *, unheard: Unheard) -> Acted:
    """The next step of a ticket that rests: a resolved one is history now, a silent buyer is warned, then let go."""
    closes_at = ticket.closes_at
    if ticket.phase == Phase.RESOLVED:
        await silence.end(session, now, ticket, Ending.CLOSED, actor=ACTOR, at=closes_at)
        return Acted(closed=1)
    conversation = await session.get_one(Conversation, ticket.conversation_id)
    if not await _has_reached(session, ticket) or await unheard(session, conversation):
        with changing(session, now, ticket, ACTOR, "ticket.close_put_off"):
            ticket.closes_at = now + ladder.rules.silence_closes_after
        return Acted()
    if ticket.warned_at is None:
        await _warn(session, now, ticket, ladder)
        return Acted(warned=1)
    await silence.end(session, now, ticket, Ending.SILENCE, actor=ACTOR, at=closes_at)
    await ladder.tell_buyer(session, now, ticket, "ticket.closed_silent")
    return Acted(closed=1)


async def _warn(session: AsyncSession, now: datetime, ticket: Ticket, ladder: Ladder) -> None:
    """The span counts from the warning, not from when it should have been sent: the buyer gets all of it."""
    rules = ladder.rules
    closes_at = now + rules.silence_closes_after
    with changing(session, now, ticket, ACTOR, "ticket.close_warned", closes_at=closes_at.isoformat()):
        ticket.warned_at, ticket.closes_at = now, closes_at
    at = f"{closes_at.astimezone(rules.zone):%m-%d %H:%M}"
    await ladder.tell_buyer(session, now, ticket, "ticket.close_warning", at=at, subject=ticket.subject)


async def _has_reached(session: AsyncSession, ticket: Ticket) -> bool:
    """Whether what we last said has left, and we owe nothing: who waits for us is not silent."""
    if await clocks.owes_answer(session, ticket):  # warned or not: a merge may have brought a promise since
        return False
    if await compensation.find_under_way(session, ticket) is not None:
        return False
    # By its messages: they have an index by ticket, and the outbox has none.
    said = select(Outgoing.id).join(Message, col(Message.id) == col(Outgoing.message_id))
    queued = said.where(Message.ticket_id == ticket.id, Outgoing.state == Sending.QUEUED).limit(1)
    return (await session.exec(queued)).first() is None
