"""The canary: a clock that falls due again and again, so that a sweep which acts on nothing is noticed.

It stands on a ticket that is none: closed, in a conversation with nobody, and without a number of the buyers'. Its
sweep is the real one, but nobody is told, nothing moves, and its metric is in no report.
"""

from datetime import datetime, timedelta

from sqlalchemy import update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from tickets import conversations
from tickets.rungs import DUE
from tickets.tables import Clock, Cycle, Phase, SlaPolicy, Ticket, id_of

NAME = "canary"  # its metric, category, channel and number
TICKET = 0  # its id, so that the first ticket of a shop is number 1
SPAN = timedelta(seconds=60)  # from when it is set until it is due
ALLOWED = timedelta(seconds=60)  # for the sweep to act on it


async def set_canary(session: AsyncSession, now: datetime) -> None:
    """Set the clock that has been acted on to be due again; one that was not stays where it is. One at a time."""
    canary = await _find(session)
    if canary is None:
        await _hatch(session, now)
        return
    acted = (col(Clock.id) == canary.id, col(Clock.breached_at).is_not(None))
    due_at = now + SPAN
    again = {"started_at": now, "due_at": due_at, "wake_at": due_at, "rung": int(DUE), "breached_at": None}
    await session.exec(update(Clock).where(*acted).values(**again))


async def find_lateness(session: AsyncSession, now: datetime) -> timedelta | None:
    """How long the sweep has left the canary lying; nothing while it is not due, None before there is one."""
    canary = await _find(session)
    if canary is None:
        return None
    return max(now - canary.due_at, timedelta()) if canary.breached_at is None else timedelta()


async def _find(session: AsyncSession) -> Clock | None:
    """By the number of its ticket: there is no index on metrics."""
    mine = select(Clock).join(Ticket, col(Ticket.id) == col(Clock.ticket_id)).where(Ticket.number == NAME)
    return (await session.exec(mine.execution_options(populate_existing=True))).first()


async def _hatch(session: AsyncSession, now: datetime) -> None:
    conversation = await conversations.find_or_create(session, now, NAME, NAME, NAME, NAME, "zh")
    policy = SlaPolicy(metric=NAME, target=SPAN, since=now)
    session.add(policy)
    await session.flush()
    ticket = Ticket(
        id=TICKET,
        number=NAME,
        conversation_id=id_of(conversation),
        buyer_id=conversation.buyer_id,
        category=NAME,
        subject=NAME,
        status=Phase.CLOSED,
        phase=Phase.CLOSED,
        created_at=now,
    )
    session.add(ticket)
    await session.flush()
    cycle = Cycle(ticket_id=id_of(ticket), ordinal=1, opened_at=now, resolved_at=now)
    session.add(cycle)
    await session.flush()
    session.add(
        Clock(
            ticket_id=id_of(ticket),
            cycle_id=id_of(cycle),
            metric=NAME,
            policy_id=id_of(policy),
            started_at=now,
            due_at=now + SPAN,
            wake_at=now + SPAN,
        )
    )
