"""The second clock of some messengers: how long, and how often, a buyer may still be written to.

It belongs to the platform: a buyer's word starts it anew, a message spends of it, and nothing else moves it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto

from sqlalchemy import update
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from tickets.window_tables import ReplyWindow
from tickets.words import Priority

KEPT_BACK = 2  # messages that nothing but a person's reply and the outcome may use


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a platform allows after something that a buyer did."""

    span: timedelta
    messages: int


class Verdict(Enum):
    """What a message to a buyer may do now."""

    SEND = auto()
    HOLD = auto()  # what is left is for a person and the outcome: wait, and go out together with theirs
    CLOSED = auto()  # nothing goes out before the buyer's next word


def judge(window: ReplyWindow | None, now: datetime, priority: int, cost: int = 1) -> Verdict:
    """Without a window the buyer never said a word, and may not be written to."""
    if window is None or now >= window.closes_at or window.messages_left < 1:
        return Verdict.CLOSED
    is_for_a_matter = priority <= Priority.OUTCOME
    return Verdict.SEND if is_for_a_matter or window.messages_left - cost >= KEPT_BACK else Verdict.HOLD


async def renew(session: AsyncSession, said_at: datetime, conversation_id: int, allowance: Allowance) -> None:
    """The buyer did something at that instant. What was allowed before counts on where it is more."""
    closes_at = said_at + allowance.span
    window = await session.get(ReplyWindow, conversation_id, with_for_update=True)
    if window is None:
        window = ReplyWindow(conversation_id=conversation_id, closes_at=closes_at, messages_left=allowance.messages)
    elif closes_at >= window.closes_at:
        window.closes_at, window.messages_left = closes_at, allowance.messages
        window.asked_at = window.warned_at = None
    session.add(window)


async def spend(session: AsyncSession, now: datetime, conversation_id: int, count: int = 1) -> bool:
    """Take so many messages before they are sent; False: there are not so many, and none is taken."""
    taken = await session.exec(
        update(ReplyWindow)
        .where(
            col(ReplyWindow.conversation_id) == conversation_id,
            col(ReplyWindow.closes_at) > now,
            col(ReplyWindow.messages_left) >= count,
        )
        .values(messages_left=ReplyWindow.messages_left - count)
    )
    return bool(taken.rowcount == 1)


async def give_back(session: AsyncSession, now: datetime, conversation_id: int, count: int = 1) -> None:
    """The platform refused them: they were not spent."""
    await session.exec(
        update(ReplyWindow)
        .where(col(ReplyWindow.conversation_id) == conversation_id, col(ReplyWindow.closes_at) > now)
        .values(messages_left=ReplyWindow.messages_left + count)
    )
