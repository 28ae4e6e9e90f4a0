"""Topics of tickets: in the staff's group, and in buyers' own chats where the messenger has them.

Of each bot and ticket there is one row, claimed before its topic is asked for: of several who try, one makes it.
"""

from datetime import datetime, timedelta

from sqlalchemy import update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from audit.once import add_once
from bot.tables import Topic, TopicState

MADE_WITHIN = timedelta(minutes=2)  # a topic whose answer was lost, or whose maker died, is made again after this
LARGEST = 2**31 - 1  # number of a topic that is kept


async def find(session: AsyncSession, bot: str, ticket_id: int) -> Topic | None:
    """The topic of this ticket."""
    return (await session.exec(select(Topic).where(Topic.bot == bot, Topic.ticket_id == ticket_id))).first()


async def find_at(session: AsyncSession, bot: str, chat_id: str, thread_id: int) -> Topic | None:
    """The topic that stands there."""
    here = (Topic.bot == bot, Topic.chat_id == chat_id, Topic.thread_id == thread_id)
    return (await session.exec(select(Topic).where(*here).order_by(col(Topic.id).desc()).limit(1))).first()


def may_make(topic: Topic, now: datetime) -> bool:
    """One that was deleted at once; one that may exist, or is being made, after a while."""
    return topic.state == TopicState.GONE or now - topic.claimed_at >= MADE_WITHIN


async def claim(
    session: AsyncSession, now: datetime, bot: str, chat_id: str, ticket_id: int, old: Topic | None
) -> Topic | None:
    """The row, ours to fill; None when another process was first. `old` is the row as it was seen, without a topic."""
    if old is not None:
        same = (col(Topic.id) == old.id, col(Topic.claimed_at) == old.claimed_at, col(Topic.thread_id).is_(None))
        values = {"state": TopicState.CLAIMED, "claimed_at": now, "chat_id": chat_id, "problem": None}
        taken = await session.exec(update(Topic).where(*same).values(**values))
        return await session.get(Topic, old.id, populate_existing=True) if taken.rowcount == 1 else None
    topic = Topic(bot=bot, ticket_id=ticket_id, chat_id=chat_id, claimed_at=now)
    return topic if await add_once(session, topic) else None


def number_in(name: str) -> str:
    """The ticket's number in the name of a topic; "" when there is none."""
    return next((word for word in name.split() if word.startswith("K-")), "")
