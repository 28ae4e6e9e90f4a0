"""The owner's own names over the four phases, as [statuses] of the settings declares them."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from kadesk.values import Section, require_names
from tickets.lifecycle import Phase
from tickets.statuses import Status

STATUSES = 30


class StatusSection(Section):
    phase: Literal["open", "waiting", "resolved", "closed"]
    zh: str = Field(min_length=1, max_length=40)
    en: str = Field(min_length=1, max_length=40)

    def status(self, name: str) -> Status:
        return Status(name, Phase(self.phase), {"zh": self.zh, "en": self.en})


def _names(sections: dict[str, StatusSection]) -> dict[str, StatusSection]:
    require_names(sections, "status", "statuses", STATUSES)
    moved = [name for name, section in sections.items() if name in list(Phase) and name != section.phase]
    if moved:
        raise ValueError(f"{moved[0]!r} is the name of a phase and stays in it; give it other words only")
    return sections


Statuses = Annotated[dict[str, StatusSection], AfterValidator(_names)]
