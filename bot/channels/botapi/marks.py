"""Which updates of a bot are the newest that we have stored, as the server numbered and dated them. Pure.

After a quiet week Telegram begins with numbers that may be lower. Other servers keep all that they ever had, and begin
with the first when they are told no offset, long after we forgot what we did with it. The server's own dates tell them
apart: what has a lower number than the newest that we stored, and no later date, was stored before it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_DATED = ("message", "edited_message", "business_message", "edited_business_message", "my_chat_member")
_NOTED = "mark"


@dataclass(frozen=True, slots=True)
class Mark:
    """The last number that was stored, and the newest date, in seconds since 1970."""

    number: int
    date: int

    @classmethod
    def read(cls, facts: Mapping[str, Any]) -> "Mark | None":
        """From what was noted."""
        noted = facts.get(_NOTED)
        if not (isinstance(noted, list) and len(noted) == 2 and all(isinstance(one, int) for one in noted)):
            return None
        return cls(*noted)

    @property
    def facts(self) -> dict[str, Any]:
        """To be noted."""
        return {_NOTED: [self.number, self.date]}

    def is_after(self, raw: Sequence[object]) -> bool:
        """Whether the server gives what it gave before: then its numbers go on, and the news come after ours."""
        return any(
            number <= self.number and 0 < _date_of(one) <= self.date
            for one in raw
            if (number := number_of(one)) is not None
        )


def number_of(raw: object) -> int | None:
    """Of an update; None where it has none that could be confirmed."""
    text = str(raw.get("update_id")) if isinstance(raw, Mapping) else ""
    return int(text) if text.isdecimal() and len(text) < 19 else None


def find_mark(raw: Sequence[object], before: Mark | None = None) -> Mark | None:
    """After these were stored; None when none of them has a number and a date."""
    numbers = [number for one in raw if (number := number_of(one)) is not None]
    date = max([before.date if before else 0, *map(_date_of, raw)])
    return Mark(max(numbers), date) if numbers and date else before


def _date_of(raw: object) -> int:
    """When it happened; 0: it does not say. The date under a press is that of the message, not of the press."""
    for kind in _DATED:
        body = raw.get(kind) if isinstance(raw, Mapping) else None
        if isinstance(body, Mapping):
            return max(_seconds(body.get("date")), _seconds(body.get("edit_date")))
    return 0


def _seconds(value: object) -> int:
    text = str(value)
    return int(text) if text.isdecimal() and len(text) < 12 else 0
