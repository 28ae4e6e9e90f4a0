"""Copies of a question: as a hurried thumb types it, and as another mouth says it.

The choice depends on the text alone, so a copy is the same in every process.
"""

import random
import re
from functools import lru_cache

from faq import syllables, thesaurus
from faq.text import normalise

_COMMON = range(0x4E00, 0x9FA6)
_latin = re.compile("[a-z]{4,}")


@lru_cache(maxsize=1)
def _same_sound() -> dict[str, list[str]]:
    alike: dict[str, list[str]] = {}
    for char in sorted(syllables.common_characters()):
        alike.setdefault(syllables.sound(char), []).append(char)
    return alike


def noisy(text: str) -> str:
    """A normalised text with a fifth of its Han characters misheard and a third of its long Latin words mistyped."""
    dice = random.Random(text)  # a seed, not a secret
    heard = "".join(_misheard(char, dice) if ord(char) in _COMMON and dice.random() < 0.2 else char for char in text)
    return _latin.sub(lambda word: _mistyped(word.group(), dice) if dice.random() < 0.3 else word.group(), heard)


def reworded(text: str) -> str:
    """A normalised text with a word changed for another of its group, and another word left out."""
    dice = random.Random(text)  # a seed, not a secret
    words = thesaurus.split(text)
    known = [place for place, (word, alike) in enumerate(words) if len(alike) > 1]
    if known:
        place = dice.choice(known)
        words[place] = (dice.choice([word for word in words[place][1] if word != words[place][0]]), ())
    spare = [place for place, (word, alike) in enumerate(words) if word.strip()]
    if len(spare) > 3:
        del words[dice.choice(spare)]
    return normalise("".join(word for word, _ in words))


def _misheard(char: str, dice: random.Random) -> str:
    if dice.random() < 0.2:
        return ""
    others = [other for other in _same_sound().get(syllables.sound(char), ()) if other != char]
    return dice.choice(others) if others else char


def _mistyped(word: str, dice: random.Random) -> str:
    place = dice.randrange(1, len(word) - 1)
    way = dice.randrange(3)
    if way == 0:
        return word[:place] + word[place + 1 :]
    if way == 1:
        return word[:place] + word[place + 1] + word[place] + word[place + 2 :]
    return word[:place] + dice.choice("abcdefghijklmnopqrstuvwxyz") + word[place + 1 :]
