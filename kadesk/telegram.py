"""The settings of the Telegram bots that buyers write to, and how they are opened."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, SecretStr, model_validator

from bot.budget import Budget, Rate
from bot.dialogue.commands import menus
from bot.health import Pulse
from kadesk.database import Database
from kadesk.shops import Name
from kadesk.values import BotToken, Section, Span, Words
from shop.vault import Vault
from tickets.outbox import Say

if TYPE_CHECKING:  # aiogram takes a second to import: only who needs it waits
    from bot.channels.telegram import Telegram

CHANNEL = "telegram"
OFFICIAL = "https://api.telegram.org"


class BotSection(Section):
    """[telegram.more.NAME]"""

    token: BotToken = SecretStr("")
    language: Literal["", "zh", "en"] = ""
    shops: Words = ()
    queue: str = ""

    @property
    def account(self) -> str:
        """What the rest of Kadesk calls this bot: the number that its token begins with; "" without one."""
        return self.token.get_secret_value().partition(":")[0]


class TelegramSection(BotSection):
    """[telegram]"""

    api_base: str
    receive: Literal["polling", "webhook"]
    per_second: int = Field(ge=2)
    chat_every: Span
    chat_burst: int = Field(ge=1)
    more: Mapping[Name, BotSection] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _has_a_token_for_each(self) -> Self:
        known: dict[str, str] = {}
        for name, one in self._named:
            if not one.account and name != CHANNEL:
                variable = f"KADESK_TELEGRAM__MORE__{name.rpartition('.')[2].upper()}__TOKEN"
                raise ValueError(f"{name} has no token: set {variable}, or the same with _FILE")
            if one.account in known:
                raise ValueError(f"{known[one.account]} and {name} have the token of one bot; give each its own")
            known[one.account] = name
        return self

    @property
    def _named(self) -> Sequence[tuple[str, BotSection]]:
        return ((CHANNEL, self), *((f"{CHANNEL}.more.{name}", one) for name, one in self.more.items()))

    @property
    def bots(self) -> Sequence[BotSection]:
        """Those that there is a token for, the first first."""
        return tuple(one for _, one in self._named if one.account)

    def budget(self) -> Budget:
        """How fast one of the bots writes; each has its own."""
        return Budget(Rate.at_most(self.per_second, timedelta(seconds=1)), Rate(self.chat_every, self.chat_burst))

    @property
    def queues(self) -> Mapping[str, str]:
        """Channel and account of the bots whose tickets have a queue of their own, "telegram:123", to that queue."""
        return {f"{CHANNEL}:{one.account}": one.queue for one in self.bots if one.queue}

    @property
    def places(self) -> Sequence[tuple[str, str]]:
        """Channel and account of each bot."""
        return tuple((CHANNEL, one.account) for one in self.bots)

    def find_problems(self, public_url: str, shops: Sequence[str]) -> list[str]:
        """What does not go together with other sections, a sentence each."""
        problems = [
            f"{name}.shops: there is no shop {shop!r}; choose from {', '.join(shops)}."
            for name, one in self._named
            for shop in one.shops
            if shop not in shops
        ]
        is_open = public_url.startswith("https://") or self.api_base.rstrip("/") != OFFICIAL
        if self.bots and self.receive == "webhook" and not is_open:
            problems.append(
                'telegram.receive is "webhook", but Telegram calls only https addresses: set web.public_url to the one '
                'under which this machine is reached, or receive to "polling".'
            )
        return problems


@dataclass(frozen=True, slots=True)
class OpenBot:
    """A bot, and what is known of its health."""

    telegram: "Telegram"
    pulse: Pulse


def open_bots(
    section: TelegramSection,
    public_url: str,
    database: Database,
    vault: Vault,
    clock: Callable[[], datetime],
    say: Say,
) -> list[OpenBot]:
    """Every bot that there is a token for."""
    if not section.bots:
        return []
    from bot.channels.telegram import Telegram
    from bot.channels.telegram.webhook import Hook

    opened = []
    for one in section.bots:
        token, pulse = one.token.get_secret_value(), Pulse(database, clock, CHANNEL, one.account)
        # It follows from the token: all processes know it, and with a new token comes a new secret.
        hook = Hook(f"{public_url}/telegram/{one.account}", vault.keyed_hash("telegram webhook", token))
        bot = Telegram(
            token,
            section.api_base,
            hook=hook if section.receive == "webhook" else None,
            language=one.language,
            menus=menus(say, one.language),
            note=pulse.note,
        )
        opened.append(OpenBot(bot, pulse))
    return opened
