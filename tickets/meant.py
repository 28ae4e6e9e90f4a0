"""Which ticket a buyer's words are about."""

import re
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import bindparam, func
from sqlmodel import and_, col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from audit import rows
from tickets import lifecycle
from tickets.changes import get_ticket
from tickets.tables import Author, Conversation, Cycle, Ending, LinkKind, Message, Phase, Ticket, TicketLink

NUMBER = re.compile(r"(?<![A-Z0-9])K-?(\d{6,12})(?!\d)", re.IGNORECASE)


def is_number(text: str) -> bool:
    """Whether the text is a ticket's number and nothing else."""
    return NUMBER.fullmatch(text.strip()) is not None


async def spoken_of(session: AsyncSession, conversation: Conversation) -> list[Ticket]:
    """The unsettled tickets that words in this conversation may be about; first the one spoken of last.

    Spoken of is what the buyer or an agent wrote on a ticket, so that an answer to an agent goes to that agent's
    ticket. A matter that was merged into a ticket of the buyer's other conversation is spoken of there.
    """
    if not await has_unsettled(session, conversation.buyer_id):
        return []
    said_here = select(Message.ticket_id).where(Message.conversation_id == conversation.id)
    last = (
        select(func.max(Message.id))
        .where(Message.ticket_id == Ticket.id, col(Message.is_note).is_(False))
        .where(col(Message.author).in_((Author.BUYER, Author.AGENT)))
        .scalar_subquery()
    )
    found = await session.exec(
        select(Ticket)
        .where(Ticket.buyer_id == conversation.buyer_id, col(Ticket.phase).in_(lifecycle.ACTIVE))
        .where(or_(Ticket.conversation_id == conversation.id, col(Ticket.id).in_(said_here)))
        .order_by(func.coalesce(last, 0).desc(), col(Ticket.id).desc())
    )
    return list(found.all())


_UNSETTLED: Any = (
    select(Ticket.id)
    .where(col(Ticket.buyer_id) == bindparam("buyer"), or_(*(col(Ticket.phase) == phase for phase in lifecycle.ACTIVE)))
    .limit(1)
)


async def has_unsettled(session: AsyncSession, buyer_id: int) -> bool:
    """Whether anything of this buyer waits to be settled: few have, and everybody's words ask for it."""
    look = partial(rows.find, statement=_UNSETTLED, buyer=buyer_id)
    return await rows.in_one_trip(session, look) is not None


async def find_named(session: AsyncSession, buyer_id: int, text: str) -> Ticket | None:
    """The first of this buyer's tickets whose number stands in the text; another buyer's, and spam, look like none."""
    for digits in NUMBER.findall(text):
        number = f"K-{int(digits):06d}"
        found = await session.exec(select(Ticket).where(Ticket.buyer_id == buyer_id, Ticket.number == number))
        if (ticket := found.first()) is not None and not await is_spam(session, ticket):
            return ticket
    return None


async def find_settled(session: AsyncSession, conversation: Conversation, since: datetime) -> Ticket | None:
    """The ticket of this conversation that was settled last, or closed for its buyer's silence, not before `since`."""
    lapsed = and_(Ticket.phase == Phase.CLOSED, col(Cycle.outcome).in_((Ending.SILENCE, Ending.CLOSED)))
    found = await session.exec(
        select(Ticket)
        .join(Cycle, col(Cycle.ticket_id) == col(Ticket.id))
        .where(Ticket.conversation_id == conversation.id, col(Cycle.resolved_at) >= since)
        .where(or_(Ticket.phase == Phase.RESOLVED, lapsed))
        .order_by(col(Cycle.resolved_at).desc())
        .limit(1)
    )
    return found.first()


async def find_ended(session: AsyncSession, conversation: Conversation) -> Ticket | None:
    """The ticket of this conversation that ended last, whatever became of it; spam and what was merged are none."""
    found = await session.exec(
        select(Ticket)
        .join(Cycle, col(Cycle.ticket_id) == col(Ticket.id))
        .where(Ticket.conversation_id == conversation.id, col(Ticket.phase).not_in(lifecycle.ACTIVE))
        .where(col(Cycle.resolved_at).is_not(None))
        .where(or_(col(Cycle.outcome).is_(None), col(Cycle.outcome).not_in((Ending.SPAM, Ending.MERGED))))
        .order_by(col(Cycle.resolved_at).desc())
        .limit(1)
    )
    return found.first()


async def find_next(session: AsyncSession, ticket: Ticket) -> Ticket | None:
    """The ticket in which the matter of this one went on: that it was merged into, or the last that follows it."""
    if ticket.merged_into_id is not None:
        return await get_ticket(session, ticket.merged_into_id)
    found = await session.exec(
        select(Ticket)
        .join(TicketLink, col(TicketLink.ticket_id) == col(Ticket.id))
        .where(
            TicketLink.other_id == ticket.id, TicketLink.kind == LinkKind.FOLLOWS, col(Ticket.merged_into_id).is_(None)
        )
        .order_by(col(Ticket.id).desc())
        .limit(1)
    )
    return found.first()


async def last_of(session: AsyncSession, ticket: Ticket) -> Ticket:
    """Where a merged ticket is now: the last of its merges, or the ticket itself."""
    while ticket.merged_into_id is not None:
        ticket = await get_ticket(session, ticket.merged_into_id)
    return ticket


async def is_spam(session: AsyncSession, ticket: Ticket) -> bool:
    last = select(Cycle.outcome).where(Cycle.ticket_id == ticket.id).order_by(col(Cycle.ordinal).desc()).limit(1)
    return (await session.exec(last)).first() == Ending.SPAM
