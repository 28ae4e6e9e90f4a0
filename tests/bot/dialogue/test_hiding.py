"""Codes never stand in clear: whatever is typed, wherever, in whatever words."""

import string
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.channels.port import Inbound, Kind
from bot.dialogue import hiding
from bot.dialogue.reading import HIDDEN
from bot.dialogue.state import Scene, State, Step
from bot.dialogue.understanding import Understanding
from faq.tables import FaqQuestion
from tests.bot.conftest import ORDER, House, known_answers
from tests.bot.dialogue.test_tickets import to_step
from tickets.tables import Message, Ticket

UNDERSTANDING = Understanding(known_answers(), 4000)
UPPER = string.ascii_uppercase + string.digits
STEPS = [step.value for step in Step]


def stored(step: str, text: str, own: tuple[str, ...] = ()) -> str:
    scene = Scene(State(step=Step(step)), orders=own)
    told: Any = {"sent_at": None} if "sent_at" in Inbound.__slots__ else {}
    inbound = Inbound("web", "shop", "a", "1", Kind.TEXT, text=text, **told)
    return UNDERSTANDING.understand(scene, inbound).stored


def is_made(code: str) -> bool:
    """Shops make codes of signs, not of years and of names with a version."""
    return not (hiding._DATE.fullmatch(code) or hiding._is_name(code) or hiding._MEASURE.fullmatch(code))


mixed = st.text(UPPER, min_size=8, max_size=25).filter(lambda code: any(sign.isdigit() for sign in code))
lower = st.text(string.ascii_lowercase + string.digits, min_size=8, max_size=25).filter(
    lambda code: any(sign.isdigit() for sign in code)
)
letters = st.text(string.ascii_uppercase, min_size=8, max_size=25)
digits = st.text(string.digits, min_size=8, max_size=20)
groups = st.integers(3, 6).flatmap(
    lambda size: st.lists(st.text(UPPER, min_size=size, max_size=size), min_size=3, max_size=5).map("-".join)
)
single = (mixed | lower | letters | digits | groups).filter(is_made)
passwords = st.text(UPPER, min_size=6, max_size=12).filter(
    lambda word: any(sign.isdigit() for sign in word) and is_made(word)
)
pairs = st.tuples(digits.filter(is_made) | mixed.filter(is_made), passwords)
between = st.sampled_from([" ", "  ", "----", "\n", "，", " 密码 ", "\n密码：", "|", " password: ", ","])
sentences = st.sampled_from(
    [
        "{}",
        "卡密 {} 用不了",
        "{} 已被使用",
        "这张{}提示已被使用怎么办",
        "我买的是{}，不能用",
        "my code {} does not work",
        "the key {} was already used",
        "code: {}",
        "怎么查订单 {}",
        "能退款吗 {}",
        "你好\n{}\n谢谢",
        "买了 2 张 50元的，{} 这张 2024-03-01 过期",
        "转人工 {}",
    ]
)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(STEPS), sentences, single)
def test_no_code_is_kept_of_any_sentence_at_any_step(step: str, sentence: str, code: str) -> None:
    assert code not in stored(step, sentence.format(code))


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(STEPS), sentences, pairs, between)
def test_no_card_and_no_password_is_kept(step: str, sentence: str, pair: tuple[str, str], mark: str) -> None:
    kept = stored(step, sentence.format(mark.join(pair)))

    assert pair[0] not in kept
    assert pair[1] not in kept


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize(
    "code", ["AB12CD34X", "1234567890", "8837261543 992817263", "GX7K2Q9P1", "ＧＸ７Ｋ２Ｑ９Ｐ１", "GX7K\u200b2Q9P1"]
)
def test_ordinary_codes_are_masked(step: str, code: str) -> None:
    for text in (code, f"{code} 已被使用", f"卡密{code}用不了"):
        kept = stored(step, text)
        assert not any(part in kept for part in code.split())


