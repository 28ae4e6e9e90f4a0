import random

import pytest

from faq.overlaps import find_overlaps
from faq.phrasing import Entry, Phrasing, Text


def entry(key: str, *phrasings: str, flow: str | None = None, question: str = "") -> Entry:
    texts = {"zh": Text(question, "好的。")} if question else {}
    return Entry(key, flow, texts=texts, phrasings=tuple(Phrasing(text, "zh") for text in phrasings))


def test_the_same_phrasing_in_two_entries_is_found_through_its_spelling() -> None:
    (overlap,) = find_overlaps([entry("b", "怎么退款？"), entry("a", "你好，怎麼退款")])

    assert (overlap.first, overlap.second, overlap.kind, overlap.likeness) == ("a", "b", "same", 1.0)
    assert (overlap.clashes[0].first.text, overlap.clashes[0].second.text) == ("你好，怎麼退款", "怎么退款？")
    assert not overlap.is_contradiction


def test_phrasings_that_are_too_alike_are_found() -> None:
    (overlap,) = find_overlaps(
        [entry("a", "我想把钱退回来可以吗"), entry("b", "我想把钱退回来可以不"), entry("c", "几点上班")]
    )

    assert (overlap.first, overlap.second, overlap.kind) == ("a", "b", "alike")
    assert 0.65 <= overlap.likeness < 1


def test_a_question_counts_as_a_phrasing() -> None:
    assert find_overlaps([entry("a", "怎么退款"), entry("b", question="怎么退款")])[0].kind == "same"


def test_different_entries_do_not_overlap() -> None:
    assert find_overlaps([entry("a", "怎么退款"), entry("b", "几点上班"), entry("c")]) == ()
    assert find_overlaps([]) == ()


def test_phrasings_of_one_entry_may_be_alike() -> None:
    assert find_overlaps([entry("a", "怎么退款", "怎么退款？", "怎样退款")]) == ()


def test_the_level_can_be_chosen() -> None:
    entries = [entry("a", "我想退钱"), entry("b", "我想换货")]

    assert find_overlaps(entries) == ()
    assert len(find_overlaps(entries, alike=0.1)) == 1


def test_the_worst_comes_first() -> None:
    entries = [
        entry("order", "订单在哪里可以看", flow="order"),
        entry("status", "订单在哪里可以看到", flow="tickets"),
        entry("claim", "这张卡密用不了", flow="claim"),
        entry("human", "这张卡密用不了", flow="human"),
        entry("refund", "我要退款", flow="human"),
        entry("refunds", "我要退款", flow="human"),
        entry("price", "最近有没有什么优惠活动"),
        entry("coupon", "最近有没有什么优惠的活动"),
    ]

    overlaps = find_overlaps(entries)

    assert [(one.first, one.second) for one in overlaps] == [
        ("claim", "human"),  # the same words, another flow
        ("refund", "refunds"),  # the same words
        ("order", "status"),  # similar words, another flow
        ("coupon", "price"),
    ]
    assert [one.is_contradiction for one in overlaps] == [True, False, True, False]


@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_entries_changes_nothing(seed: int) -> None:
    entries = [entry("c", "怎么退款", "退款"), entry("a", "怎么退款啊", "几点上班"), entry("b", "几点上班呢", "退款呢")]

    assert find_overlaps(random.Random(seed).sample(entries, 3)) == find_overlaps(entries)
