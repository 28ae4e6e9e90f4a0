"""What an owner may choose about the web pages, and what the pages are given to work with."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel.ext.asyncio.session import AsyncSession

from console.banners import Stranded
from shop.port import Counter
from shop.vault import Vault
from tickets.claims import Claims
from tickets.desk import Desk


@dataclass(frozen=True, slots=True)
class ConsoleRules:
    """The owner's choices; spans are `timedelta`."""

    session: timedelta = timedelta(hours=12)  # how long a sign-in lasts at most
    idle: timedelta = timedelta(hours=3)  # and how long without opening a page
    cookie_secure: bool = False  # True behind HTTPS: cookies are then never sent in clear
    time_zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("Asia/Shanghai"))  # of every time shown to staff
    misses_per_login: int = 5  # wrong passwords for one login before it rests
    misses_per_source: int = 25  # the same for one network address, whatever the logins
    rest: timedelta = timedelta(minutes=10)  # the window of both counts
    public_url: str = (
        ""  # how buyers reach us, if not by the address that staff use: its reveal links are clickable in the chat
    )
    widget_origins: tuple[str, ...] = ()  # the shops whose pages may hold the chat in a frame
    sweep_stale: timedelta = timedelta(seconds=120)  # a last good sweep older than this is an alarm


class Database(Protocol):
    """`kadesk.database.Database`, as far as the pages need it."""

    @property
    def engine(self) -> AsyncEngine: ...

    def reading(self) -> AbstractAsyncContextManager[AsyncSession]: ...

    def writing(self, *, is_brief: bool = False) -> AbstractAsyncContextManager[AsyncSession]: ...


class Light(Protocol):
    """One bot as it was when somebody looked; `bot.health.Light` is one."""

    @property
    def is_red(self) -> bool: ...
    @property
    def account(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def troubles(self) -> Sequence[str]: ...
    @property
    def calls(self) -> Sequence[object]: ...


Lights = Callable[[AsyncSession, datetime], Awaitable[Sequence[Light]]]


@dataclass(frozen=True, slots=True)
class Site:
    """Everything a page may touch."""

    database: Database
    desk: Desk
    claims: Claims
    shop: Counter
    vault: Vault
    clock: Callable[[], datetime]
    rules: ConsoleRules
    stranded: Stranded
    retell: Callable[[str, str], str]  # a kept phrase of ours, as a reader of this language is told it
    lights: Lights | None = None  # of the bots, where there are any
    failing: Callable[[], Sequence[str]] = tuple  # the names of what of this process keeps failing