@pytest.mark.parametrize("step", ["idle", "reason"])
@pytest.mark.parametrize(
    "text",
    [
        "我买了 2 张 50元 的",
        "付了 100000元，没到",
        "充了¥128.50没到账",
        "2024-03-01 买的，20240302 还没到",
        "3月1日 12:30 下单",
        "手机是 iPhone15ProMax，用不了",
        "iPhone 15 Pro 和 RedmiNote12Turbo 都不行",
        "Windows11 激活失败 0xC004F074",
        "office2021 怎么安装",
        "买 3 个 12 个月的",
        "12315",
        "工单 K-000123 怎么样了",
        "my xbox says the region is wrong",
        "I bought 2 cards yesterday and nothing arrived",
        "下载 128GB 的",
    ],
)
def test_ordinary_words_stay_readable(step: str, text: str) -> None:
    assert stored(step, text) == text


@pytest.mark.parametrize("step", ["order", "code"])
@pytest.mark.parametrize("text", ["找不到了", "50元的那张", "I do not have it", "哪张都不行"])
def test_words_stay_readable_where_a_number_was_asked_for(step: str, text: str) -> None:
    assert stored(step, text) == text


def test_a_proved_order_number_stays_and_a_foreign_one_does_not() -> None:
    assert stored("idle", f"{ORDER} 呢", (ORDER,)) == f"{ORDER} 呢"
    assert ORDER not in stored("idle", f"{ORDER} 呢")
    assert ORDER not in stored("order", f"{ORDER} 呢")


@pytest.mark.parametrize("own", [(), (ORDER,)])
@pytest.mark.parametrize(
    "text",
    [f"{ORDER} sunflower", f"{ORDER}，sunflower 提示已被使用", f"sunflower {ORDER}", f"订单 {ORDER}\nsun.flower!"],
)
def test_the_word_beside_an_order_number_may_be_its_password(own: tuple[str, ...], text: str) -> None:
    kept = stored("idle", text, own)

    assert HIDDEN in kept
    assert "flower" not in kept


@pytest.mark.parametrize(
    "text", [f"{ORDER} please help", f"order {ORDER} hasn't arrived", f"订单 {ORDER} 2024-03-01 买的"]
)
def test_common_words_beside_an_order_number_stay(text: str) -> None:
    assert stored("idle", text, (ORDER,)) == text


@pytest.mark.parametrize(
    "text", ["my secret pass word", "我的 abcd 1234 密码", "hunter2", "密码 hunter2", "也许是春天", "x" * 5000]
)
def test_asked_for_the_password_nothing_is_kept_but_questions(text: str) -> None:
    assert stored("proof", text).removesuffix("…") == HIDDEN


def test_a_question_instead_of_the_password_is_kept() -> None:
    assert stored("proof", "怎么查订单") == "怎么查订单"
    assert stored("proof", "How do I find my order") == "How do I find my order"
    assert hiding.hide_unknown("密码 sunflower 忘了, how do I reset it", ()) == f"密码 {HIDDEN} 忘了, how do I reset it"


@pytest.mark.parametrize("step", STEPS)
async def test_no_row_holds_a_code_that_was_typed(house: House, step: str) -> None:
    typed = ["AB12CD34X", "1234567890", "8837261543 992817263", "GX7K2Q9P1 已被使用", "转人工"]
    for number, text in enumerate(typed):
        buyer = house.buyer(f"buyer {number}")
        await to_step(buyer, step)
        await buyer.say(text)
        await buyer.say("转人工")

    texts = [row.text for row in (*await house.all(Message), *await house.all(FaqQuestion))]
    texts += [row.subject for row in await house.all(Ticket)]
    for secret in ("AB12CD34X", "1234567890", "8837261543", "992817263", "GX7K2Q9P1"):
        assert not [text for text in texts if secret in text]


async def test_a_code_of_ours_that_looks_like_words_is_hidden_as_any(house: House) -> None:
    await house.sell("FUTESAHOHFYMOS", "DUCK-TAIL-MOON", order_no="XB12CD34EF56GH78")
    buyer = house.buyer()
    typed = {
        "futesahohfymos 用不了": "****-YMOS 用不了",
        "ｆｕｔｅｓａｈｏｈｆｙｍｏｓ 用不了": "****-YMOS 用不了",
        "duck tail moon": "****-MOON",
        "ducktailmoon": "****-MOON",
        "wonderfully bad": "wonderfully bad",
    }

    for text in typed:
        await buyer.say(text)

    assert await house.heard() == list(typed.values())
