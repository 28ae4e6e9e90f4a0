"""The feed of one 微信客服 account: fetched from where we left off, to its end, one process at a time.

A callback says only that there is something; after an outage the same reading brings what three days hold. The first
reading of all brings as much, of which little was said to us: see `first_look`.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from bot.channels.noting import Note, unheard
from bot.channels.port import Accept, Update
from bot.channels.wecom import reading
from bot.channels.wecom.first_look import FirstLook
from bot.channels.weixin.api import Api, Tokens
from bot.channels.weixin.errors import AnswerTooLong
from bot.errors import Refused
from bot.tables import Feed
from bot.transactions import Transactions

log = logging.getLogger(__name__)

SYNC = "/cgi-bin/kf/sync_msg"
PAGE, FEW = 1000, 50  # messages of one answer; where so many long ones are more than we read at once
TOKEN_GOOD = timedelta(minutes=9)  # the word of a callback lets us ask often for ten minutes

KINDS_LOGGED = 50  # that we know nothing of, so that no flood of them fills the log

# What else follows from a page, before it counts as read: the messages as they came.
Also = Callable[[Sequence[Mapping[str, Any]]], Awaitable[None]]


class FeedReader:
    """Of one account, which the platform calls `open_kfid`."""

    def __init__(
        self,
        database: Transactions,
        clock: Callable[[], datetime],
        api: Api,
        tokens: Tokens,
        channel: str,
        open_kfid: str,
        before: Also,
        after: Also,
        note: Note = unheard,
    ) -> None:
        self._database = database
        self._clock = clock
        self._api, self._tokens = api, tokens
        self._channel, self._account = channel, open_kfid
        self._before, self._after = before, after
        self._note = note
        self.is_others = False  # another process was reading when we looked last
        self._first: FirstLook | None = None  # as far as it has come, while there is no place yet
        self._unknown: set[str] = set()
        self._word = ""
        self._good_until: datetime | None = None

    def note(self, word: str) -> None:
        """The token of a callback."""
        self._word, self._good_until = word, self._clock() + TOKEN_GOOD

    async def read_all(self, accept: Accept) -> int:
        """Store everything new and remember how far that is; how many messages were new. Raises `DeliveryError`."""
        async with self._database.elected(f"feed {self._channel}:{self._account}") as is_ours:
            self.is_others = not is_ours
            if not is_ours:
                return 0
            cursor, count = await self._begin(), 0
            while True:
                page = await self._ask(cursor)
                following = str(page.get("next_cursor") or cursor)
                is_last = not page.get("has_more") or following == cursor
                messages = [one for one in page.get("msg_list") or () if isinstance(one, Mapping)]
                new = await self._take(messages, accept, following, is_last=is_last)
                count += new
                self._note("looked_at", *(["seen_at"] if new else []), feed_error="")
                if is_last:
                    return count
                cursor = following

    async def _begin(self) -> str:
        """Where to go on."""
        cursor = await self._find_cursor()
        if cursor is not None:  # another process may have come to the end of the first look
            self._first = None
            return cursor
        if self._first is None or not self._first.cursor:  # nothing was to be had before: it begins now
            self._first = FirstLook(self._clock())
        return self._first.cursor

    async def _take(
        self, messages: Sequence[Mapping[str, Any]], accept: Accept, following: str, *, is_last: bool
    ) -> int:
        """Store a page, and how far that is; how many messages were new."""
        self._log_unknown(messages)
        await self._before(messages)
        taken = (reading.take(self._channel, self._account, one) for one in messages)
        found: list[Update] = [update for update in taken if update is not None]
        first, self._first = self._first, None  # what waits in it is lost with this page: then it begins anew
        if first is not None:
            found = [*first.sort(found), *(first.rest() if is_last else ())]
        new = await accept(*(found if first is not None else reading.leave_to_people(found)))
        await self._after(messages)
        # Only now: what is read again after a crash is known by its number, what is skipped is lost.
        if first is None or is_last:
            await self._keep_cursor(following)
        else:
            first.cursor, self._first = following, first
        return new

    def _log_unknown(self, messages: Sequence[Mapping[str, Any]]) -> None:
        """Once of each kind: the platform has something new, which we leave alone."""
        for kind in {reading.unknown(one)[:60] for one in messages} - self._unknown - {""}:
            if len(self._unknown) < KINDS_LOGGED:
                self._unknown.add(kind)
                log.warning("%s %s: nothing is known of %r", self._channel, self._account, kind)

    async def _ask(self, cursor: str) -> dict[str, Any]:
        try:
            return await self._ask_for(PAGE, cursor)
        except AnswerTooLong:
            return await self._ask_for(FEW, cursor)

    async def _ask_for(self, count: int, cursor: str) -> dict[str, Any]:
        body: dict[str, Any] = {"open_kfid": self._account, "limit": count, "voice_format": 0}
        if self._good_until and self._clock() < self._good_until:
            body["token"] = self._word
        if cursor:
            body["cursor"] = cursor
        for doubtful in [name for name in ("token", "cursor") if name in body]:
            try:
                return await self._api.call(self._tokens, SYNC, body)
            except Refused:
                del body[doubtful]
            if doubtful == "token":  # it came late, or our clock is behind: without it we may ask, though not as often
                self._good_until = None
            else:  # a place that it does not know any more must not keep all buyers waiting for ever
                log.warning("%s %s: the platform does not take our place: from its beginning", *self._key[:2])
        return await self._api.call(self._tokens, SYNC, body)

    async def _find_cursor(self) -> str | None:
        """None: nothing of this account was ever read to its end."""
        async with self._database.reading() as session:
            row = await session.get(Feed, self._key)
            return row.cursor if row else None

    async def _keep_cursor(self, cursor: str) -> None:
        async with self._database.writing() as session:
            await keep(session, self._clock(), *self._key, cursor)

    @property
    def _key(self) -> tuple[str, str, str]:
        return self._channel, self._account, "messages"


async def keep(session: AsyncSession, now: datetime, channel: str, account: str, name: str, value: str) -> None:
    """Remember a place, or a word of the platform's, of this account."""
    await session.merge(Feed(channel=channel, account=account, name=name, cursor=value, read_at=now))


async def forget(session: AsyncSession, before: datetime, channel: str, account: str, name: str) -> None:
    """Delete what was kept, before this instant, under names that begin so."""
    here = (col(Feed.channel) == channel, col(Feed.account) == account, col(Feed.name).startswith(name))
    await session.exec(delete(Feed).where(*here, col(Feed.read_at) < before))
