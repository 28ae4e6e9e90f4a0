"""The shipped knowledge and the real matcher behind the real dialogue, in both languages, by the words of the seed."""

from pathlib import Path
from typing import Any

import pytest

from faq.answers import KnownAnswers
from faq.knowledge import load
from faq.matcher import Matcher
from tests.bot.conftest import ORDER, PASSWORD, House


@pytest.fixture(scope="module")
def seed(matcher_cache: Path) -> KnownAnswers:
    entries = load()
    return KnownAnswers(entries, Matcher.build(entries, cache=matcher_cache))


@pytest.fixture
def answers(seed: KnownAnswers) -> Any:
    return seed


@pytest.mark.parametrize(
    ("question", "flow", "report", "reason", "link"),
    [
        ("怎么查订单", "查我的订单", "卡密用不了", "提示已被使用", "链接 24 小时"),
        ("where is my order", "Find my order", "A code does not work", "It says: already used", "good for 24 h"),
    ],
    ids=["zh", "en"],
)
async def test_ask_then_claim(house: House, question: str, flow: str, report: str, reason: str, link: str) -> None:
    buyer = house.buyer()

    answer = await buyer.say(question)
    buttons = await buyer.buttons()
    await buyer.press(flow)
    shown = await buyer.say(f"{ORDER} {PASSWORD}")
    await buyer.press(report)
    await buyer.press("****")
    replaced = await buyer.press(reason)

    assert "{" not in answer
    assert flow in buttons
    assert ORDER in shown
    assert link in replaced


async def test_every_answer_of_the_seed_can_be_given(house: House, seed: KnownAnswers) -> None:
    for entry in load():
        for text in entry.texts.values():
            filled = seed.fill(text.answer, promise="24 h", hours="9-23", warranty="30 d")

            assert "{" not in filled
            assert len(filled) < 1_000
