"""What staff type: commands and their arguments, in Chinese or English. Pure."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from zoneinfo import ZoneInfo

from bot.staff.buttons import Act
from bot.staff.errors import CannotRead, UnknownCommand
from tickets.tables import Outcome

MORNING = time(9)
LONGEST = timedelta(days=60)


class Where(StrEnum):
    """Where a command is good for something."""

    TOPIC = "topic"  # in that of the ticket
    ANYWHERE = "anywhere"
    PRIVATE = "private"


@dataclass(frozen=True, slots=True)
class Listed:
    """A command as the menus, /help and docs/staff-bot.md name it."""

    name: str
    where: Where
    chinese: tuple[str, ...]  # what it is called in Chinese; the first is the usual one
    has_words: bool = True  # something may be typed after it


COMMANDS = (
    Listed(Act.NOTE, Where.TOPIC, ("备注",)),
    Listed(Act.TAKE, Where.TOPIC, ("接手",), has_words=False),
    Listed(Act.RELEASE, Where.TOPIC, ("退回",), has_words=False),
    Listed(Act.ASSIGN, Where.TOPIC, ("转给",)),
    Listed(Act.REPLACE, Where.TOPIC, ("补发",), has_words=False),
    Listed(Act.REFUND, Where.TOPIC, ("退款",)),
    Listed(Act.INSTRUCT, Where.TOPIC, ("说明",)),
    Listed(Act.REJECT, Where.TOPIC, ("驳回", "拒绝")),
    Listed(Act.RESOLVE, Where.TOPIC, ("解决",)),
    Listed(Act.MACRO, Where.TOPIC, ("快捷回复", "宏")),
    Listed(Act.SNOOZE, Where.TOPIC, ("稍后",)),
    Listed(Act.WAKE, Where.TOPIC, ("唤醒",), has_words=False),
    Listed(Act.ESCALATE, Where.TOPIC, ("升级",)),
    Listed(Act.MERGE, Where.TOPIC, ("合并",)),
    Listed("queue", Where.ANYWHERE, ("队列",), has_words=False),
    Listed("mine", Where.ANYWHERE, ("我的",), has_words=False),
    Listed("next", Where.ANYWHERE, ("下一个",), has_words=False),
    Listed("sla", Where.ANYWHERE, ("时限",), has_words=False),
    Listed("find", Where.ANYWHERE, ("查",)),
    Listed("help", Where.ANYWHERE, ("帮助",), has_words=False),
    Listed("link", Where.PRIVATE, ("绑定",)),
    Listed("unlink", Where.PRIVATE, ("解绑",), has_words=False),
)
# Whatever is typed after the slash, in small letters; apps send /start by themselves.
NAMES = {typed: one.name for one in COMMANDS for typed in (one.name, *one.chinese)} | {"start": "start"}
OUTCOMES: dict[str, Outcome] = {
    **{outcome.value: outcome for outcome in Outcome},
    "补发": Outcome.REPLACE,
    "退款": Outcome.REFUND,
    "部分退款": Outcome.PARTIAL_REFUND,
    "说明": Outcome.INSTRUCT,
    "驳回": Outcome.REJECT,
    "拒绝": Outcome.REJECT,
}
_SPAN = re.compile(r"(\d{1,4})\s*(m|min|minutes?|分钟?|h|hours?|小时|个小时|d|days?|天)", re.IGNORECASE)
_UNITS = {"m": "minutes", "分": "minutes", "h": "hours", "小": "hours", "个": "hours", "d": "days", "天": "days"}


@dataclass(frozen=True, slots=True)
class Command:
    """What was typed."""

    name: str
    words: str  # all after it


def find_command(text: str) -> Command | None:
    """The command in a text that begins with a slash; None of any other text. Raises `UnknownCommand`."""
    if not text.startswith(("/", "／")):
        return None
    word = text[1:].split(maxsplit=1)[0] if text[1:].strip() else ""
    name = NAMES.get(word.partition("@")[0].lower())
    if name is None:
        raise UnknownCommand(name=f"/{word[:30]}")
    # What follows keeps its lines.
    return Command(name, text[1 + len(word) :].strip())


def ticket_number(words: str) -> str:
    """A ticket's number however it was typed: "k-12" and "12" are K-000012. Raises `CannotRead`."""
    plain = words.strip().upper().removeprefix("K").lstrip("-#").strip()
    if not plain.isdecimal() or len(plain) > 12:
        raise CannotRead(usage="/merge K-000123")
    return f"K-{int(plain):06d}"


def is_ticket_number(words: str) -> bool:
    return re.fullmatch(r"(?i)#?k-?\d{1,9}", words.strip()) is not None


def until(words: str, now: datetime, zone: ZoneInfo) -> datetime:
    """When a ticket wakes: "4h", "30 分钟", "2天", "明天", "tomorrow", "18:30". Raises `CannotRead`."""
    text = words.strip().lower()
    local = now.astimezone(zone)
    if text in ("明天", "明早", "tomorrow", "morning"):
        return datetime.combine(local.date() + timedelta(days=1), MORNING, zone).astimezone(UTC)
    if found := re.fullmatch(r"([01]?\d|2[0-3])[:：]([0-5]\d)", text):
        at = datetime.combine(local.date(), time(int(found[1]), int(found[2])), zone)
        return (at if at > local else at + timedelta(days=1)).astimezone(UTC)
    found = _SPAN.fullmatch(text)
    span = timedelta(**{_UNITS[found[2][0]]: int(found[1])}) if found else timedelta()
    if not timedelta() < span <= LONGEST:
        raise CannotRead(usage="/snooze 4h")
    return now + span


def outcome_and_words(words: str) -> tuple[Outcome, str]:
    """How a matter ended, which may be left out, and what the buyer is told beside."""
    first, _, rest = words.strip().partition(" ")
    known = OUTCOMES.get(first.lower())
    return (known, rest.strip()) if known else (Outcome.INSTRUCT, words.strip())


def claim_and_words(words: str) -> tuple[int | None, str]:
    """The number of a claim before the words about it: "2 reason", "#2 reason"; None without one."""
    found = re.fullmatch(r"\s*#?(\d{1,3})(?:\s+(.*))?", words, re.DOTALL)
    return (int(found[1]), (found[2] or "").strip()) if found else (None, words.strip())


def amount(words: str) -> str:
    """A sum of money as it is read by the shop, "" for none. Raises `CannotRead`."""
    text = words.strip().removeprefix("¥").removeprefix("￥").removesuffix("元").strip()
    try:
        is_sum = not text or Decimal(text) > 0
    except InvalidOperation:
        is_sum = False
    if not is_sum:
        raise CannotRead(usage="/refund · /refund 12.50")
    return text
