"""A message that goes out as several: which of them have arrived, as the outbox keeps it until the last has."""

from tickets.tables import Outgoing
from tickets.taking_back import LOST

UNNAMED = "?"  # stands for one that arrived under an id that we cannot read, or under none


def arrived(outgoing: Outgoing) -> list[str]:
    """The channel's ids of those that have, in their order."""
    return [one for one in _ids(outgoing) if not one.startswith(LOST)]


def lost(outgoing: Outgoing) -> list[str]:
    """The channel's ids of those that it took, and then did not deliver."""
    return [one.removeprefix(LOST) for one in _ids(outgoing) if one.startswith(LOST)]


def _ids(outgoing: Outgoing) -> list[str]:
    return outgoing.foreign_id.split(",") if outgoing.foreign_id else []


def told(ids: list[str]) -> str:
    """The same as the outbox keeps it."""
    return ",".join(ids)
