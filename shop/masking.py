"""Codes as people type them and as people may see them. Knows no key: nothing here can recover what it hid."""

import re
import unicodedata
from collections.abc import Callable
from typing import NamedTuple

from shop.letters import drawn_by_chance

# What people lose or gain when they copy a code: spaces of any kind, dashes, and the invisible.
INVISIBLE = "\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff"
DASHES = "\\-\u2010-\u2015\u2043\u2212\u2e3a\u2e3b"
SHORTEST_WORDS = 10  # letters of a code that may be words
SHORTEST_PART = 6  # characters of a part of a code that tell it from others
_LABEL = re.compile("^\\s*(?:[\u4e00-\u9fff]{1,8}|card|account|user(?:name)?|password|pwd|pin|code|key)\\s*[:：]", re.I)
CONTROLS = "\x00-\x1f\x7f-\x9f\ud800-\udfff"  # with half characters: no database stores these
NOISE = re.compile(f"[\\s{DASHES}{INVISIBLE}{CONTROLS}]+")


def normalise_code(text: str) -> str:
    """A code or order number however it was typed: half width, upper case, without spaces, dashes and the invisible."""
    return NOISE.sub("", unicodedata.normalize("NFKC", text).upper())


def mask(code: str) -> str:
    """The code as people may see it: "****-7K2Q". Short codes show less, never more than a third."""
    # The card number's tail names the card, the password's tail would help a thief.
    plain = normalise_code(_split(code)[0])
    shown = min(4, len(plain) // 3)
    return f"****-{plain[-shown:]}" if shown else "****"


def parts_of(code: str) -> list[str]:
    """What buyers copy by itself of "card number----password" and of "卡号：…"; nothing of a bare code in one piece."""
    pieces = _split(code)
    parts = [part for part in (*pieces, *(_LABEL.sub("", piece) for piece in pieces)) if part != code.strip()]
    return [part for part in parts if len(normalise_code(part)) >= SHORTEST_PART]


def _split(code: str) -> list[str]:
    return re.split(r"-{4,}|\n", code.strip())


def _is_grouped_code(text: str) -> bool:
    groups = re.split(f"[ {DASHES}_]+", text)
    joined = "".join(groups)
    if joined.isdigit():
        return len(joined) >= 12  # shorter ones are dates and telephone numbers
    signs = (joined.isupper(), not joined.isalpha(), len(groups) > 2, len({len(group) for group in groups}) == 1)
    return len(joined) >= 9 and sum(signs) >= 2


def _has_digit(text: str) -> bool:
    return any(character.isdigit() for character in text)


def _are_no_words(text: str) -> bool:
    return _has_digit(text) or drawn_by_chance(text)


def _is_run_code(text: str) -> bool:
    if text.isdigit():
        return len(text) >= 12
    if not text.isalpha():
        return not _WINDOWS_ERROR.fullmatch(text)
    humps = len(re.findall("[a-z][A-Z]", text))  # PlayStation has one
    is_long = len(text) >= 16 and not _LONG_WORD.fullmatch(text)
    return text.isupper() or humps >= 2 or is_long or drawn_by_chance(text)


class Shape(NamedTuple):
    """Something in free text that may be a code (group 1 of `pattern`), and what decides whether it is."""

    pattern: re.Pattern[str]
    is_code: Callable[[str], bool]
    show: Callable[[str], str] = mask


_WORD = "[0-9A-Za-z]"
_WINDOWS_ERROR = re.compile("0x[0-9A-F]{4,8}", re.IGNORECASE)  # says why an activation failed: an agent needs it
# "misunderstanding": what ends like this, in small letters, is a word and hardly ever chance.
_LONG_WORD = re.compile("[A-Za-z][a-z]*(?:tions?|ings?|ments?|ness|it(?:y|ies)|ally|[ai]bl[ey]|isms?|ists?)")
_SECRET = "密码|口令|卡密|激活码|兑换码|充值码|password|passcode|pwd|pin"
SHAPES = (
    # groups joined by dashes: ABCDE-12345-FGHIJ, card number----password
    Shape(re.compile(f"({_WORD}{{3,16}}(?: ?[{DASHES}_]{{1,8}} ?{_WORD}{{3,16}})+)"), _is_grouped_code),
    # groups of one length set apart by blanks
    *(
        Shape(re.compile(f"(?<!{_WORD})({_WORD}{{{n}}}(?: {{1,3}}{_WORD}{{{n}}}){{2,}})(?!{_WORD})"), _are_no_words)
        for n in (4, 5, 6)
    ),
    # one long run
    Shape(re.compile(f"({_WORD}{{10,}})"), _is_run_code),
    # a short secret under its name
    Shape(
        re.compile(f"(?<![A-Za-z])(?:{_SECRET})[^0-9A-Za-z]{{0,4}}({_WORD}{{4,}})", re.IGNORECASE),
        _has_digit,
        lambda _: "****",
    ),
)
_REVEAL_TOKEN = re.compile("(?<=/r/)[0-9A-Za-z_-]{16,}")
_INVISIBLE = re.compile(f"(?<![\u20d0-\u2bff\U0001f000-\U0001faff])[{INVISIBLE}]+")  # but those that build emoji


def mask_text(text: str, keep: frozenset[str] = frozenset()) -> str:
    """Free text with everything that looks like a code masked; words of `keep`, such as a known order number, stay.

    Better a word too many than a code too few: a masked word can be asked for again.
    """
    return _scan(text, keep)[0]


def find_codes(text: str, keep: frozenset[str] = frozenset()) -> list[str]:
    """What `mask_text` would hide of this text, masked; nothing when the text may be kept as it is."""
    return _scan(text, keep)[1]


def find_doubtful(text: str) -> list[str]:
    """What has the form of a code and was taken for words, as it was typed: only who knows the codes can tell."""
    plain = half_width(text)
    found = (one for shape in SHAPES for one in shape.pattern.finditer(plain) if not shape.is_code(one[1]))
    typed = dict.fromkeys(text[one.start(1) : one.end(1)] for one in found)
    return [one for one in typed if len(normalise_code(one)) >= SHORTEST_WORDS]


def _scan(text: str, keep: frozenset[str]) -> tuple[str, list[str]]:
    kept = {normalise_code(word) for word in keep}
    text, links = _REVEAL_TOKEN.subn("****", _INVISIBLE.sub("", text))
    hidden = ["****"] * links
    for shape in SHAPES:
        text, found = _mask_shape(text, shape, kept)
        hidden += found
    return text, hidden


def _mask_shape(text: str, shape: Shape, kept: set[str]) -> tuple[str, list[str]]:
    pieces, hidden, end = [], [], 0
    for found in shape.pattern.finditer(half_width(text)):
        if shape.is_code(found[1]) and normalise_code(found[1]) not in kept:
            hidden.append(shape.show(found[1]))
            pieces += [text[end : found.start(1)], hidden[-1]]
            end = found.end(1)
    return "".join([*pieces, text[end:]]), hidden


def half_width(text: str) -> str:
    """Full-width letters and digits as ASCII, every character at its old place, so that matches fit the original."""
    if text.isascii():
        return text
    folded = ((character, unicodedata.normalize("NFKC", character)) for character in text)
    return "".join(plain if len(plain) == 1 else character for character, plain in folded)
