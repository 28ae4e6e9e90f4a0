import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faq.evaluate import read_tsv
from faq.inverted import Floats
from faq.knowledge import load
from faq.likeness import Likeness
from faq.phrasing import Entry, Phrasing, Text
from faq.proposals import Miss, impersonal, propose

QUESTIONS = Path(__file__).parent / "questions"
START = datetime(2026, 3, 1, tzinfo=UTC)
FIND = Entry(
    key="find_order",
    texts={"zh": Text("怎么查订单", "把订单号发给我。")},
    phrasings=(Phrasing("订单在哪看", "zh"), Phrasing("在哪里查看我的订单", "zh"), Phrasing("where is my order", "en")),
)
REFUND = Entry(key="refund", texts={"zh": Text("怎么退款", "可以退。")}, phrasings=(Phrasing("我想退钱", "zh"),))
ENTRIES = (FIND, REFUND)


class Topics:
    """An encoder that knows three topics, in two languages."""

    name = "topics"
    words = (("订单", "order"), ("退", "refund", "money"), ("家庭", "family", "share"))

    def encode(self, texts: list[str]) -> Floats:
        rows = [[float(any(word in text for word in topic)) for topic in self.words] for text in texts]
        vectors = np.array(rows, np.float32).reshape(len(texts), len(self.words))
        found: Floats = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
        return found


def misses(*texts: str, chosen: str | None = None, refused: str | None = None, first: int = 1) -> list[Miss]:
    return [
        Miss(first + place, text, "zh", START + timedelta(hours=first + place), chosen, refused)
        for place, text in enumerate(texts)
    ]


def test_what_lies_near_an_entry_is_proposed_as_its_phrasing() -> None:
    proposals = propose(misses("我的订单在哪里看呀", "我的订单要在哪里看"), ENTRIES)

    (proposal,) = proposals
    assert (proposal.kind, proposal.entry, proposal.why) == ("phrasing", "find_order", "near")
    assert (proposal.count, proposal.questions, proposal.chosen) == (2, (1, 2), 0)
    assert [example.text for example in proposal.examples] == ["我的订单在哪里看呀", "我的订单要在哪里看"]
    assert (proposal.first_at, proposal.last_at) == (START + timedelta(hours=1), START + timedelta(hours=2))
    assert proposal.likeness > 0.5


def test_one_text_asked_often_is_one_example_in_the_spelling_used_most() -> None:
    (proposal,) = propose(
        misses("家庭共享怎么设置", "家庭共享怎么设置？", "你好，家庭共享怎么设置", "家庭共享怎么设置？"), ENTRIES
    )

    assert proposal.count == 4
    assert proposal.examples == (Phrasing("家庭共享怎么设置？", "zh"),)


def test_what_is_near_nothing_is_a_new_entry_once_it_was_asked_often_enough() -> None:
    asked = misses("Steam家庭共享怎么设置", "怎么设置Steam家庭共享")

    (proposal,) = propose(asked, ENTRIES)
    assert (proposal.kind, proposal.why, proposal.count) == ("entry", "new", 2)
    assert proposal.entry.startswith("new_")
    assert propose(asked, ENTRIES, least=3) == ()
    assert propose(asked[:1], ENTRIES) == ()


def test_a_new_entry_never_gets_a_key_that_is_taken() -> None:
    asked = misses("Steam家庭共享怎么设置", "怎么设置Steam家庭共享")
    (first,) = propose(asked, ENTRIES)

    (second,) = propose(asked, (*ENTRIES, Entry(first.entry)))

    assert second.entry.startswith(first.entry)
    assert second.entry != first.entry


def test_buyers_choice_goes_before_likeness() -> None:
    asked = misses("订单里的钱我不想要商品了", "订单里的钱我不想要商品", chosen="refund")

    (proposal,) = propose(asked, ENTRIES)

    assert (proposal.entry, proposal.why, proposal.chosen) == ("refund", "chosen", 2)


def test_a_choice_of_an_entry_that_is_gone_counts_for_nothing() -> None:
    (proposal,) = propose(misses("我的订单在哪里看呀", chosen="deleted"), ENTRIES)

    assert (proposal.entry, proposal.why) == ("find_order", "near")


def test_a_refused_entry_is_not_proposed_again_for_the_same_words() -> None:
    (proposal,) = propose(misses("订单在哪看", "订单在哪看", refused="find_order"), ENTRIES)

    assert (proposal.kind, proposal.refused) == ("entry", ("find_order",))


