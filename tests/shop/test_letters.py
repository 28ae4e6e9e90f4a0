from random import Random
from string import ascii_lowercase

import pytest

from shop.letters import drawn_by_chance


@pytest.mark.parametrize(("size", "share"), [(10, 0.97), (12, 0.98), (15, 0.99)])
def test_letters_drawn_by_chance_are_told_from_words(size: int, share: float) -> None:
    random = Random(3)
    drawn = ["".join(random.choices(ascii_lowercase, k=size)) for _ in range(2000)]

    assert sum(map(drawn_by_chance, drawn)) >= share * len(drawn)


@pytest.mark.parametrize(
    "words",
    [
        "everybody understands that my subscription and its activation, although completely unexpected, misbehaved",
        "kefu nihao wo mai de kami tishi yijing bei shiyong qing bang wo huan yige weishenmebuhuifu",
        "counterstrike mobilelegends neteasemusic honkaistarrail aliexpress bilibilivip steamwallet microsoftoffice",
    ],
)
def test_words_are_words_in_either_case(words: str) -> None:
    long = [word for word in words.split() if len(word) >= 10]

    assert not [word for word in long if drawn_by_chance(word) or drawn_by_chance(word.upper())]
