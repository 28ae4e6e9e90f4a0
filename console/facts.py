"""What an audit row tells, in the reader's words: who, what, and the facts before and after. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from console import times
from console.words import Words
from shop import money

# Facts whose value has a word, in the room of words that is called like them.
_NAMED = ("phase", "trigger", "category", "outcome", "metric", "reason", "channel", "language", "tier", "role", "why")
# Whose state it is, its word tells.
_STATES = ("sending", "refund_state", "claim_state", "code_state")


@dataclass(frozen=True, slots=True)
class Facts:
    """Tells one reader. `names` are those of agents by id; a fact that has no word stays as it is."""

    say: Words
    zone: ZoneInfo
    names: Mapping[int | None, str]

    def __call__(self, facts: Mapping[str, Any] | None) -> str:
        told = {name: value for name, value in (facts or {}).items() if value is not None}
        if isinstance(told.get("amount"), int) and "currency" in told:  # minor units
            told["amount"] = money.in_words(told["amount"], told.pop("currency"))
        return ", ".join(f"{self.say.named('fact', name)}: {self._value(name, value)}" for name, value in told.items())

    def who(self, actor: str) -> str:
        """ "agent:3" by name; any other as the trail writes it, "bot" and its kin in a word."""
        kind, _, number = actor.partition(":")
        if kind == "agent" and number.isdecimal():
            return self.names.get(int(number), actor)
        return f"{self.say.named('author', kind)} {number}".strip()

    def _value(self, name: str, value: Any) -> str:
        if isinstance(value, bool):
            return self.say("fact_is.yes" if value else "fact_is.no")
        if isinstance(value, list):
            return ", ".join(self._value("", one) for one in value) or "–"
        if name in ("assignee", "agent") and isinstance(value, int):
            return self.names.get(value, str(value))
        if name == "level":
            return f"L{value}"
        if name == "state":
            return next(
                (self.say.named(room, value) for room in _STATES if self.say.has(f"{room}.{value}")), str(value)
            )
        if name == "kind":  # of a link between tickets
            return self.say.named("kind", value)
        if name in _NAMED:
            return self.say.named(name, value)
        return self._text(value) if isinstance(value, str) else str(value)

    def _text(self, text: str) -> str:
        if text.startswith("agent:"):
            return self.who(text)
        try:
            at = datetime.fromisoformat(text) if text[4:5] == "-" and "T" in text else None
        except ValueError:
            return text
        return times.stamp(at, self.zone) if at and at.tzinfo else text
