"""The sound of a text: one private-use character per toneless syllable, alike-sounding syllables made one.

Input methods write the wrong word with the right sound (卡米 for 卡密), and some buyers type the sound itself (kami).
"""

import json
import re
import unicodedata
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

_FIRST = 0xE000  # the first private-use code point
_SAME = {
    "liao": "le",
    "lv": "lu",
    "nv": "lu",
    "lve": "lue",
    "nve": "lue",
    "me": "mo",
    "ne": "le",
    "shui": "sui",
    "shei": "sui",
}
_INITIALS = (("zh", "z"), ("ch", "c"), ("sh", "s"), ("n", "l"))
_FINALS = (("iang", "ian"), ("uang", "uan"), ("ang", "an"), ("eng", "en"), ("ing", "in"))
# Pinyin by form, English by use: alone they do not make a text Chinese.
_ENGLISH_WORDS = (
    "a age agenda along american an anyone are area aren ate awaiting aware balance ban banana bang base bin "
    "buying cake came can canada care case chance change chase cheque chile china chinese damage dan dance data "
    "date decide delete den dice dining dong dude ending ensure entire erase fan fang fare fen future game gang "
    "gate gen guidance guide gun hang hate he heading hen here hi house human june ke ken la landing lane "
    "language late lie like line loan locate long longer lose lou machine made mailing make male man manage me "
    "mean meaning measure medicine men menu mike min mine minute mobile mode more nan nice nine no o pan paying "
    "pen pending pie piece pin ping police pong queen ran rang range reduce refuse release remaining remote "
    "rename rent renting resume rice ride rise route run running same sang saying secure seen sending sense share "
    "she shun side silver size so song sun sung sure take taken tan tang taxi ten tie tier time timeline timing "
    "tong tune waiting wake wan wang wanna wanting wen woman women yang yen you"
)
_ENGLISH = frozenset(_ENGLISH_WORDS.split())
_han = re.compile("[\u3007\u3400-\u4dbf\u4e00-\u9fff]")
_words = re.compile("[a-z]+")
_named = re.compile('"([^"]+)":')
_pieces = re.compile("[a-z]+|.", re.DOTALL)


def _read_data(file: str) -> str:
    """One of pypinyin's data files; empty when the package is missing. Its own start would load all of them."""
    package = find_spec("pypinyin")
    if package is None or not package.submodule_search_locations:
        return "{}"
    return (Path(package.submodule_search_locations[0]) / file).read_text("utf-8")


def common_words() -> list[str]:
    """Common Chinese words of two and more characters."""
    # Read with their sounds, which nobody needs, they would take five times as long and fifty megabytes.
    return _named.findall(_read_data("phrases_dict.json"))


@lru_cache(maxsize=1)
def _readings() -> dict[str, str]:
    raw: dict[str, str] = json.loads(_read_data("pinyin_dict.json"))
    return {chr(int(code)): _toneless(readings.partition(",")[0]) for code, readings in raw.items()}


@lru_cache(maxsize=2_000)  # as many as there are, for forty thousand characters
def _toneless(reading: str) -> str:
    flat = unicodedata.normalize(
        "NFD", reading.replace("ü", "v").replace("ǖ", "v").replace("ǘ", "v").replace("ǚ", "v").replace("ǜ", "v")
    )
    return "".join(char for char in flat if char.isascii() and char.isalpha())


def _fuzzy(syllable: str) -> str:
    syllable = _SAME.get(syllable, syllable)
    for sound, alike in _INITIALS:
        if syllable.startswith(sound) and len(syllable) > len(sound):
            syllable = alike + syllable[len(sound) :]
            break
    for sound, alike in _FINALS:
        if syllable.endswith(sound):
            return syllable[: -len(sound)] + alike
    return syllable


@lru_cache(maxsize=1)
def codes() -> dict[str, str]:
    """Syllable → its private-use character."""
    syllables = {reading for char, reading in _readings().items() if "\u4e00" <= char <= "\u9fff" and reading.isalpha()}
    syllables |= {name for name in _SAME if name not in syllables}
    kinds = sorted({_fuzzy(syllable) for syllable in syllables})
    place = {kind: chr(_FIRST + number) for number, kind in enumerate(kinds)}
    return {syllable: place[_fuzzy(syllable)] for syllable in syllables}


@lru_cache(maxsize=1)
def _sounds() -> dict[str, str]:
    known = codes()
    return {char: known[reading] for char, reading in _readings().items() if reading in known}


@lru_cache(maxsize=1)
def common_characters() -> frozenset[str]:
    """The characters that common Chinese words are written with."""
    return frozenset(char for word in common_words() if len(word) == 2 for char in word)


@lru_cache(maxsize=20_000)
def syllables_of(word: str) -> tuple[str, ...]:
    """A Latin word cut into pinyin syllables, as few as possible; empty when it is no pinyin."""
    known = codes()
    best: list[tuple[str, ...] | None] = [()] + [None] * len(word)
    for end in range(1, len(word) + 1):
        for start in range(max(0, end - 6), end):
            before = best[start]
            if before is None or word[start:end] not in known or word[start:end] in ("m", "n", "ng", "r", "e", "o"):
                continue
            if best[end] is None or len(before) + 1 < len(best[end] or ()):
                best[end] = (*before, word[start:end])
    return best[-1] or ()


def is_pinyin(plain: str) -> bool:
    """Whether a normalised text without Han is Chinese typed as letters: all its words are, and not all are English."""
    words = _words.findall(plain)
    if not words or _han.search(plain):
        return False
    typed = [word for word in words if len(word) > 1 and syllables_of(word)]
    return len(typed) >= 0.8 * len(words) and any(word not in _ENGLISH for word in typed)


def sound(plain: str) -> str:
    """A normalised text as it sounds; what is no syllable stays as it is."""
    sounds, typed = _sounds(), is_pinyin(plain)
    known = codes()
    heard: list[str] = []
    for piece in _pieces.findall(plain):
        cut = (
            syllables_of(piece) if piece[0].isascii() and (typed or (len(piece) > 4 and piece not in _ENGLISH)) else ()
        )
        heard.extend(map(known.__getitem__, cut)) if cut else heard.append(sounds.get(piece, piece))
    joined = "".join(heard)
    return joined.replace(" ", "") if typed else joined
