"""What is to be sent: written in the transaction of the change that it tells of, delivered in order per conversation.

Sending is at least once; every row leaves the state `queued` once, and comes back to it only by a person's word. Only
delivery calls `mark_sent` and its kin.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

from sqlalchemy import ColumnElement, Connection, Update, and_, bindparam, case, func, literal_column, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from audit import rows
from audit.trail import record, record_now
from tickets.changes import lock_ticket
from tickets.clocks import meet_handling
from tickets.errors import NotLost
from tickets.tables import (
    Author,
    Conversation,
    Direction,
    Identity,
    Message,
    Outgoing,
    Priority,
    Sending,
    Ticket,
    id_of,
)

# A notice or a mirrored message that waited so long is as urgent as an answer of the bot: no busy bot starves it.
PATIENCE = timedelta(minutes=10)
UNDER_WAY = "On its way"  # the problem of a queued message that is being handed over, where that is noted before
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
    message = rows.made(
        Message,
        conversation_id=id_of(conversation),
        ticket_id=ticket.id if ticket else None,
        direction=Direction.OUT,
        author=author,
        agent_id=agent_id,
        text=text,
        link_id=link_id,
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
    rows.enter(connection, rows.made(Outgoing, **about, **facts))


async def waiting(
    session: AsyncSession,
    now: datetime,
    channel: str,
    account: str,
    limit: int = 50,
    but_not: Collection[int] = (),
) -> list[Outgoing]:
    """What may be sent now, most urgent first: of each conversation only its oldest message, so that order holds.

    Nothing of the conversations in `but_not`.
    """
    heads = (
        select(func.min(Outgoing.id))
        .where(Outgoing.channel == channel, Outgoing.account == account, Outgoing.state == Sending.QUEUED)
        .group_by(col(Outgoing.conversation_id))
    )
    has_waited = and_(col(Outgoing.priority) > Priority.BOT_REPLY, col(Outgoing.created_at) <= now - PATIENCE)
    found = await session.exec(
        select(Outgoing)
        .where(col(Outgoing.id).in_(heads), col(Outgoing.not_before) <= now)
        .where(col(Outgoing.conversation_id).not_in(but_not))
        .order_by(case((has_waited, int(Priority.BOT_REPLY)), else_=col(Outgoing.priority)), col(Outgoing.id))
        .limit(limit)
    )
    return list(found.all())


async def queue_of(session: AsyncSession, now: datetime, conversations: Iterable[int]) -> list[Outgoing]:
    """All that may be sent now to these conversations, each in its order."""
    found = await session.exec(
        select(Outgoing)
        .where(col(Outgoing.conversation_id).in_(conversations), Outgoing.state == Sending.QUEUED)
        .where(col(Outgoing.not_before) <= now)
        .order_by(col(Outgoing.id))
    )
    return list(found.all())


async def places_with_mail(session: AsyncSession, places: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Those of these channel accounts for which something is queued, whether it may be sent now or not."""
    known = list(places)
    queued = [
        select(Outgoing.id)
        .where(Outgoing.channel == channel, Outgoing.account == account, Outgoing.state == Sending.QUEUED)
        .exists()
        for channel, account in known
    ]
    asked: Any = select(literal_column("1"), *queued)  # a single column would come without its row
    _, *found = (await session.exec(asked)).one()
    return [place for place, is_queued in zip(known, found, strict=True) if is_queued]


def _arrival(*conditions: ColumnElement[bool]) -> Update:
    """The guard of `mark_sent`: of any number of callers, one takes a row out of the queue."""
    return (
        update(Outgoing)
        .where(col(Outgoing.id) == bindparam("outgoing"), col(Outgoing.state) == Sending.QUEUED, *conditions)
        .values(
            state=Sending.SENT,
            attempts=Outgoing.attempts + 1,
            sent_at=bindparam("arrived_at"),
            foreign_id=bindparam("known_as"),
            problem=None,
        )
    )


_ARRIVAL, _PLAIN_ARRIVAL = _arrival(), _arrival(col(Outgoing.handles).is_(False))


