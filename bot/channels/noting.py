"""Where an account leaves what it knows of itself, for the light that people see."""

from typing import Protocol


class Note(Protocol):
    """`bot.health.Pulse.note` is one."""

    def __call__(self, *instants: str, **facts: object) -> None:
        """`instants` name what happened just now."""


def unheard(*_instants: str, **_facts: object) -> None:
    """For an account that nobody watches."""
