"""What is to be sent: written in the transaction of the change that it tells of, delivered in order per conversation.

Sending is at least once; every row leaves the state `queued` once. Only delivery calls `mark_sent` and its kin.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import ColumnElement, Connection, func, literal_column, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from audit import rows
from audit.trail import record
from tickets.changes import lock_ticket
from tickets.clocks import meet_handling
from tickets.tables import Author, Conversation, Direction, Message, Outgoing, Priority, Sending, Ticket, id_of

LOST = (Sending.FAILED, Sending.BLOCKED, Sending.UNKNOWN)  # given up: it did not arrive, or may not have


class Say(Protocol):
    """Words for people: the phrase `key` in `language`, filled with facts."""

    def __call__(self, language: str, key: str, /, **facts: object) -> str: ...


async def post(
    session: AsyncSession,
    now: datetime,
    conversation: Conversation,
    text: str,
    *,
    author: Author,
    ticket: Ticket | None = None,
    agent_id: int | None = None,
    buttons: Sequence[dict[str, str]] = (),
    priority: Priority = Priority.BOT_REPLY,
    handles: bool = False,
    link_id: int | None = None,
) -> Message:
    """Say something to the buyer. With `handles`, its delivery (not this call) is the handling of `ticket`."""
    message = Message(
        conversation_id=id_of(conversation),
        ticket_id=ticket.id if ticket else None,
        direction=Direction.OUT,
        author=author,
        agent_id=agent_id,
        text=text,
        link_id=link_id,
        attachments=[],  # written out here, for the default is looked up anew for each message
        buttons=list(buttons),
        created_at=now,
    )
    place = {name: getattr(conversation, name) for name in ("channel", "account", "address")}
    sending = {"handles": handles, "priority": priority, "not_before": now, "created_at": now}
    await rows.in_one_trip(session, lambda connection: _enter(connection, message, place | sending))
    rows.know(session, message)
    return message


def _enter(connection: Connection, message: Message, facts: dict[str, Any]) -> None:
    rows.enter(connection, message)
    about: dict[str, Any] = {
        "conversation_id": message.conversation_id,
        "message_id": message.id,
        "ticket_id": message.ticket_id,
    }
    rows.enter(connection, Outgoing(**about, **facts))


async def waiting(session: AsyncSession, now: datetime, channel: str, account: str, limit: int = 50) -> list[Outgoing]:
    """What may be sent now, most urgent first: of each conversation only its oldest message, so that order holds."""
    heads = (
        select(func.min(Outgoing.id))
        .where(Outgoing.channel == channel, Outgoing.account == account, Outgoing.state == Sending.QUEUED)
        .group_by(col(Outgoing.conversation_id))
    )
    found = await session.exec(
        select(Outgoing)
        .where(col(Outgoing.id).in_(heads), col(Outgoing.not_before) <= now)
        .order_by(col(Outgoing.priority), col(Outgoing.id))
        .limit(limit)
    )
    return list(found.all())


async def mark_sent(session: AsyncSession, now: datetime, outgoing_id: int, foreign_id: str) -> bool:
    """Record a delivery at the moment `now`; False when the row had left the queue before, and then nothing changes."""
    await _hold_answered(session, outgoing_id)
    if not await _leave_queue(session, now, outgoing_id, Sending.SENT, sent_at=now, foreign_id=foreign_id):
        return False
    outgoing = await session.get_one(Outgoing, outgoing_id, populate_existing=True)
    if outgoing.handles and outgoing.ticket_id is not None:
        ticket_id = outgoing.ticket_id
        if await meet_handling(session, now, ticket_id, promised_at=outgoing.created_at):
            after = {"message": outgoing.message_id, "met_at": now.isoformat()}
            record(session, now, "system", "ticket.handled", f"ticket:{ticket_id}", after=after)
    return True


async def _hold_answered(session: AsyncSession, outgoing_id: int) -> None:
    """Lock the ticket that this message answers, before the message and the clocks: see `tickets.changes`."""
    answered = select(Outgoing.ticket_id).where(Outgoing.id == outgoing_id, col(Outgoing.handles))
    held: int | None = None
    # A merge that held it may have moved the message to another one.
    while (ticket_id := (await session.exec(answered)).first()) not in (None, held):
        await lock_ticket(session, ticket_id)
        held = ticket_id


async def mark_failed(session: AsyncSession, now: datetime, outgoing_id: int, state: Sending, problem: str) -> bool:
    """Give up on a message: `failed`, `blocked` or `unknown`. It handles nothing; the clock of its ticket runs on."""
    return await _leave_queue(session, now, outgoing_id, state, problem=problem)


async def count_lost(session: AsyncSession, since: datetime) -> int:
    """How many messages did not arrive, or may not have, and were given up since then."""
    return (await session.exec(select(func.count()).select_from(Outgoing).where(*_lost(since)))).one()


async def lost(session: AsyncSession, since: datetime, limit: int) -> list[tuple[Outgoing, Message]]:
    """These messages, newest first."""
    found = await session.exec(
        select(Outgoing, Message)
        .join(Message, col(Message.id) == col(Outgoing.message_id))
        .where(*_lost(since))
        .order_by((col(Outgoing.id) + 0).desc())  # else SQLite walks all that was ever sent, for the order
        .limit(limit)
    )
    return [(outgoing, message) for outgoing, message in found.all()]


def _lost(since: datetime) -> tuple[ColumnElement[bool], ...]:
    # `not_before` is when the last try was due: nothing else says when a message was given up.
    return (
        # Written out: a database takes a partial index only for the words that it was made with.
        col(Outgoing.state).in_([literal_column(f"'{state}'") for state in LOST]),
        col(Outgoing.not_before) > since,
    )


async def postpone(session: AsyncSession, now: datetime, outgoing_id: int, until: datetime, problem: str) -> bool:
    """Try again, not before `until`. The message stays first of its conversation, and those behind it wait."""
    return await _update_queued(session, outgoing_id, not_before=until, problem=problem)


async def _leave_queue(session: AsyncSession, now: datetime, outgoing_id: int, state: Sending, **facts: Any) -> bool:
    left = await _update_queued(session, outgoing_id, state=state, **facts)
    if left:
        after = {"state": state, "problem": facts.get("problem")}
        record(session, now, "bot", f"message.{state}", f"outgoing:{outgoing_id}", {"state": Sending.QUEUED}, after)
    return left


async def _update_queued(session: AsyncSession, outgoing_id: int, **values: Any) -> bool:
    """The guard: of any number of callers, one takes a row out of the queue."""
    changed = await session.exec(
        update(Outgoing)
        .where(col(Outgoing.id) == outgoing_id, col(Outgoing.state) == Sending.QUEUED)
        .values(attempts=Outgoing.attempts + 1, **values)
    )
    return bool(changed.rowcount == 1)
