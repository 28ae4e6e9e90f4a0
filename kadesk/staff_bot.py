"""The settings of the bot that staff write to, and how it is opened."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import time
from typing import TYPE_CHECKING, Annotated, Literal, Protocol, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, SecretStr, model_validator

from bot.bell import Bell
from bot.door import Door
from bot.health import Pulse
from bot.inbox import Inbox
from bot.staff import CHANNEL
from kadesk.telegram import TelegramSection, hook_of
from kadesk.values import BotToken, Section
from kadesk.workers import Worker
from shop.port import Counter
from shop.vault import Vault
from tickets.routing import Level

if TYPE_CHECKING:  # python-telegram-bot takes a second to import: only who needs it waits
    from fastapi import APIRouter

    from bot.phrases import Phrases
    from bot.staff.rules import Room, StaffRules
    from kadesk.wiring import Kadesk
    from tickets.claims import Claims
    from tickets.desk import Desk

RATE = 600  # updates a minute of one topic that take effect


def _group(number: str) -> str:
    if number and not (number.startswith("-") and number[1:].isdecimal()):
        raise ValueError("write the group's number, such as '-1001234567890'; the bot tells it when asked /start there")
    return number


def _time_of_day(text: str) -> str:
    if text:
        try:
            time.fromisoformat(text)
        except ValueError as error:
            raise ValueError(f"write a time such as '09:00', or nothing, not {text!r}") from error
    return text


Group = Annotated[str, AfterValidator(_group)]


class StaffBotSection(Section):
    """[staff_bot]"""

    token: BotToken = SecretStr("")
    receive: Literal["polling", "webhook"]
    group: Group
    groups: Mapping[str, Group] = Field(default_factory=dict)
    from_level: Literal["L0", "L1", "L2", "L3"]
    language: Literal["zh", "en"]
    pictures: bool
    digest: Annotated[str, AfterValidator(_time_of_day)]

    @model_validator(mode="after")
    def _has_a_first_group(self) -> Self:
        if self.groups and not self.group:
            raise ValueError("groups for queues need a group for the rest: set group")
        return self

    @property
    def account(self) -> str:
        """The bot's number, which its token begins with; "" without one."""
        return self.token.get_secret_value().partition(":")[0]

    @property
    def is_on(self) -> bool:
        return bool(self.account)

    @property
    def places(self) -> Sequence[tuple[str, str]]:
        """Channel and account, if there is one."""
        return ((CHANNEL, self.account),) if self.is_on else ()

    def find_problems(self, public_url: str, buyers: TelegramSection) -> list[str]:
        """What does not go together with other sections, a sentence each."""
        problems = []
        if owner := buyers.find_owner(self.account):
            problems.append(f"{owner} and staff_bot have the token of one bot; make another for staff with @BotFather.")
        if self.is_on and self.receive == "webhook":
            problems += buyers.find_way_problems("staff_bot", public_url)
        return problems

    @property
    def digest_at(self) -> time | None:
        return time.fromisoformat(self.digest) if self.digest else None


class _Chime(Bell):
    """Rings with others: what staff say is sent to buyers, and shown in the group."""

    def __init__(self, *others: Bell) -> None:
        super().__init__()
        self._others = others

    def ring(self) -> None:
        super().ring()
        for other in self._others:
            other.ring()


@dataclass(frozen=True, slots=True)
class OpenStaffBot:
    """What is to run for the staff bot, and its doors."""

    workers: Sequence[Worker] = ()
    routers: "Sequence[APIRouter]" = ()


def open_staff_bot(kadesk: "Kadesk") -> OpenStaffBot:
    """Nothing without a token."""
    section, api_base = kadesk.settings.staff_bot, kadesk.settings.telegram.api_base
    if not section.is_on:
        return OpenStaffBot()
    from bot.staff.calls import StaffBot
    from bot.staff.house import StaffHouse
    from kadesk.wiring import clock

    token, pulse = section.token.get_secret_value(), Pulse(kadesk.database, clock, CHANNEL, section.account)
    heard, chime = Bell(), _Chime(kadesk.outbox_bell)
    house = StaffHouse(
        kadesk.database,
        room_of(kadesk, rules_of(kadesk)),
        StaffBot(token, api_base, pulse.note),
        Door(kadesk.database, kadesk.vault, clock, heard, RATE).accept,
        clock,
        chime,
        hook=hook_of(token, kadesk.settings.public_url, kadesk.vault) if section.receive == "webhook" else None,
        note=pulse.note,
        recall=pulse.recall,
    )
    inbox = Inbox(kadesk.database, kadesk.vault, [house.channel], house.talk, clock, bell=heard, outbox_bell=chime)
    runs = {"hears": house.receive, "understands": inbox.run, "shows": house.run, "is well": pulse.run}
    return OpenStaffBot([Worker(f"staff bot {name}", run) for name, run in runs.items()], [house.router()])


def rules_of(kadesk: "Kadesk") -> "StaffRules":
    from bot.staff.rules import StaffRules

    settings = kadesk.settings
    section = settings.staff_bot
    return StaffRules(
        account=section.account,
        group=section.group,
        groups=section.groups,
        language=section.language,
        zone=ZoneInfo(settings.console.time_zone),
        from_level=Level(int(section.from_level[1:])),
        pictures=section.pictures,
        digest_at=section.digest_at,
        console=settings.public_url,
    )


class Parts(Protocol):
    """What of a Kadesk the staff bot works with."""

    @property
    def desk(self) -> "Desk": ...
    @property
    def claims(self) -> "Claims": ...
    @property
    def shop(self) -> Counter: ...
    @property
    def vault(self) -> Vault: ...
    @property
    def phrases(self) -> "Phrases": ...


def room_of(parts: Parts, rules: "StaffRules") -> "Room":
    """The staff bot's room, with the words of the console for refusals and for what was lost."""
    from bot.phrases.retelling import Retelling
    from bot.staff.rules import Room
    from console.refusals import problem_of, sentence_of
    from console.words import words

    return Room(
        rules=rules,
        desk=parts.desk,
        claims=parts.claims,
        shop=parts.shop,
        vault=parts.vault,
        say=parts.phrases,
        sentence=lambda language, error: sentence_of(words(language), error),
        why_lost=lambda language, problem: problem_of(words(language), problem),
        retell=Retelling(parts.phrases),
    )
