"""Reads again what was once said to staff, or set as a subject, and says it in the language of who reads it now.

Such a text is kept as it was said. Which phrase it was is found by the phrase's own words around its facts; a fact that
is a phrase itself ("it has not been handled in time") is retold too. What no phrase of ours says stays as it is.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from string import Formatter
from typing import NamedTuple

from bot.phrases import LANGUAGES, Phrases

# The phrases that are kept: notices, what subjects begin as, and what stands in both as a fact.
KEPT = ("notice.", "incident.", "undelivered.subject", "refund.subject", "ticket.subject_asked", "grievance.why.")
FACTS = ("trigger.", "metric.", "breaker.", "approval.")
FIGURES = frozenset({"minutes", "times", "count", "hours"})
LONGEST = 1000  # characters; nothing of ours is longer


class Reading(NamedTuple):
    """How a phrase is recognised."""

    key: str
    pattern: re.Pattern[str]
    literals: int  # characters that are the phrase's own: of two that fit, the one with more is meant


class Retelling:
    """`retell("en", "K-000001 充值没到账：快到期")`; remembers what it has read."""

    def __init__(self, phrases: Phrases) -> None:
        self._phrases = phrases
        found = [reading for language in LANGUAGES for reading in _readings(phrases, language)]
        self._readings = sorted(found, key=lambda reading: -reading.literals)
        self._retold = lru_cache(maxsize=4096)(self._retell)

    def __call__(self, language: str, text: str) -> str:
        return self._retold(language, text) if len(text) <= LONGEST else text

    def _retell(self, language: str, text: str) -> str:
        for key, pattern, _ in self._readings:
            if found := pattern.fullmatch(text):
                facts = {name: self._retold(language, said) for name, said in found.groupdict().items()}
                return self._phrases(language, key, **facts)
        return text


def _readings(phrases: Phrases, language: str) -> Iterator[Reading]:
    for key, template in phrases.templates(language).items():
        parts = list(Formatter().parse(template))
        literals = sum(len(literal.strip()) for literal, *_ in parts)
        if key.startswith((*KEPT, *FACTS)) and literals:
            named = [name for _, name, *_ in parts]
            pattern = "".join(
                re.escape(literal) + (f"(?P={name})" if name and name in named[:place] else _any(name))
                for place, (literal, name, *_) in enumerate(parts)
            )
            yield Reading(key, re.compile(pattern, re.DOTALL), literals)


def _any(name: str | None) -> str:
    if name is None:
        return ""
    # A subject may have a colon of its own, what follows it seldom has.
    kinds = {"number": r"K-\d+", "subject": ".*"} | dict.fromkeys(FIGURES, r"[\d.]+")
    return f"(?P<{name}>{kinds.get(name, '.*?')})"
