"""Conversations: who speaks on which channel, and what was said."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm.attributes import set_committed_value
from sqlmodel import UTCDateTime, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from audit import rows
from audit.trail import record, record_now
from tickets.tables import Author, Buyer, Conversation, Direction, Identity, Message, Ticket, id_of

_COLUMNS: Any = Conversation.__table__.columns  # type: ignore[attr-defined]  # SQLModel hides it from mypy


async def find_or_create(
    session: AsyncSession, now: datetime, channel: str, account: str, address: str, name: str, language: str
) -> Conversation:
    """The conversation with this address; a first word from it makes a buyer, an identity and the conversation."""
    found = await find(session, channel, account, address)
    if found is not None:
        return found
    place = {"channel": channel, "account": account, "address": address}
    try:
        return await _create(session, now, place, name, language)
    except IntegrityError:
        # Another process met the same buyer between our look and our write.
        met = await find(session, channel, account, address)
        if met is None:
            raise
        return met


async def buyer_of(session: AsyncSession, conversation: Conversation) -> Buyer:
    buyer = await rows.get(session, Buyer, conversation.buyer_id)
    assert buyer is not None  # a conversation has one
    return buyer


async def set_language(session: AsyncSession, now: datetime, conversation: Conversation, language: str) -> None:
    """Speak `language` with this buyer from now on: that of the last question."""
    buyer = await buyer_of(session, conversation)
    if buyer.language != language:
        before, after = {"language": buyer.language}, {"language": language}
        record(session, now, f"buyer:{buyer.id}", "buyer.language_changed", f"buyer:{buyer.id}", before, after)
        buyer.language = language


async def add_message(
    session: AsyncSession,
    now: datetime,
    conversation: Conversation,
    text: str,
    *,
    attachments: Sequence[dict[str, Any]] = (),
    ticket: Ticket | None = None,
    foreign_id: str | None = None,  # what the channel calls it
) -> Message:
    """Keep what the buyer said. The caller has masked the codes in `text`."""
    message = rows.made(
        Message,
        conversation_id=id_of(conversation),
        ticket_id=ticket.id if ticket else None,
        direction=Direction.IN,
        author=Author.BUYER,
        text=text,
        foreign_id=foreign_id,
        attachments=list(attachments),
        created_at=now,
    )
    await rows.in_one_trip(session, lambda connection: _enter(connection, message))
    rows.know(session, message)
    set_committed_value(conversation, "last_in_at", now)
    return message


_HEARD = (
    update(Conversation)
    .where(col(Conversation.id) == bindparam("number"))
    .values(last_in_at=bindparam("at", type_=UTCDateTime()))
)


def _enter(connection: Connection, message: Message) -> None:
    rows.enter(connection, message)
    rows.carry_out(connection, _HEARD, number=message.conversation_id, at=message.created_at)


async def add_note(
    session: AsyncSession,
    now: datetime,
    ticket: Ticket,
    text: str,
    *,
    author: Author = Author.BOT,
    agent_id: int | None = None,
) -> Message:
    """Write something on a ticket that only staff see; the caller has seen to it that no code stands in `text`."""
    note = Message(
        conversation_id=ticket.conversation_id,
        ticket_id=ticket.id,
        direction=Direction.OUT,
        author=author,
        agent_id=agent_id,
        is_note=True,
        text=text,
        created_at=now,
    )
    session.add(note)
    await session.flush()
    actor = f"agent:{agent_id}" if agent_id is not None else str(author)
    record(session, now, actor, "ticket.noted", f"ticket:{ticket.id}", after={"message": note.id})
    return note


async def thread(
    session: AsyncSession, conversation_id: int, after_id: int = 0, limit: int = 200, *, with_notes: bool = False
) -> list[Message]:
    """What was said after message `after_id`, oldest first. Notes are for staff: they come only when asked for."""
    said = (
        select(Message)
        .where(Message.conversation_id == conversation_id, col(Message.id) > after_id)
        .order_by(col(Message.id))
        .limit(limit)
    )
    if not with_notes:
        said = said.where(col(Message.is_note).is_(False))
    return list((await session.exec(said)).all())


async def find(session: AsyncSession, channel: str, account: str, address: str) -> Conversation | None:
    """The conversation with this address, if there is one."""
    place = {"channel": channel, "account": account, "address": address}
    found = await rows.load(session, _AT, Conversation, **place)
    return found[0] if found else None


_AT = (  # made once: every message asks for it
    select(*_COLUMNS)
    .select_from(Conversation)
    .join(Identity, col(Identity.id) == col(Conversation.identity_id))
    .where(col(Identity.channel) == bindparam("channel"), col(Identity.account) == bindparam("account"))
    .where(col(Identity.address) == bindparam("address"))
)


async def _create(
    session: AsyncSession, now: datetime, place: dict[str, str], name: str, language: str
) -> Conversation:
    buyer = rows.made(Buyer, name=name, language=language, created_at=now)
    conversation = await rows.in_one_trip(session, lambda connection: _meet(connection, buyer, place))
    for row in (buyer, conversation):
        rows.know(session, row)
    return conversation


def _meet(connection: Connection, buyer: Buyer, place: dict[str, str]) -> Conversation:
    now = buyer.created_at
    with connection.begin_nested():
        rows.enter(connection, buyer)
        identity = rows.made(Identity, buyer_id=buyer.id, created_at=now, **place)
        rows.enter(connection, identity)
        conversation = rows.made(Conversation, identity_id=identity.id, buyer_id=buyer.id, created_at=now, **place)
        rows.enter(connection, conversation)
    after = {"conversation": conversation.id, "channel": conversation.channel}
    record_now(connection, now, f"buyer:{buyer.id}", "buyer.met", f"buyer:{buyer.id}", None, after)
    return conversation
