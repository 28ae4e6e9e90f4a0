"""What the owner has chosen about the staff bot, and what it is given to work with."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, time
from zoneinfo import ZoneInfo

from audit.errors import KadeskError
from bot.staff.errors import StaffError
from shop.port import Counter
from shop.vault import Vault
from tickets.claims import Claims
from tickets.desk import Desk
from tickets.errors import CodeInText, StaleTicket
from tickets.outbox import Say
from tickets.tables import Level

# What is not said here as in the console, where there is a page, and a button for everything.
_IN_OTHER_WORDS = (StaffError, StaleTicket, CodeInText)


@dataclass(frozen=True, slots=True)
class StaffRules:
    """The owner's choices."""

    account: str  # the bot's number
    group: str = ""  # the chat id of the forum group; "": there is none, the bot speaks in private only
    groups: Mapping[str, str] = field(default_factory=dict)  # queue → another group for its tickets
    language: str = "zh"
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("Asia/Shanghai"))
    from_level: Level = Level.HUMAN_QUEUE  # tickets from this level on get a topic
    pictures: bool = True  # screenshots are shown in the topic; they may show a code
    digest_at: time | None = None  # when managers get yesterday's figures, in `zone`
    console: str = ""  # address of the console, without a slash at the end
    per_minute: int = 18  # messages into one group; Telegram takes about 20

    def group_of(self, queue: str) -> str:
        return self.groups.get(queue, self.group)

    @property
    def chats(self) -> frozenset[str]:
        """The groups' numbers."""
        return frozenset({self.group, *self.groups.values()} - {""})

    def is_group(self, chat_id: str) -> bool:
        return chat_id in self.chats

    def page_of(self, number: str) -> str:
        """The ticket's page in the console."""
        return f"{self.console}/console/tickets/{number}"


@dataclass(frozen=True, slots=True)
class Room:
    """Everything that the staff bot may touch."""

    rules: StaffRules
    desk: Desk
    claims: Claims
    shop: Counter
    vault: Vault
    say: Say
    sentence: Callable[[str, KadeskError], str]  # language, refusal → one sentence for an agent
    why_lost: Callable[[str, str], str]  # language, a delivery's problem → why it did not arrive, for an agent
    retell: Callable[[str, str], str]  # language, what was once told to staff → the same in that language

    def words(self, key: str, /, **facts: object) -> str:
        """A phrase of the staff bot."""
        return self.say(self.rules.language, f"staff.{key}", **facts)

    def refusal(self, error: KadeskError) -> str:
        """One sentence for an agent."""
        if isinstance(error, _IN_OTHER_WORDS):
            key = re.sub(r"(?<!^)(?=[A-Z])", "_", type(error).__name__).lower()
            return self.words(f"refusal.{key}", **error.facts)
        return self.sentence(self.rules.language, error)

    def at(self, instant: datetime) -> str:
        return instant.astimezone(self.rules.zone).strftime("%m-%d %H:%M")
