"""Words for people: one TOML file per language, the same keys and placeholders in each."""

import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
LANGUAGES = ("zh", "en")  # the first is the shop's own: taken when a buyer's language is none of these


class Phrases:
    """`tickets.outbox.Say`: a phrase by language and dotted key, filled with facts."""

    def __init__(self, folder: Path = HERE) -> None:
        self._texts = {language: _read(folder / f"{language}.toml") for language in LANGUAGES}

    def __call__(self, language: str, key: str, /, **facts: object) -> str:
        """The phrase. A KeyError is a mistake of ours: a key, or a fact, that is missing."""
        return self.templates(language)[key].format(**facts)

    def templates(self, language: str) -> Mapping[str, str]:
        """Every phrase of a language by its key, not filled."""
        return self._texts.get(language, self._texts[LANGUAGES[0]])


@cache
def _read(path: Path) -> Mapping[str, str]:
    with path.open("rb") as file:
        return dict(_flatten(tomllib.load(file)))


def _flatten(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in table.items():
        if isinstance(value, str):
            yield prefix + name, value.strip()
        else:
            yield from _flatten(value, f"{prefix}{name}.")
