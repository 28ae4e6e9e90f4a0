"""How values are written in the settings: spans, hours, words, zones; each says in one sentence what is wrong."""

import re
from collections.abc import Callable, Collection, Iterable
from datetime import timedelta
from typing import Annotated, TypeVar
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, SecretStr
from pydantic_settings import NoDecode

from audit.errors import KadeskError
from shop.masking import mask_text
from tickets.holidays import public_days
from tickets.timetables import parse_windows

Known = TypeVar("Known", bound=Collection[str])
SHORTEST_SECRET = 32  # characters that sign a shop's links, or that nobody may guess
_UNITS = {"ms": 0.001, "s": 1, "min": 60, "h": 3600, "d": 86400}
# As browsers write it: no path, no star, no port that goes without saying.
_ORIGIN = re.compile(r"https?://[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:(?!80$|443$)\d{2,5})?")
_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|min|h|d)")


def parse_span(value: object) -> timedelta:
    """A duration written for people: "24 h", "15 min", "1 h 30 min"."""
    if isinstance(value, timedelta):
        return value
    text = str(value).strip()
    if not text or _SPAN.sub("", text).strip():
        raise ValueError(f"write a duration such as '20 s', '15 min' or '24 h', not {mask_text(text)!r}")
    return timedelta(seconds=sum(float(number) * _UNITS[unit] for number, unit in _SPAN.findall(text)))


def _positive(value: timedelta) -> timedelta:
    if value <= timedelta(0):
        raise ValueError("must be longer than nothing")
    return value


def _words(value: object) -> object:
    return tuple(word.strip() for word in value.split(",") if word.strip()) if isinstance(value, str) else value


def only(choices: Iterable[str], problem: str) -> Callable[[Known], Known]:
    """A check that all words are among the choices; `problem` begins its sentence: "there is no reason"."""
    known = list(choices)

    def check(words: Known) -> Known:
        unknown = [word for word in words if word not in known]
        if unknown:
            raise ValueError(f"{problem} {mask_text(unknown[0])!r}; choose from {', '.join(known)}")
        return words

    return check


def require_names(names: Collection[str], one: str, several: str, most: int) -> None:
    """Raises `ValueError` unless all are names that an owner may give, and there are not too many of them."""
    bad = [name for name in names if not re.fullmatch("[a-z][a-z0-9_]{0,39}", name)]
    if bad:
        raise ValueError(f"a {one} is named in small letters, digits and _, not {mask_text(bad[0])!r}")
    if len(names) > most:
        raise ValueError(f"there may be {most} {several} at most")


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError) as error:
        raise ValueError(f"there is no time zone {mask_text(name)!r}; write one such as 'Asia/Shanghai'") from error
    return name


def _hours(text: str) -> str:
    parse_windows(text)
    return text


def _origins(values: tuple[str, ...]) -> tuple[str, ...]:
    bad = [value for value in values if not _ORIGIN.fullmatch(value)]
    if bad:
        raise ValueError(f"write origins such as 'https://shop.example.com', not {mask_text(bad[0])!r}")
    return values


def _country(text: str) -> str:
    country, _, part = text.partition("-")
    try:
        if text:
            public_days(country, range(2026, 2027), part or None)
    except KadeskError as error:
        raise ValueError(f"{str(error).rstrip('.')}; write a country such as 'CN', or 'DE-BY'") from error
    return text


def _long_secret(secret: SecretStr) -> SecretStr:
    if 0 < len(secret.get_secret_value()) < SHORTEST_SECRET:
        raise ValueError(f"make it {SHORTEST_SECRET} characters at least, such as 'openssl rand -hex 32' prints")
    return secret


def _bot_token(secret: SecretStr) -> SecretStr:
    token = secret.get_secret_value()
    if token and not re.fullmatch(r"\d+:[A-Za-z0-9_-]+", token):
        raise ValueError("this is not a bot token; copy it from @BotFather")
    return secret


Span = Annotated[timedelta, BeforeValidator(parse_span), AfterValidator(_positive)]
Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_words)]  # in the environment: "one,two"
Origins = Annotated[Words, AfterValidator(_origins)]  # "https://shop.example.com", of pages in a browser
Zone = Annotated[str, AfterValidator(_zone)]
Hours = Annotated[str, AfterValidator(_hours)]  # "09:00-12:00, 13:30-18:00"
LongSecret = Annotated[SecretStr, AfterValidator(_long_secret)]
BotToken = Annotated[SecretStr, AfterValidator(_bot_token)]  # of Telegram; it begins with the bot's number
Country = Annotated[str, AfterValidator(_country)]  # whose public holidays are kept; empty: none


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
