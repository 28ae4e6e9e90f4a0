"""What the bot has to say to staff: written in the transaction of what it tells of, sent within the group's budget.

A post is decided once and sent at least once. One whose answer was lost is said again, later each time: that a reply
was refused must be read. One that is never confirmed is `unknown` in the end.
"""

import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from bot.channels.botapi.lengths import TEXT_LIMIT, width
from bot.errors import Ambiguous, DeliveryError, Refused, TopicGone
from bot.staff.calls import Moved, Place, StaffBot
from bot.staff.pacing import Pacing
from bot.staff.presses import Presses
from bot.staff.tables import PostState, StaffPost
from bot.transactions import Transactions

log = logging.getLogger(__name__)

PAGE = 50
FRESH = timedelta(seconds=20)  # after which a press is too old to be answered where it was made
LONGEST_WAIT = timedelta(minutes=10)
TRIES = 300  # some two days
DOUBTED = 5  # tries to say what may have arrived
BEHIND = 3  # posts to one place from which on they go out as one message


async def say_once(session: AsyncSession, post: StaffPost) -> bool:
    """Write the post unless one of the same cause was written; whether it was."""
    same = select(StaffPost.id).where(StaffPost.bot == post.bot, StaffPost.cause == post.cause)
    if post.cause is not None and (await session.exec(same)).first() is not None:
        return False
    session.add(post)
    await session.flush()
    return True


class Posts:
    """Sends what is written."""

    def __init__(
        self, database: Transactions, bot: StaffBot, presses: Presses, pacing: Pacing, clock: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._bot = bot
        self._presses = presses
        self._pacing = pacing
        self._clock = clock

    async def drain(self) -> int:
        """Send what may be sent now, oldest first; how many posts left the queue."""
        done = 0
        async with self._database.reading() as session:
            found = await session.exec(
                select(StaffPost)
                .where(StaffPost.bot == self._bot.account, StaffPost.state == PostState.QUEUED)
                .where(col(StaffPost.not_before) <= self._clock())
                .order_by(col(StaffPost.query_id).is_(None), col(StaffPost.id))
                .limit(PAGE)
            )
            waiting = list(found.all())
        for post in (one for one in waiting if one.query_id is not None):
            done += await self._answer(post)
        for batch in _batches([one for one in waiting if one.query_id is None]):
            if self._pacing.may_send(batch[0].chat_id, self._clock()):
                done += await self._send(batch)
        return done

    async def _answer(self, post: StaffPost) -> int:
        """Where the press was made; a refusal that came too late for that is told in private."""
        is_fresh = self._clock() - post.created_at < FRESH
        shown = is_fresh and await self._presses.answer(post.query_id or "", post.text, is_alert=post.is_alert)
        if shown or not post.is_alert:
            return await self._note(post, state=PostState.SENT)
        await self._note(post, query_id=None)
        return 0

    async def _send(self, batch: Sequence[StaffPost]) -> int:
        first = batch[0]
        text = first.text if len(batch) == 1 else _joined(batch)
        try:
            if first.is_edit and first.reply_to is not None:
                await self._bot.edit(first.chat_id, first.reply_to, text, first.buttons)
            else:
                await self._bot.send(Place(first.chat_id, first.thread_id), text, first.buttons, first.reply_to)
        except DeliveryError as error:
            return await self._settle(batch, error)
        self._pacing.went_well(first.chat_id)
        for post in batch:
            await self._note(post, state=PostState.SENT)
        return len(batch)

    async def _settle(self, batch: Sequence[StaffPost], error: DeliveryError) -> int:
        log.warning("staff: %s messages were not sent: %s", len(batch), error)
        now, first = self._clock(), batch[0]
        if first.is_edit and isinstance(error, Refused):  # the message is gone: it is said in a new one
            return await self._note(first, cause=None, reply_to=None)
        if isinstance(error, TopicGone):  # what was said in the topic is said in the general one
            for post in batch:
                await self._note(post, thread_id=None, reply_to=None)
            return 0
        if isinstance(error, Moved) or not isinstance(error, Refused):  # a refused message says nothing of the chat
            self._pacing.hold(first.chat_id, now, error)
        is_given_up = first.attempts >= (DOUBTED if isinstance(error, Ambiguous) else TRIES)
        if isinstance(error, Refused) or is_given_up:
            state = PostState.UNKNOWN if isinstance(error, Ambiguous) else PostState.FAILED
            for post in batch:
                await self._note(post, state=state, problem=str(error))
            return len(batch)
        # The group may be gone for a day, and the bot be let in again: nothing of it is dropped.
        wait = error.retry_after or min(timedelta(seconds=2 ** min(first.attempts + 1, 12)), LONGEST_WAIT)
        for post in batch:
            await self._note(post, not_before=now + wait, attempts=post.attempts + 1, problem=str(error))
        return 0

    async def _note(self, post: StaffPost, **values: Any) -> int:
        async with self._database.writing() as session:
            is_queued = (col(StaffPost.id) == post.id, col(StaffPost.state) == PostState.QUEUED)
            await session.exec(update(StaffPost).where(*is_queued).values(**values))
        return 1


def _batches(posts: Sequence[StaffPost]) -> list[list[StaffPost]]:
    """In order; where many wait for one place, what needs no button and answers nobody goes out together."""
    places: dict[tuple[str, int | None], list[StaffPost]] = {}
    for post in posts:
        places.setdefault((post.chat_id, post.thread_id), []).append(post)
    batches: list[list[StaffPost]] = []
    for waiting in places.values():
        plain = [one for one in waiting if not one.buttons and one.reply_to is None]
        if len(plain) >= BEHIND:
            batches += [plain, *([one] for one in waiting if one not in plain)]
        else:
            batches += [[one] for one in waiting]
    return sorted(batches, key=lambda batch: batch[0].id or 0)


def _joined(batch: Sequence[StaffPost]) -> str:
    """All in one message: the newest in full where there is no room for more."""
    lines: list[str] = []
    for post in reversed(batch):
        if lines and sum(width(line) + 1 for line in lines) + width(post.text) > TEXT_LIMIT - 40:
            lines.append(f"… +{len(batch) - len(lines)}")
            break
        lines.append(post.text)
    return "\n".join(reversed(lines))