async def mark_sent(session: AsyncSession, now: datetime, outgoing_id: int, foreign_id: str) -> bool:
    """Record a delivery at the moment `now`; False when the row had left the queue before, and then nothing changes."""
    facts = (now, outgoing_id, foreign_id)
    if await rows.in_one_trip(session, lambda connection: _arrive(connection, _PLAIN_ARRIVAL, *facts)):
        return True
    await _hold_answered(session, outgoing_id)
    if not await rows.in_one_trip(session, lambda connection: _arrive(connection, _ARRIVAL, *facts)):
        return False
    outgoing = await session.get_one(Outgoing, outgoing_id, populate_existing=True)
    if outgoing.handles and outgoing.ticket_id is not None:
        ticket_id = outgoing.ticket_id
        if await meet_handling(session, now, ticket_id, promised_at=outgoing.created_at):
            after = {"message": outgoing.message_id, "met_at": now.isoformat()}
            record(session, now, "system", "ticket.handled", f"ticket:{ticket_id}", after=after)
    return True


def _arrive(connection: Connection, arrival: Update, now: datetime, outgoing_id: int, foreign_id: str) -> bool:
    if rows.carry_out(connection, arrival, outgoing=outgoing_id, arrived_at=now, known_as=foreign_id) != 1:
        return False
    before, after = {"state": Sending.QUEUED}, {"state": Sending.SENT, "problem": None}
    record_now(connection, now, "bot", "message.sent", f"outgoing:{outgoing_id}", before, after)
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


async def begin(session: AsyncSession, outgoing_ids: Collection[int]) -> None:
    """These are about to be handed over: who finds them so later does not know whether they arrived."""
    queued = (col(Outgoing.id).in_(outgoing_ids), col(Outgoing.state) == Sending.QUEUED)
    await session.exec(update(Outgoing).where(*queued).values(problem=UNDER_WAY))


async def postpone(session: AsyncSession, now: datetime, outgoing_id: int, until: datetime, problem: str) -> bool:
    """Try again, not before `until`. The message stays first of its conversation, and those behind it wait."""
    return await _update_queued(session, outgoing_id, not_before=until, problem=problem)


async def hasten(session: AsyncSession, now: datetime, channel: str, account: str) -> None:
    """What waits there to be sent later is tried now: what it waited for is over."""
    here = (col(Outgoing.channel) == channel, col(Outgoing.account) == account)
    late = (col(Outgoing.state) == Sending.QUEUED, col(Outgoing.not_before) > now)
    await session.exec(update(Outgoing).where(*here, *late).values(not_before=now))


async def note_part(session: AsyncSession, outgoing_id: int, foreign_id: str) -> bool:
    """A part of a long message has arrived; `foreign_id` names all that have. The tries of the next one count anew."""
    return await _update_queued(session, outgoing_id, attempts=0, foreign_id=foreign_id, problem=None)


async def move(session: AsyncSession, now: datetime, conversation_id: int, address: str) -> None:
    """The channel calls this conversation's chat by another address now; what waits is sent there."""
    conversation = await session.get_one(Conversation, conversation_id)
    record(
        session,
        now,
        "bot",
        "conversation.moved",
        f"conversation:{conversation_id}",
        {"address": conversation.address},
        {"address": address},
    )
    conversation.address = address
    session.add(conversation)
    await session.exec(update(Identity).where(col(Identity.id) == conversation.identity_id).values(address=address))
    mine = (col(Outgoing.conversation_id) == conversation_id, col(Outgoing.state) == Sending.QUEUED)
    await session.exec(update(Outgoing).where(*mine).values(address=address))


async def send_again(session: AsyncSession, now: datetime, outgoing_id: int, actor: str) -> None:
    """Somebody decides that what did not arrive, or may not have, is sent (again): the same words, before any later.

    Raises `NotLost` when it waits already, or has arrived.
    """
    outgoing = await session.get(Outgoing, outgoing_id, populate_existing=True)
    if outgoing is None or outgoing.state not in LOST:
        raise NotLost()
    lost = (col(Outgoing.id) == outgoing_id, col(Outgoing.state) == outgoing.state)
    before = {"state": outgoing.state, "problem": outgoing.problem}
    fresh = {"state": Sending.QUEUED, "attempts": 0, "not_before": now, "problem": None}
    changed = await session.exec(update(Outgoing).where(*lost).values(**fresh))
    if changed.rowcount != 1:
        raise NotLost()
    record(session, now, actor, "message.sent_again", f"outgoing:{outgoing_id}", before, {"state": Sending.QUEUED})


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
        .values({"attempts": Outgoing.attempts + 1} | values)
    )
    return bool(changed.rowcount == 1)
