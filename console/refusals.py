"""What a refusal means for a page: its HTTP status and its sentence; and why a message did not arrive."""

import re
from collections.abc import Callable
from typing import Any

from audit.errors import KadeskError
from console.words import Words
from shop import errors as shop
from tickets import errors as tickets
from tickets import money_errors as money
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
    (tickets.NoPicture, 422),
    (tickets.PictureTooLarge, 422),
    (tickets.PictureTooNarrow, 422),
    (tickets.TooManyPictures, 422),
    (shop.BadAmount, 422),
    (shop.UnknownRefund, 404),
    (money.UnknownOrder, 422),
    (money.ReferenceMissing, 422),
    (shop.UnknownBatch, 404),
    (shop.ShopDown, 503),
)

# How the sentences of a channel begin (`bot.errors`); what follows is the channel's own.
_PROBLEMS = {
    "The buyer cannot be reached": "problem.unreachable",
    "The buyer has blocked us": "problem.blocked",
    "The buyer's account was deleted": "problem.gone",
    "The buyer has never written": "problem.never_started",
    "The buyer was silent for too long": "problem.window",
    "The shop's account does not let": "problem.not_connected",
    "The channel refused the message": "problem.refused",
    "The topic was deleted": "problem.topic_gone",
    "This channel shows no pictures": "problem.no_pictures",
    "The platform has the file no more": "problem.media_gone",
    "A person of the shop has this conversation": "problem.other_hands",
    "On its way": "problem.under_way",
    "Too many messages since": "problem.too_many",
    "The platform takes no more calls": "problem.quota",
    "The channel asks to wait": "problem.wait",
    "The channel does not answer": "problem.down",
    "The platform does not let us in": "problem.shut_out",
    "The channel did not confirm": "problem.ambiguous",
    "The chat has the address": "problem.moved",
    "A part of the message arrived": "problem.unfinished",
}


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


def problem_of(say: Words, problem: str) -> str:
    """Why a message did not arrive, in the reader's words; then what the channel said, in its own."""
    key = next((key for begin, key in _PROBLEMS.items() if problem.startswith(begin)), None)
    said = problem.partition(": ")[2] if key else problem
    if key is None and not re.search(r" at \S+\.py:\d+$", problem):
        return problem
    return say(key or "problem.ours") + (f" ({said})" if said else "")


def _readable(say: Words, facts: dict[str, object]) -> dict[str, object]:
    readable: dict[str, Callable[[Any], object]] = {
        "phase": lambda value: say.named("phase", value),
        "role": lambda value: say.named("role", value),
        "field": lambda value: value(say.language) if isinstance(value, Label) else value,
    }
    return {name: readable[name](value) if name in readable else value for name, value in facts.items()}
