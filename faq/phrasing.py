"""One known answer and the ways to ask for it, as the matcher sees them: no database, no identity but the key."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Language = Literal["zh", "en"]


@dataclass(frozen=True)
class Text:
    """What an entry says in one language. The answer may hold `{variables}` that the dialogue fills."""

    question: str
    answer: str


@dataclass(frozen=True, slots=True)  # there may be a hundred thousand
class Phrasing:
    """One way to ask."""

    text: str
    language: str


@dataclass(frozen=True)
class Entry:
    """One answer; `flow` names the dialogue that the answer leads into, `related` the entries offered after it."""

    key: str
    flow: str | None = None
    related: tuple[str, ...] = ()
    texts: Mapping[str, Text] = field(default_factory=dict)
    phrasings: tuple[Phrasing, ...] = ()
    theme: str = ""
