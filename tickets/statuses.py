"""The names that a ticket's phase is shown under: the four phases themselves, and names of the owner's own. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tickets.lifecycle import Phase


@dataclass(frozen=True, slots=True)
class Status:
    """A name over a phase. Logic reads the phase alone."""

    name: str
    phase: Phase
    words: Mapping[str, str] = field(default_factory=dict)  # language → as people read it


def statuses(own: Iterable[Status] = ()) -> dict[str, Status]:
    """Every status by its name: the phases first, then the owner's own, which may give a phase other words."""
    return {phase: Status(phase, phase) for phase in Phase} | {status.name: status for status in own}
