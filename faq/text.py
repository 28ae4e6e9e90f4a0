"""Buyers' text as the matcher compares it: one spelling per character, one per word, chatter taken off.

Every function takes any `str` (lone surrogates too), never raises, and is idempotent.
"""

import re
import unicodedata
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from faq import chatter

MAX_LENGTH = 600  # characters that are compared; what a buyer asks stands before that
HAN = "\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"
_han = re.compile(f"[{HAN}]")
_latin = re.compile("[a-z]+")
_space_beside_han = re.compile(rf"(?<=[{HAN}]) | (?=[{HAN}])")
_spaces = re.compile(" +")
_stretched = re.compile(r"(\D)\1{2,}")
_parroted = re.compile(r"(\D{2,8}?)\1{2,}")
_breaks = re.compile(r"[?？!！。;；\n]+|(?<=[a-z])\.(?=\s|$)", re.IGNORECASE)
_softer_breaks = re.compile(r"[,，、]\s*|(?<=[\u4e00-\u9fff])\s+(?=[\u4e00-\u9fff])|\sand\s", re.IGNORECASE)
_asking = re.compile(
    r"怎|如何|吗|多久|多少|什么|啥|哪|几|能不能|可不可以|可以|能否|是不是|有没有|会不会|谁|\b(?:how|what|when|where|why|which|who|can|could|do|does|is|are)\b",
    re.IGNORECASE,
)
_ZERO_WIDTH = {
    0xAD,
    0x34F,
    0x61C,
    0x180E,
    0xFEFF,
    *range(0x200B, 0x2010),
    *range(0x202A, 0x202F),
    *range(0x2060, 0x2070),
    *range(0xFE00, 0xFE10),
    *range(0xE0000, 0xE01F0),
}
_MARKS = range(0x300, 0x370)


class _Table(dict[int, str]):
    """A `str.translate` table that works out each character once."""

    def __init__(self, spell: "type[str] | object") -> None:
        super().__init__()
        self._spell = spell

    def __missing__(self, code: int) -> str:
        spelled: str = self._spell(chr(code))  # type: ignore[operator]
        self[code] = spelled
        return spelled


@lru_cache(maxsize=1)
def _simplified() -> dict[str, str]:
    # OpenCC's own converter takes a tree per call and half a second to load; its character list is all we need.
    package = find_spec("opencc")
    if package is None or not package.submodule_search_locations:
        return {}
    lines = (Path(package.submodule_search_locations[0]) / "dictionary" / "TSCharacters.txt").read_text("utf-8")
    pairs = (line.split("\t") for line in lines.splitlines() if "\t" in line)
    return {source: targets.split(" ")[0] for source, targets in pairs} | {
        "妳": "你",
        "嘅": "的",
        "冇": "没",
        "喺": "在",
    }


def _fold(char: str) -> str:
    """One character in its plain width and form, case kept; zero-width and combining ones vanish."""
    if ord(char) in _ZERO_WIDTH or unicodedata.category(char) in ("Cs", "Cn", "Co"):
        return "" if ord(char) in _ZERO_WIDTH else " "
    hangul = 0xAC00 <= ord(char) <= 0xD7A3
    flat = char if hangul else unicodedata.normalize("NFKD", char)
    return "".join(part for part in flat if ord(part) not in _MARKS and ord(part) not in _ZERO_WIDTH)


def _spell(char: str) -> str:
    """One character as it is compared: folded, lower case, simplified, and a space for what is no letter or digit."""
    before, after = "", char
    while after != before:
        before = after
        folded = "".join(map(_fold, before)).lower()
        after = "".join(_simplified().get(part, part) for part in folded)
    if after in ("'", "\u2019", "\u2018", "`"):
        return ""
    return "".join(part if unicodedata.category(part)[0] in "LMN" else " " for part in after)


_folded = _Table(_fold)
_spelled = _Table(_spell)


def fold(text: str) -> str:
    """The text in plain width, without invisible characters; case, punctuation and line breaks stay."""
    return text.translate(_folded)


@lru_cache(maxsize=64)  # one question is looked at from several sides
def normalise(text: str) -> str:
    """The text in lower case simplified letters and digits, single spaces between Latin words, none beside Han."""
    return _unstretched(_space_beside_han.sub("", _spaces.sub(" ", text.translate(_spelled)).strip()))


def _unstretched(text: str) -> str:
    before = ""
    while before != text:
        before, text = text, _parroted.sub(r"\1", _stretched.sub(r"\1", text))
        text = _space_beside_han.sub("", _spaces.sub(" ", text)).strip()
    return text


def essence(text: str) -> str:
    """What is asked: normalised, greetings and politeness taken off both ends; all of it when nothing else is left."""
    plain = normalise(text)[:MAX_LENGTH].strip()
    return chatter.strip(plain) or plain


def is_chatter(text: str) -> bool:
    """Whether the text greets, thanks or pads, and asks nothing."""
    plain = normalise(text)
    return bool(plain) and not chatter.strip(plain)


def language_of(text: str) -> str:
    """`zh` or `en`: the language that an answer should have. Typed pinyin counts as Chinese."""
    from faq.syllables import is_pinyin

    plain = normalise(text)
    if _han.search(plain):
        return "zh"
    return "zh" if is_pinyin(plain) else "en"


def is_empty(text: str) -> bool:
    """Whether there is no letter and no digit in it: only marks, emoji or nothing."""
    return not normalise(text)


def sentences(text: str) -> tuple[str, ...]:
    """The parts of a message that may each be a question."""
    parts = [part for piece in _breaks.split(text) for part in chatter.CONNECTIVES.split(piece)]
    clauses = [clause.strip() for part in parts for clause in _clauses(part)]
    return tuple(clause for clause in clauses if clause and not is_empty(clause) and not is_chatter(clause))


def _clauses(part: str) -> list[str]:
    """Cut at commas and gaps too, where all that comes out asks something: 买了卡，怎么没到 is one question."""
    clauses = _softer_breaks.split(part)
    return clauses if all(map(_asking.search, clauses)) else [part]
