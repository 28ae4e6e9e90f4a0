"""What a refusal means for a page: its HTTP status and its sentence."""

import re
from collections.abc import Callable
from typing import Any

from audit.errors import KadeskError
from console.words import Words
from shop import errors as shop
from tickets import errors as tickets
from tickets.fields import Label

_STATUS: tuple[tuple[type[KadeskError], int], ...] = (
    (tickets.UnknownTicket, 404),
    (tickets.NotAllowed, 403),
    (tickets.EmptyMessage, 422),
    (tickets.MessageTooLong, 422),
    (tickets.BadTag, 422),
    (tickets.BadField, 422),
    (tickets.UnknownField, 422),
    (tickets.EmptyMacro, 422),
    (tickets.UnknownPlaceholder, 422),
    (tickets.UnfilledPlaceholder, 422),
    (tickets.UnknownMacro, 404),
    (tickets.CodeInText, 422),
    (shop.ShopDown, 503),
)


def status_of(error: KadeskError) -> int:
    """409 unless the table knows better: a refusal mostly means that the world had moved on."""
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 409)


def sentence_of(say: Words, error: KadeskError) -> str:
    """One sentence for the agent; the error's own where the words have none for it."""
    for kind in type(error).__mro__:
        key = "refusal." + re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).lower()
        if say.has(key):
            return say(key, **_readable(say, error.facts))
    return str(error)


def _readable(say: Words, facts: dict[str, object]) -> dict[str, object]:
    readable: dict[str, Callable[[Any], object]] = {
        "phase": lambda value: say.named("phase", value),
        "role": lambda value: say.named("role", value),
        "field": lambda value: value(say.language) if isinstance(value, Label) else value,
    }
    return {name: readable[name](value) if name in readable else value for name, value in facts.items()}
