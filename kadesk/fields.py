"""The owner's own fields of a ticket, as [fields] of the settings declares them."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from kadesk.values import Section, Words, require_names
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
    require_names(sections, "field", "fields", FIELDS)
    return sections


Fields = Annotated[dict[str, FieldSection], AfterValidator(_names)]
