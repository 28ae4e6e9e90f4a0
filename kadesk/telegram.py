"""The settings of the Telegram bots that buyers write to, and how they are opened."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, SecretStr, model_validator

from bot.budget import Budget, Rate
from bot.channels.botapi.hook import Hook
from bot.channels.botapi.line import Elected
from bot.channels.port import Accept
from bot.dialogue.commands import menus
from bot.health import Pulse
from kadesk.accounts import Accounts, AccountSection
from kadesk.database import Database
from kadesk.shops import Name
from kadesk.values import BotToken, Span
from kadesk.workers import Worker
from shop.vault import Vault
from tickets.outbox import Say

if TYPE_CHECKING:  # aiogram takes a second to import: only who needs it waits
    from bot.channels.telegram import Telegram

CHANNEL = "telegram"
OFFICIAL = "https://api.telegram.org"


class BotSection(AccountSection):
    """[telegram.more.NAME]"""

    token: BotToken = SecretStr("")
    language: Literal["", "zh", "en"] = ""

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
        for name, one in self.accounts.named.items():
            if not one.account and name != CHANNEL:
                variable = f"KADESK_TELEGRAM__MORE__{name.rpartition('.')[2].upper()}__TOKEN"
                raise ValueError(f"{name} has no token: set {variable}, or the same with _FILE")
        self.accounts.require_different("have the token of one bot; give each its own")
        return self

    @property
    def accounts(self) -> Accounts[BotSection]:
        return Accounts.of(CHANNEL, self, self.more)

    def budget(self) -> Budget:
        """How fast one of the bots writes; each has its own."""
        return Budget(Rate.at_most(self.per_second, timedelta(seconds=1)), Rate(self.chat_every, self.chat_burst))

    def find_problems(self, public_url: str, shops: Sequence[str]) -> list[str]:
        """What does not go together with other sections, a sentence each."""
        problems = self.accounts.find_problems(shops)
        if self.accounts.all and self.receive == "webhook":
            problems += self.find_way_problems("telegram", public_url)
        return problems

    def find_way_problems(self, section: str, public_url: str) -> list[str]:
        """Why the bots of this section cannot be called by webhook."""
        if public_url.startswith("https://") or self.api_base.rstrip("/") != OFFICIAL:
            return []
        return [
            f'{section}.receive is "webhook", but Telegram calls only https addresses: set web.public_url to the one '
            'under which this machine is reached, or receive to "polling".'
        ]

    def find_owner(self, account: str) -> str | None:
        """The section of the bot that has this number."""
        return next((name for name, one in self.accounts.named.items() if account and one.account == account), None)


@dataclass(frozen=True, slots=True)
class OpenBot:
    """A bot, and what is known of its health."""

    telegram: "Telegram"
    pulse: Pulse

    def workers(self, accept: Accept, elected: Elected) -> Sequence[Worker]:
        name, hear = f"telegram {self.telegram.account}", partial(self.telegram.run, accept, elected)
        return (Worker(f"{name} hears", hear), Worker(f"{name} is well", self.pulse.run))


def open_bots(
    section: TelegramSection,
    public_url: str,
    database: Database,
    vault: Vault,
    clock: Callable[[], datetime],
    say: Say,
) -> list[OpenBot]:
    """Every bot that there is a token for."""
    if not section.accounts.all:
        return []
    from bot.channels.telegram import Telegram
    from bot.channels.telegram.topics import Topics

    opened = []
    for one in section.accounts.all:
        token, pulse = one.token.get_secret_value(), Pulse(database, clock, CHANNEL, one.account)
        bot = Telegram(
            token,
            section.api_base,
            hook=hook_of(token, public_url, vault) if section.receive == "webhook" else None,
            language=one.language,
            menus=menus(say, one.language),
            note=pulse.note,
            recall=pulse.recall,
            open_topics=lambda one: Topics(one, database, clock),
        )
        opened.append(OpenBot(bot, pulse))
    return opened


def hook_of(token: str, public_url: str, vault: Vault) -> Hook:
    """Where Telegram calls the bot of this token.

    The secret follows from the token: all processes know it, and with a new token comes a new secret.
    """
    account = token.partition(":")[0]
    return Hook(f"{public_url}/telegram/{account}", vault.keyed_hash("telegram webhook", token))
