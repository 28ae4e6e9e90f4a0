"""Sums of money as people read and write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shop.errors import BadAmount
from shop.money import in_words, plain, read_amount, share


@pytest.mark.parametrize(
    ("amount", "currency", "words"),
    [
        (4850, "CNY", "48.50 CNY"),
        (5, "USD", "0.05 USD"),
        (1200, "JPY", "1200 JPY"),
        (1, "KWD", "0.001 KWD"),
        (10_000_000, "CNY", "100000.00 CNY"),
    ],
)
def test_minor_units_are_never_shown_raw(amount: int, currency: str, words: str) -> None:
    assert in_words(amount, currency) == words


@pytest.mark.parametrize(
    ("text", "amount"),
    [("48.5", 4850), (" ¥48.50 ", 4850), ("1,200", 120_000), ("1，200.5", 120_050), ("0.01", 1), ("1200", 120_000)],
)
def test_what_people_type_is_read(text: str, amount: int) -> None:
    assert read_amount(text, "CNY") == amount


@pytest.mark.parametrize(
    "text", ["", "0", "-1", "48.505", "NaN", "inf", "1e99", "四十八", "٤٨", "1" * 40, "1.2.3", "48,50", "1,5"]
)
def test_what_is_no_sum_is_refused(text: str) -> None:
    with pytest.raises(BadAmount, match=r"such as 48\.50"):
        read_amount(text, "CNY")


@given(st.integers(1, 10**9), st.sampled_from(["CNY", "JPY", "KWD"]))
def test_what_is_shown_is_read_as_the_same(amount: int, currency: str) -> None:
    assert read_amount(plain(amount, currency), currency) == amount


@given(st.integers(0, 10**7), st.integers(1, 50))
def test_the_shares_of_all_codes_are_what_was_paid(paid: int, quantity: int) -> None:
    shares = [share(paid, quantity, position) for position in range(1, quantity + 1)]

    assert sum(shares) == paid
    assert max(shares) - min(shares) <= 1
    assert share(paid, quantity, quantity + 1) == paid // quantity
