"""Buyers who want nothing from us any more: they blocked us on their channel. They may come back."""

from datetime import datetime

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from audit.trail import record
from tickets.outbox import mark_failed
from tickets.tables import Conversation, Outgoing, Sending, id_of


async def leave(session: AsyncSession, now: datetime, conversation: Conversation, problem: str) -> int:
    """The buyer blocked us: staff see it, and what waits to be sent is given up for `problem`; how many messages.

    No clock is met by that, and none stops: whoever has the ticket decides what becomes of it.
    """
    if conversation.blocked_at is None:
        conversation.blocked_at = now
        session.add(conversation)
        _record(session, now, conversation, "conversation.blocked")
    waiting = select(Outgoing.id).where(
        Outgoing.channel == conversation.channel,
        Outgoing.account == conversation.account,
        Outgoing.conversation_id == conversation.id,
        Outgoing.state == Sending.QUEUED,
    )
    numbers = (await session.exec(waiting.order_by(col(Outgoing.id)))).all()
    given_up = [await mark_failed(session, now, number, Sending.BLOCKED, problem) for number in numbers if number]
    return sum(given_up)


def come_back(session: AsyncSession, now: datetime, conversation: Conversation) -> None:
    """The buyer wants to hear from us again, or speaks to us. What was given up meanwhile stays so."""
    if conversation.blocked_at is not None:
        conversation.blocked_at = None
        session.add(conversation)
        _record(session, now, conversation, "conversation.unblocked")


def _record(session: AsyncSession, now: datetime, conversation: Conversation, action: str) -> None:
    record(session, now, f"buyer:{conversation.buyer_id}", action, f"conversation:{id_of(conversation)}")
