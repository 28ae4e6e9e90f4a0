"""What staff type: commands and their arguments, in Chinese or English. Pure."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from zoneinfo import ZoneInfo

from bot.staff.buttons import Act
from bot.staff.errors import CannotRead, UnknownCommand
from tickets.tables import Outcome

MORNING = time(9)
LONGEST = timedelta(days=60)

# Whatever is typed after the slash, in small letters.
NAMES: dict[str, str] = {
    **{act.value: act.value for act in Act},
    **{name: name for name in ("queue", "mine", "next", "sla", "find", "help", "link", "unlink", "start")},
    "接手": Act.TAKE,
    "退回": Act.RELEASE,
    "转给": Act.ASSIGN,
    "补发": Act.REPLACE,
    "退款": Act.REFUND,
    "说明": Act.INSTRUCT,
    "驳回": Act.REJECT,
    "拒绝": Act.REJECT,
    "快捷回复": Act.MACRO,
    "宏": Act.MACRO,
    "稍后": Act.SNOOZE,
    "唤醒": Act.WAKE,
    "解决": Act.RESOLVE,
    "升级": Act.ESCALATE,
    "合并": Act.MERGE,
    "备注": Act.NOTE,
    "队列": "queue",
    "我的": "mine",
    "下一个": "next",
    "时限": "sla",
    "查": "find",
    "帮助": "help",
    "绑定": "link",
    "解绑": "unlink",
}
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
