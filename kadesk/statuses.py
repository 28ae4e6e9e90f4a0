"""The owner's own names over the four phases, as [statuses] of the settings declares them."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from kadesk.values import Section
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
    bad = [name for name in sections if not re.fullmatch("[a-z][a-z0-9_]{0,39}", name)]
    if bad:
        raise ValueError(f"a status is named in small letters, digits and _, not {bad[0]!r}")
    moved = [name for name, section in sections.items() if name in list(Phase) and name != section.phase]
    if moved:
        raise ValueError(f"{moved[0]!r} is the name of a phase and stays in it; give it other words only")
    if len(sections) > STATUSES:
        raise ValueError(f"there may be {STATUSES} statuses at most")
    return sections


Statuses = Annotated[dict[str, StatusSection], AfterValidator(_names)]