def test_what_an_entry_says_already_teaches_nothing() -> None:
    assert propose(misses("订单在哪看", "你好，订单在哪看？"), ENTRIES) == ()


def test_a_phrasing_that_buyers_meant_otherwise_is_proposed_to_the_entry_they_chose() -> None:
    (proposal,) = propose(misses("订单在哪看", chosen="refund"), ENTRIES)

    assert (proposal.kind, proposal.entry) == ("phrasing", "refund")


def test_dismissed_words_do_not_come_back() -> None:
    asked = misses("家庭共享怎么设置", "家庭共享怎么设置啊")

    assert propose(asked, ENTRIES, dismissed=["家庭共享怎么设置？"]) == ()


@pytest.mark.parametrize("text", ["？？？", "你好", "傻逼", "D2024010112345678", "ABCD-1234-EFGH-5678", ""])
def test_what_asks_nothing_teaches_nothing(text: str) -> None:
    assert propose(misses(text, text, text), ENTRIES, least=1) == ()


def test_the_most_useful_comes_first() -> None:
    asked = [
        *misses("Steam家庭共享怎么设置", "怎么设置Steam家庭共享", "Steam家庭共享如何设置", first=1),
        *misses("订单里的钱我不想要商品", chosen="refund", first=10),
        *misses("我的订单在哪里看", first=20),
    ]

    assert [proposal.why for proposal in propose(asked, ENTRIES)] == ["chosen", "new", "near"]


def test_the_same_misses_in_any_order_propose_the_same() -> None:
    texts = [
        "我的订单在哪里看",
        "订单在哪里看呀",
        "Steam家庭共享怎么设置",
        "怎么设置Steam家庭共享",
        "退钱怎么弄",
        "怎么弄退钱",
    ]
    asked = misses(*texts)
    expected = propose(asked, ENTRIES)

    for seed in range(5):
        shuffled = random.Random(seed).sample(asked, len(asked))
        assert propose(shuffled, ENTRIES[:: 1 if seed % 2 else -1]) == expected


def test_an_encoder_groups_what_shares_no_letter() -> None:
    asked = [*misses("how do i share with family", "family share pls"), *misses("家庭共享", first=5)]

    (proposal,) = propose(asked, ENTRIES, Topics())

    assert (proposal.kind, proposal.count) == ("entry", 3)
    assert [one.entry for one in propose(misses("money back now"), ENTRIES, Topics())] == ["refund"]


def test_without_entries_everything_is_new() -> None:
    assert [one.kind for one in propose(misses("退钱怎么弄", "怎么弄退钱"), ())] == ["entry"]
    assert propose([], ENTRIES) == ()


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("订单D2024010112345678没发货", "订单…没发货"),
        ("我的邮箱是 wang.fei@qq.com 收不到", "我的邮箱是 … 收不到"),
        ("打我电话 138 1234 5678", "打我电话 …"),
        ("打我电话１３８１２３４５６７８", "打我电话…"),
        ("138\u200b12345678 打我", "打我"),
        ("卡密****-7K2Q用不了", "卡密…用不了"),
        ("50元的卡能退吗？", "50元的卡能退吗？"),
        ("where  is my\torder", "where is my order"),
    ],
)
def test_personal_data_is_left_out(text: str, kept: str) -> None:
    assert impersonal(text) == kept


@given(st.text(max_size=60))
def test_any_text_becomes_impersonal_once(text: str) -> None:
    once = impersonal(text)

    assert impersonal(once) == once


def test_four_of_five_phrasings_proposed_by_likeness_are_right() -> None:
    rows = [row for name in ("zh", "en", "zh_noisy") for row in read_tsv(QUESTIONS / f"{name}.tsv")]
    asked = misses(*(row.query for row in rows), first=0)

    proposals = [one for one in propose(asked, load(), least=1) if one.kind == "phrasing"]

    right = [rows[number].intent == one.entry for one in proposals for number in one.questions]
    assert len(right) > 0.3 * len(rows)
    assert sum(right) / len(right) >= 0.75  # 0.82 when the levels were set; the seed entries may change


def test_likeness_is_one_with_itself_and_symmetric_enough_to_compare() -> None:
    texts = ["订单在哪看", "我想退钱", "where is my order"]

    rows = list(Likeness(texts).to_each(texts))

    for place, row in enumerate(rows):
        assert row[place] == pytest.approx(1.0, abs=1e-5)
        assert row.argmax() == place
