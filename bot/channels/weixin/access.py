"""Access tokens: kept sealed where all processes of an install find them, fetched by one of them at a time."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from bot.errors import ChannelDown
from bot.tables import AccessToken
from bot.transactions import Transactions
from shop.errors import SealBroken, UnknownKey
from shop.vault import Vault

EARLY = timedelta(minutes=5)  # before its end a token is replaced: both are good then
PATIENCE = 20  # looks whether the process that fetches one has it
LOOK_EVERY = 0.25  # seconds

# Asks the platform: the token and how long it is good. True: the one before is refused, though its time is not over.
Ask = Callable[[bool], Awaitable[tuple[str, timedelta]]]


class AccessTokens:
    """Those of one account; see `bot.channels.weixin.api.Tokens`."""

    def __init__(
        self, database: Transactions, vault: Vault, clock: Callable[[], datetime], channel: str, account: str, ask: Ask
    ) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock
        self._channel, self._account = channel, account
        self._ask = ask
        self._known = ("", datetime.min.replace(tzinfo=UTC))
        self._turn = asyncio.Lock()

    async def get(self) -> str:
        token, ends_at = self._known
        return token if ends_at > self._clock() + EARLY else await self._find("")

    async def renew(self, refused: str) -> str:
        token, _ = self._known
        return token if token != refused else await self._find(refused)

    async def _find(self, refused: str) -> str:
        async with self._turn:
            for _ in range(PATIENCE):
                if await self._read(refused):
                    return self._known[0]
                async with self._database.elected(f"access token {self._channel}:{self._account}") as is_ours:
                    if is_ours:
                        # Another may have fetched one between our look and our election.
                        return self._known[0] if await self._read(refused) else await self._fetch(refused)
                await asyncio.sleep(LOOK_EVERY)
        raise ChannelDown(reason="no access token is to be had")

    async def _read(self, refused: str) -> bool:
        """Whether a good one is known now, by this process or any."""
        async with self._database.reading() as session:
            row = await session.get(AccessToken, (self._channel, self._account), populate_existing=True)
        if row is None or row.ends_at <= self._clock() + EARLY:
            return False
        try:
            token = self._vault.open_text("access token", _seal_id(row), row.sealed)
        except (SealBroken, UnknownKey):  # sealed before the keys were changed: it is as if there were none
            return False
        if token == refused:
            return False
        self._known = token, row.ends_at
        return True

    async def _fetch(self, refused: str) -> str:
        token, span = await self._ask(False)
        if token == refused:  # a platform lets another be forced few times a day
            token, span = await self._ask(True)
        row = AccessToken(channel=self._channel, account=self._account, sealed="", ends_at=self._clock() + span)
        row.sealed = self._vault.seal_text("access token", _seal_id(row), token)
        async with self._database.writing() as session:
            await session.merge(row)
        self._known = token, row.ends_at
        return token


def _seal_id(row: AccessToken) -> str:
    return f"{row.channel}:{row.account}"
