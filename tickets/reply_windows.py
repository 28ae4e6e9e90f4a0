"""The second clock of some messengers: how long, and how often, a buyer may still be written to.

It belongs to the platform: a buyer's word starts it anew, a message spends of it, and nothing else moves it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto

from sqlalchemy import or_, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from tickets.outbox import UNDER_WAY
from tickets.tables import Direction, Message, Outgoing, Sending
from tickets.window_tables import ReplyWindow
from tickets.words import Priority

LATEST = 16  # rows of the outbox that are looked at for what was sent after a word; more are not told apart
LATE = timedelta(minutes=1)  # after which a word came with the platform's past, not as it was said
TOLERANCE = timedelta(minutes=5)  # that the platform's clock and ours may differ: doors refuse more
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


async def renew(
    session: AsyncSession,
    said_at: datetime,
    conversation_id: int,
    allowance: Allowance,
    *,
    came_at: datetime | None = None,
) -> None:
    """The buyer did something at that instant, of which we heard at `came_at`. What was allowed before counts on.

    The platform counts from the word, and not from when we read it: what we sent in between was spent of it.
    """
    came_at = came_at or said_at
    counts_from = min(said_at, came_at)  # nothing is said after it came, whatever the platform's clock says
    closes_at = counts_from + allowance.span
    window = await session.get(ReplyWindow, conversation_id, with_for_update=True)
    if window is None:
        window = ReplyWindow(conversation_id=conversation_id, closes_at=closes_at, messages_left=allowance.messages)
    elif closes_at >= window.closes_at:
        left = window.messages_left if window.closes_at > counts_from else 0
        if left < allowance.messages:
            since = counts_from if came_at - counts_from < LATE else counts_from - TOLERANCE
            left = max(left, allowance.messages - await _count_sent(session, conversation_id, since))
        window.closes_at, window.messages_left = closes_at, min(left, allowance.messages)
        window.asked_at = window.warned_at = None
    session.add(window)


async def _count_sent(session: AsyncSession, conversation_id: int, since: datetime) -> int:
    """How many messages may have gone out after this instant: rather one too many than one too few."""
    ours = (Message.conversation_id == conversation_id, Message.direction == Direction.OUT)
    has_begun = or_(col(Outgoing.problem) == UNDER_WAY, col(Outgoing.foreign_id).is_not(None))
    begun = or_(col(Outgoing.state) != Sending.QUEUED, has_begun)
    # By its messages: the outbox has no index by conversation.
    latest = select(Outgoing).join(Message, col(Message.id) == col(Outgoing.message_id)).where(*ours, begun)
    rows = (await session.exec(latest.order_by(col(Message.id).desc()).limit(LATEST))).all()
    after = [row for row in rows if row.state == Sending.QUEUED or (row.sent_at or row.not_before) > since]
    if len(after) == LATEST:
        return LATEST
    # Several rows that went out as one message share its instant and its id.
    return sum({(row.state, row.sent_at or row.state, row.foreign_id): _messages(row) for row in after}.values())


def _messages(row: Outgoing) -> int:
    """Of one row: the parts that have arrived, and one that has or may have."""
    parts = len(row.foreign_id.split(",")) if row.foreign_id else 0
    if row.state == Sending.SENT:
        return max(1, parts)
    return parts + (row.state == Sending.UNKNOWN or row.problem == UNDER_WAY)


async def close(session: AsyncSession, ended_at: datetime, conversation_id: int) -> None:
    """The platform takes nothing more from that instant on, before the buyer's next word."""
    open_then = (col(ReplyWindow.conversation_id) == conversation_id, col(ReplyWindow.closes_at) > ended_at)
    await session.exec(update(ReplyWindow).where(*open_then).values(closes_at=ended_at))


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


async def take_back(
    session: AsyncSession, sent_at: datetime, conversation_id: int, allowance: Allowance, count: int = 1
) -> None:
    """Messages sent at that instant did not arrive: they were not spent, unless a later word began the count anew."""
    await session.exec(
        update(ReplyWindow)
        .where(
            col(ReplyWindow.conversation_id) == conversation_id,
            col(ReplyWindow.closes_at) <= sent_at + allowance.span,
            col(ReplyWindow.messages_left) <= allowance.messages - count,
        )
        .values(messages_left=ReplyWindow.messages_left + count)
    )


async def give_back(session: AsyncSession, now: datetime, conversation_id: int, count: int = 1) -> None:
    """The platform refused them: they were not spent."""
    await session.exec(
        update(ReplyWindow)
        .where(col(ReplyWindow.conversation_id) == conversation_id, col(ReplyWindow.closes_at) > now)
        .values(messages_left=ReplyWindow.messages_left + count)
    )
