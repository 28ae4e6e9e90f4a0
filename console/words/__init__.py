"""The words on the web pages, Chinese first; `zh.toml` and `en.toml` hold the same keys."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from starlette.requests import Request

LANGUAGES = ("zh", "en")
COOKIE = "kadesk_language"
_NAMES = {"zh": "zh-CN", "en": "en"}  # as HTML and browsers write them


@dataclass(frozen=True, slots=True)
class Words:
    """One language: `say("reveal.title")`."""

    language: str
    texts: Mapping[str, str]

    @property
    def tag(self) -> str:
        return _NAMES[self.language]

    def __call__(self, key: str, /, **facts: object) -> str:
        return self.texts[key].format(**facts)

    def has(self, key: str) -> bool:
        return key in self.texts

    def named(self, room: str, value: object) -> str:
        """The word for a value of an enum ("category", "claim"); the value itself when a shop made up its own."""
        return self.texts.get(f"{room}.{value}", str(value))


@cache
def words(language: str) -> Words:
    """The words of "zh" or "en"."""
    path = Path(__file__).parent / f"{language}.toml"
    sections = tomllib.loads(path.read_text(encoding="utf-8"))
    texts = {f"{room}.{key}": text for room, section in sections.items() for key, text in section.items()}
    return Words(language, texts)


def preferred(accept: str) -> str:
    """The better of our languages for an Accept-Language header; Chinese when it says nothing of use."""
    wishes: list[tuple[float, str]] = []
    for part in accept.lower().split(",")[:20]:
        name, _, weight = part.strip().partition(";q=")
        try:
            wishes.append((float(weight or 1), name[:2]))
        except ValueError:
            continue
    known = [(weight, name) for weight, name in wishes if name in LANGUAGES and weight > 0]
    return max(known, key=lambda wish: wish[0])[1] if known else "zh"


def words_for(request: Request) -> Words:
    """The reader's language: `?lang=` in the address, then the console's switch, then the browser's wish."""
    for choice in (request.query_params.get("lang"), request.cookies.get(COOKIE)):
        if choice in LANGUAGES:
            return words(choice)
    return words(preferred(request.headers.get("accept-language", "")))
