"""Random texts of every script thrown at the matcher; `make soak` throws a million, FUZZED says how many."""

import os
from random import Random

import pytest

from faq.matcher import Matcher
from faq.phrasing import Entry, Phrasing
from faq.text import essence, normalise

FUZZED = int(os.environ.get("FUZZED", "4000"))
SHARES = 16  # of the work, so that several cores can share it
LONGEST = 60  # characters
# Where characters come from: all of Unicode, surrogates too, and what messages are made of.
RANGES = (
    (0x0, 0x10FFFF),
    (0x20, 0x7E),
    (0x4E00, 0x9FFF),
    (0x2000, 0x206F),  # invisible ones
    (0x300, 0x36F),  # combining marks
    (0xFF00, 0xFFEF),  # full width
    (0x1F300, 0x1FAFF),  # emoji
    (0xD800, 0xDFFF),  # halves of characters
    (0x590, 0x6FF),  # written from the right
    (0xAC00, 0xD7A3),
)
WORDS = (
    "怎么查订单",
    "退款",
    "already used",
    "K7Q2M-9XH4T-R3VNP",
    "20260301123456789012",
    "http://a.cn/?x=",
    "？？？",
    "\u200b",
)


@pytest.fixture(scope="module")
def matcher() -> Matcher:
    asked = {"find": "怎么查订单 where is my order", "refund": "能退款吗 refund", "used": "提示已被使用 used"}
    return Matcher.build(
        Entry(key, phrasings=tuple(Phrasing(text, "zh") for text in texts.split(" ", 1)))
        for key, texts in asked.items()
    )


@pytest.mark.parametrize("share", range(SHARES))
def test_no_random_text_makes_it_fall(matcher: Matcher, share: int) -> None:
    dice = Random(share)

    for _ in range(FUZZED // SHARES):
        text = random_text(dice)
        plain = normalise(text)
        assert normalise(plain) == plain, repr(text)
        assert essence(essence(text)) == essence(text), repr(text)
        assert matcher.match(text).outcome in ("answer", "suggest", "none"), repr(text)
        assert matcher.match_all(text), repr(text)


def random_text(dice: Random) -> str:
    """Up to LONGEST characters of a few ranges, here and there a word that means something."""
    ranges = dice.choices(RANGES, k=dice.randint(1, 3))
    pieces = [
        dice.choice(WORDS) if dice.random() < 0.1 else chr(dice.randint(*dice.choice(ranges)))
        for _ in range(dice.randint(0, LONGEST))
    ]
    return "".join(pieces)
