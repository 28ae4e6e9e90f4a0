"""The feed of one 微信客服 account: fetched from where we left off, to its end, one process at a time.

A callback says only that there is something; after an outage the same reading brings what three days hold.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession

from bot.channels.port import Accept
from bot.channels.wecom import reading
from bot.channels.weixin.api import Api, Tokens
from bot.tables import Feed
from bot.transactions import Transactions

log = logging.getLogger(__name__)

PAGE = 1000  # messages of one answer
TOKEN_GOOD = timedelta(minutes=9)  # the word of a callback lets us ask often for ten minutes

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
        also: Also,
    ) -> None:
        self._database = database
        self._clock = clock
        self._api, self._tokens = api, tokens
        self._channel, self._account = channel, open_kfid
        self._also = also
        self._word = ""
        self._good_until: datetime | None = None

    def note(self, word: str) -> None:
        """The token of a callback."""
        self._word, self._good_until = word, self._clock() + TOKEN_GOOD

    async def read_all(self, accept: Accept) -> int:
        """Store everything new and remember how far that is; how many messages were new. Raises `DeliveryError`."""
        async with self._database.elected(f"feed {self._channel}:{self._account}") as is_ours:
            if not is_ours:
                return 0
            cursor, count = await self._find_cursor(), 0
            while True:
                page = await self._ask(cursor)
                messages = [one for one in page.get("msg_list") or () if isinstance(one, Mapping)]
                found = (reading.take(self._channel, self._account, one) for one in messages)
                count += await accept(*(update for update in found if update is not None))
                await self._also(messages)
                following = str(page.get("next_cursor") or cursor)
                # Only now: what is read again after a crash is known by its number, what is skipped is lost.
                await self._keep_cursor(following)
                if not page.get("has_more") or following == cursor:
                    return count
                cursor = following

    async def _ask(self, cursor: str) -> dict[str, Any]:
        body: dict[str, Any] = {"open_kfid": self._account, "limit": PAGE, "voice_format": 0}
        if self._good_until and self._clock() < self._good_until:
            body["token"] = self._word
        if cursor:
            body["cursor"] = cursor
        return await self._api.call(self._tokens, "/cgi-bin/kf/sync_msg", body)

    async def _find_cursor(self) -> str:
        async with self._database.reading() as session:
            row = await session.get(Feed, self._key)
            return row.cursor if row else ""

    async def _keep_cursor(self, cursor: str) -> None:
        async with self._database.writing() as session:
            await keep(session, self._clock(), *self._key, cursor)

    @property
    def _key(self) -> tuple[str, str, str]:
        return self._channel, self._account, "messages"


async def keep(session: AsyncSession, now: datetime, channel: str, account: str, name: str, value: str) -> None:
    """Remember a place, or a word of the platform's, of this account."""
    await session.merge(Feed(channel=channel, account=account, name=name, cursor=value, read_at=now))
