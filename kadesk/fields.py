"""The owner's own fields of a ticket, as [fields] of the settings declares them."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from kadesk.values import Section, Words
from tickets.fields import FieldKind, Label, TicketField

FIELDS = 20


class FieldSection(Section):
    type: Literal["text", "number", "choice", "date"]
    zh: str = Field(min_length=1, max_length=40)
    en: str = Field(min_length=1, max_length=40)
    choices: Words = ()

    @model_validator(mode="after")
    def _has_choices(self) -> "FieldSection":
        if (self.type == "choice") != bool(self.choices):
            raise ValueError("a field of type choice has choices, and no other has")
        return self

    def field(self, name: str) -> TicketField:
        return TicketField(name, FieldKind(self.type), Label(self.zh, self.en), self.choices)


def _names(sections: dict[str, FieldSection]) -> dict[str, FieldSection]:
    bad = [name for name in sections if not re.fullmatch("[a-z][a-z0-9_]{0,39}", name)]
    if bad:
        raise ValueError(f"a field is named in small letters, digits and _, not {bad[0]!r}")
    if len(sections) > FIELDS:
        raise ValueError(f"there may be {FIELDS} fields at most")
    return sections


Fields = Annotated[dict[str, FieldSection], AfterValidator(_names)]
