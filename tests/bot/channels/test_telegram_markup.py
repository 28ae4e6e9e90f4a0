"""Parts of long texts, and code in them: whatever is written, all of it is shown, in messages that Telegram takes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.channels.telegram.markup import Part, parts
from bot.fakes.entities import parse_html, width

FAMILY, FLAG, WAVE = "👨‍👩‍👧‍👦", "🇨🇳", "👋🏽"
words = st.sampled_from(
    ["好的", "code ", "<b>", "&amp;", "&", "`AB-12`", "`", "``", "\n", " ", FAMILY, FLAG, WAVE, "é", "😀"]
)
texts = st.lists(words, min_size=1, max_size=120).map("".join)


def shown(text: str) -> str:
    """All of it in one message."""
    return "".join(part.text for part in parts(text, 10**9))


@given(texts, st.integers(30, 200))
def test_the_parts_show_the_whole_text_and_fit(text: str, limit: int) -> None:
    cut = parts(text, limit)

    assert "".join("".join(part.text for part in cut).split()) == "".join(shown(text).split())
    for part in cut:
        assert part.text.strip() or not text.strip()
        assert width(part.html or part.text) <= limit
        assert part.html is None or parse_html(part.html)[0] == part.text


@given(texts, st.integers(30, 200))
def test_no_cut_goes_through_what_is_seen_as_one_character(text: str, limit: int) -> None:
    for part in parts(text, limit):
        for one in (FAMILY, FLAG, WAVE):
            rest = part.text.replace(one, "")
            assert not set(rest) & set(one), (part.text, one)


def test_code_stands_in_backticks_and_everything_else_is_escaped() -> None:
    (part,) = parts("订单 `AB12<34` 里有 <b>1</b> & `没有写完")

    assert part == Part(
        "订单 AB12<34 里有 <b>1</b> & `没有写完",
        "订单 <code>AB12&lt;34</code> 里有 &lt;b&gt;1&lt;/b&gt; &amp; `没有写完",
    )


@pytest.mark.parametrize("text", ["<b>*plain*</b> & _simple_", "``", "a `\n` b", "```not ours```", ""])
def test_what_has_no_code_is_sent_as_it_stands(text: str) -> None:
    assert [part for part in parts(text) if part != Part(text)] == []


def test_a_cut_stands_behind_a_line_rather_than_a_word_and_before_code_rather_than_in_it() -> None:
    assert [part.text for part in parts("aaaa bbbb\ncccc dd", 14)] == ["aaaa bbbb\n", "cccc dd"]
    assert [part.text for part in parts("aaaabbbbcccc`CODE-123`", 30)] == ["aaaabbbbcccc", "CODE-123"]


def test_parts_fit_into_utf_16_units() -> None:
    assert [len(part.text) for part in parts("😀" * 5_000)] == [2048, 2048, 904]


def test_one_character_longer_than_a_message_is_cut_all_the_same() -> None:
    assert [len(part.text) for part in parts("e" + "\u0301" * 150, 100)] == [100, 51]
