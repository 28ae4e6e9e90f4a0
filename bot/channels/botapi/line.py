"""Between one bot and its server: what both ways of receiving need."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from bot.channels.botapi.menus import Menu
from bot.channels.noting import Note, unheard

if TYPE_CHECKING:
    from bot.channels.botapi.arrivals import Arrivals
    from bot.channels.botapi.patience import Patience

Elected = Callable[[str], AbstractAsyncContextManager[bool]]  # whether this process is the one that does it now
Recall = Callable[[], Awaitable[Mapping[str, Any]]]  # what a bot has noted of itself, also in another process


async def nothing() -> Mapping[str, Any]:
    """Recalled by a bot that nobody watches."""
    return {}


@dataclass(frozen=True, slots=True)
class Refusal:
    """What an error of the server's means for receiving."""

    problem: str = ""  # "token", "conflict" or "refused", see `bot.health.Trouble`; "": it will pass
    reason: str = ""  # the server's own words, where it refused; else what is known
    retry_after: float | None = None  # seconds that it asks to wait


class Server(Protocol):
    """The calls of one bot. They raise what its library raises, which `judge` understands."""

    @property
    def kinds(self) -> tuple[str, ...]:
        """What it wants to be told of. Named one by one: what Telegram takes for granted changes."""

    async def name(self) -> str:
        """The bot's user name, asked anew."""

    async def look(self, offset: int | None, seconds: int) -> list[Any]:
        """Updates from `offset` on, as plain JSON; held open for `seconds` while nothing happens."""

    async def set_webhook(self, url: str, secret: str, at_once: int) -> None:
        """What waits at the server is kept."""

    async def remove_webhook(self) -> None:
        """One that is set would refuse our looks. What waits at the server is kept."""

    async def webhook(self) -> dict[str, Any] | None:
        """What the server says of it; None from one that has no answer to that."""

    async def set_menu(self, menu: Menu) -> bool:
        """Show this menu of commands; False when it is refused for good, or unknown there."""

    def judge(self, error: Exception) -> Refusal:
        """What this error means; never its words where they may quote the token."""


@dataclass(frozen=True, slots=True)
class Line:
    """One bot's line to its server."""

    server: Server
    channel: str
    account: str
    arrivals: "Arrivals"
    patience: "Patience"
    note: Note = unheard
    recall: Recall = nothing

    @property
    def place(self) -> str:
        """As elections and the log name it."""
        return f"{self.channel} {self.account}"
