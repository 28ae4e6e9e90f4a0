"""The settings of the bot that staff write to, and how it is opened."""

from collections.abc import Coroutine, Mapping, Sequence
from datetime import time
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, SecretStr, model_validator

from bot.bell import Bell
from bot.door import Door
from bot.inbox import Inbox
from kadesk.values import BotToken, Section
from tickets.routing import Level

if TYPE_CHECKING:
    from kadesk.wiring import Kadesk

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
    def is_on(self) -> bool:
        return bool(self.token.get_secret_value())

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


def open_staff_bot(kadesk: "Kadesk") -> Sequence[Coroutine[Any, Any, None]]:
    """What is to run for the staff bot; nothing without a token."""
    section = kadesk.settings.staff_bot
    if not section.is_on:
        return ()
    from bot.staff.calls import StaffBot  # python-telegram-bot takes a second to import: only who needs it waits
    from bot.staff.house import StaffHouse
    from kadesk.wiring import clock

    bot = StaffBot(section.token.get_secret_value(), kadesk.settings.telegram.api_base)
    heard, chime = Bell(), _Chime(kadesk.outbox_bell)
    door = Door(kadesk.database, kadesk.vault, clock, heard, RATE)
    house = StaffHouse(kadesk.database, _room(kadesk, bot.account), bot, door.accept, clock, chime)
    inbox = Inbox(kadesk.database, kadesk.vault, [house.channel], house.talk, clock, bell=heard, outbox_bell=chime)
    return (*house.workers(), inbox.run())


def _room(kadesk: "Kadesk", account: str) -> Any:
    from bot.phrases.retelling import Retelling
    from bot.staff.rules import Room, StaffRules
    from console.refusals import problem_of, sentence_of
    from console.words import words

    settings = kadesk.settings
    section = settings.staff_bot
    rules = StaffRules(
        account=account,
        group=section.group,
        groups=section.groups,
        language=section.language,
        zone=ZoneInfo(settings.console.time_zone),
        from_level=Level(int(section.from_level[1:])),
        pictures=section.pictures,
        digest_at=section.digest_at,
        console=settings.public_url,
    )
    return Room(
        rules=rules,
        desk=kadesk.desk,
        claims=kadesk.claims,
        shop=kadesk.shop,
        vault=kadesk.vault,
        say=kadesk.phrases,
        sentence=lambda language, error: sentence_of(words(language), error),
        why_lost=lambda language, problem: problem_of(words(language), problem),
        retell=Retelling(kadesk.phrases),
    )
