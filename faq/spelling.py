"""Puts misspelt words right against the words of the index: wrong characters of the right sound, typed pinyin, typos.

Only what the index has never seen is touched, so an indexed phrasing is always left as it stands.
"""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Container, Iterable
from functools import lru_cache
from itertools import pairwise

from faq import syllables

_CHANGE = -9.0  # log-probability that a character was mistyped for one of the same sound
_DOUBT = -4.0  # more of it for one that stands in a common word
_UNSEEN = 0.02  # weight of a pair that the index has not seen
_CHOICES = 8  # characters tried per sound
_SHORTEST = 4  # letters of a word that may be a typo
_pieces = re.compile("[a-z]+|[0-9]+| +|[^a-z0-9 ]+")
_EDGE = "^"
_SAFE = frozenset(
    "的了呢吗吧呀啦哈哦嘛呗哪那它他她啊么着过很都也就再还又在是有个把被给跟和对从到上下里外小好新大多少一二三四五六七八九十几张号"
)
# Characters so common alone that an unseen pair says nothing about them.


@lru_cache(maxsize=1)
def _common() -> frozenset[str]:
    """Pairs of characters that stand together in common Chinese words."""
    return frozenset(word[place : place + 2] for word in syllables.common_words() for place in range(len(word) - 1))


def _no_word(word: str) -> bool:
    return False


class Speller:
    """Knows the characters, pairs and words of the index, and how often each stands there."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._chars: Counter[str] = Counter()
        self._pairs: Counter[str] = Counter()
        self._words: Counter[str] = Counter()
        for text in texts:
            for piece in _pieces.findall(text):
                if piece[0].isascii():
                    self._words[piece] += piece.isalpha()
                else:
                    self._chars.update(piece)
                    self._pairs.update(a + b for a, b in zip(_EDGE + piece, piece + _EDGE, strict=True))
        self._total = sum(self._chars.values()) + 1
        self._alike = self._by_sound()
        self._close = self._by_gap()

    def _by_sound(self) -> dict[str, list[str]]:
        alike: dict[str, list[str]] = defaultdict(list)
        for char in sorted(self._chars, key=lambda char: (-self._chars[char], char)):
            heard = syllables.sound(char)
            if len(alike[heard]) < _CHOICES:
                alike[heard].append(char)
        return dict(alike)

    def _by_gap(self) -> dict[str, list[str]]:
        """Every word under each spelling with one letter less: two words one edit apart meet in one of these."""
        close: dict[str, list[str]] = defaultdict(list)
        for word in sorted(self._words, key=lambda word: (-self._words[word], word)):
            if len(word) >= _SHORTEST - 1:
                for gap in _gaps(word):
                    close[gap].append(word)
        return dict(close)

    def correct(self, plain: str, knows: Callable[[str], bool] = _no_word) -> str:
        """The normalised text with its misspelt words put right. A Latin word that `knows` accepts is left alone."""
        typed = syllables.is_pinyin(plain)
        if typed:
            return self._decode([syllables.syllables_of(word) or (word,) for word in plain.split()])
        return "".join(self._piece(piece, plain, knows) for piece in _pieces.findall(plain))

    def _piece(self, piece: str, plain: str, knows: Callable[[str], bool]) -> str:
        if not piece[0].isascii():
            return self._heard(piece)
        if not piece.isalpha() or piece in self._words or len(piece) < _SHORTEST:
            return piece
        cut = syllables.syllables_of(piece) if not plain.isascii() else ()
        if len(cut) > 1:
            return self._decode([cut])
        return piece if knows(piece) else self._word(piece)

    def _word(self, word: str) -> str:
        near = {other for gap in _gaps(word) for other in self._close.get(gap, ()) if _one_edit(word, other)}
        return min(near, key=lambda other: (-self._words[other], other), default=word)

    def _decode(self, words: Iterable[tuple[str, ...]]) -> str:
        codes = syllables.codes()
        choices: list[list[tuple[str, float]]] = []
        for syllable in (one for word in words for one in word):
            same = self._alike.get(codes.get(syllable, ""), ())
            choices.append([(char, 0.0) for char in same] or [(syllable, 0.0)])
        return self._likeliest(choices)

    def _heard(self, piece: str) -> str:
        odd = [not known for known in _beside(piece, self._pairs)]
        if not any(odd):
            return piece
        common = _beside(piece, _common())
        choices: list[list[tuple[str, float]]] = []
        for char, wrong, usual in zip(piece, odd, common, strict=True):
            others = self._alike.get(syllables.sound(char), ()) if wrong and char not in _SAFE else ()
            cost = _CHANGE + _DOUBT * usual
            choices.append([(char, 0.0)] + [(other, cost) for other in others if other != char])
        return self._likeliest(choices)

    def _likeliest(self, choices: list[list[tuple[str, float]]]) -> str:
        best = {_EDGE: (0.0, "")}
        for options in choices:
            best = {
                char: max(
                    (score + self._follows(before, char) + cost, text + char) for before, (score, text) in best.items()
                )
                for char, cost in options
            }
        return max(best.values())[1]

    def _follows(self, before: str, char: str) -> float:
        seen = self._pairs[before + char]
        if seen:
            return math.log(seen / (self._chars[before] or self._total))
        return math.log(_UNSEEN * (self._chars[char] + 0.1) / self._total)


def _beside(piece: str, pairs: Container[str]) -> list[bool]:
    """Which characters form one of the pairs with a neighbour."""
    known = [a + b in pairs for a, b in pairwise(piece)]
    return [before or after for before, after in zip([False, *known], [*known, False], strict=True)]


def _gaps(word: str) -> list[str]:
    return [word, *(word[:place] + word[place + 1 :] for place in range(len(word)))]


def _one_edit(word: str, other: str) -> bool:
    """Whether one letter was added, dropped, changed, or two neighbours were swapped."""
    if abs(len(word) - len(other)) > 1:
        return False
    start = next(
        (place for place, (a, b) in enumerate(zip(word, other, strict=False)) if a != b), min(len(word), len(other))
    )
    rest, other_rest = word[start:], other[start:]
    return (
        rest[1:] == other_rest[1:]
        or rest[1:] == other_rest
        or rest == other_rest[1:]
        or (rest[:2] == other_rest[1::-1] and rest[2:] == other_rest[2:])
    )
