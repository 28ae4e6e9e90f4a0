"""The owner's own facts about a ticket: what they are called, and which values they take. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from tickets.errors import BadField, NotAChoice, NotADate, NotANumber

TEXT_LIMIT = 200  # characters of a text field
_NUMBER = re.compile(r"[+-]?(?:\d{1,12}(?:\.\d{1,6})?|\.\d{1,6})", re.ASCII)
_DATE = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})", re.ASCII)

Value = str | int | float


class FieldKind(StrEnum):
    TEXT = "text"
    NUMBER = "number"
    CHOICE = "choice"
    DATE = "date"


@dataclass(frozen=True, slots=True)
class Label:
    """What people call a field, in their language."""

    zh: str
    en: str

    def __call__(self, language: str) -> str:
        return self.en if language == "en" else self.zh

    def __str__(self) -> str:
        return self.en


@dataclass(frozen=True, slots=True)
class TicketField:
    """A fact that staff may note on a ticket, beside those that every ticket has."""

    name: str  # the key under which values are kept
    kind: FieldKind
    label: Label
    choices: tuple[str, ...] = ()

    def read(self, text: str) -> Value | None:
        """The value that was typed; None for nothing. Raises `NotANumber`, `NotADate`, `NotAChoice`, `BadField`."""
        text = text.strip()
        if not text:
            return None
        match self.kind:
            case FieldKind.NUMBER:
                return self._number(text)
            case FieldKind.DATE:
                return self._date(text)
            case FieldKind.CHOICE if text not in self.choices:
                raise NotAChoice(field=self.label, choices=", ".join(self.choices))
        if len(text) > TEXT_LIMIT:
            raise BadField(field=self.label, limit=TEXT_LIMIT)
        return text

    def _number(self, text: str) -> Value:
        plain = text.replace(",", "")
        if not _NUMBER.fullmatch(plain):
            raise NotANumber(field=self.label)
        return float(plain) if "." in plain else int(plain)

    def _date(self, text: str) -> str:
        found = _DATE.fullmatch(text)
        try:
            return date(*map(int, found.groups())).isoformat() if found else self._no_date()
        except ValueError:
            return self._no_date()

    def _no_date(self) -> str:
        raise NotADate(field=self.label)


def find_field(fields: Sequence[TicketField], name: str) -> TicketField | None:
    return next((field for field in fields if field.name == name), None)
