"""What was said to staff in one language is read in the other; what buyers said stays as they said it."""

import time
from string import Formatter

import pytest

from bot.phrases import Phrases
from bot.phrases.retelling import FIGURES, KEPT, Retelling

phrases = Phrases()
retell = Retelling(phrases)
NOTICES = sorted(key for key in phrases.templates("zh") if key.startswith(KEPT))


def facts_of(key: str) -> dict[str, str]:
    names = [name for _, name, *_ in Formatter().parse(phrases.templates("zh")[key]) if name]
    return {name: "K-000012" if name == "number" else "7" if name in FIGURES else f"({name})" for name in names}


@pytest.mark.parametrize("key", NOTICES)
def test_every_kept_phrase_is_read_in_both_languages(key: str) -> None:
    zh, en = (phrases(language, key, **facts_of(key)) for language in ("zh", "en"))

    assert retell("en", zh) == en
    assert retell("zh", en) == zh
    assert retell("zh", zh) == zh


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_facts_of_a_notice_are_retold_too(language: str) -> None:
    subject = phrases(language, "undelivered.subject", product="Steam 50元")
    why = phrases("zh", "trigger.due")
    notice = phrases("zh", "notice.escalated_late", number="K-000001", subject=subject, why=why, minutes=12)

    assert "付款未发货：Steam 50元" in retell("zh", notice)
    assert phrases("en", "trigger.due") in retell("en", notice)
    assert not any("\u4e00" <= letter <= "\u9fff" for letter in retell("en", notice).replace("Steam 50元", ""))


@pytest.mark.parametrize(
    "text", ["充值没到账", "", "where is my order?", "K-000001", "{number}", "说：好的（晚了", "a\nb"]
)
def test_what_is_nobodys_phrase_stays(text: str) -> None:
    assert retell("en", text) == text == retell("zh", text)


def test_a_subject_made_to_be_slow_is_not() -> None:
    began = time.perf_counter()
    retell("en", "K-000001 " + "：" * 490 + "还有" * 200)
    retell("en", "K-000001 " + ": " * 490)
    retell("zh", "：" * 5000)

    assert time.perf_counter() - began < 2
