import re
from enum import Enum
from pathlib import Path
from string import Formatter

import pytest

from bot.errors import DeliveryError
from console import words as room
from console.refusals import problem_of, sentence_of
from console.words import LANGUAGES, preferred, words
from shop.errors import PoolEmpty, ShopError
from tickets.errors import InvalidTransition, NotAllowed, TicketError
from tickets.sla import Verdict
from tickets.tables import Category, Level, LinkKind, Outcome, Phase, Reason, Role, Sending, Tier, Trigger

CONSOLE = Path(room.__file__).parent.parent
KEY = re.compile(r"""["']([a-z_]+\.[a-z_0-9]+)["']""")  # a key in full
BEGUN = re.compile(r"""["'f]["']?([a-z_]+\.[a-z_0-9]*)(?:["']\s*[~+]|\{)""")  # the rest follows from a value
ROOM = re.compile(r"""(?:named|word)\(\s*["']([a-z_]+)["']""")  # any value of an enum


def _kinds(root: type[DeliveryError]) -> list[type[DeliveryError]]:
    return [kind for child in root.__subclasses__() for kind in (child, *_kinds(child))]


def _placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def test_both_languages_say_the_same_things_with_the_same_facts() -> None:
    zh, en = words("zh").texts, words("en").texts

    assert zh.keys() == en.keys()
    assert {key: _placeholders(zh[key]) for key in zh} == {key: _placeholders(en[key]) for key in en}
    assert all(text.strip() for text in (*zh.values(), *en.values()))


def _sources() -> str:
    return "\n".join(path.read_text() for path in CONSOLE.rglob("*") if path.suffix in (".py", ".html"))


def test_every_word_that_a_page_asks_for_is_there() -> None:
    known = words("zh").texts

    asked = set(re.findall(r"""(?:say|has)\(\s*["']([a-z_]+\.[a-z_0-9]+)["']\s*[,)]""", _sources()))

    assert len(asked) > 100
    assert asked <= known.keys()


def test_no_word_is_left_over() -> None:
    source = _sources()
    begun = (*BEGUN.findall(source), *(f"{name}." for name in ROOM.findall(source)))

    left = {key for key in words("zh").texts.keys() - set(KEY.findall(source)) if not key.startswith(begun)}

    assert left == set()


@pytest.mark.parametrize(
    ("room", "values"),
    [
        pytest.param(name, kind, id=name)
        for name, kind in {
            "category": Category,
            "kind": LinkKind,
            "level": Level,
            "outcome": Outcome,
            "phase": Phase,
            "reason": Reason,
            "role": Role,
            "sending": Sending,
            "tier": Tier,
            "trigger": Trigger,
            "verdict": Verdict,
        }.items()
    ],
)
def test_every_value_that_a_page_may_show_has_a_word(room: str, values: type[Enum]) -> None:
    assert {f"{room}.{value.value}" for value in values} <= words("zh").texts.keys()


@pytest.mark.parametrize(
    ("header", "language"),
    [
        pytest.param("", "zh", id="nothing said"),
        pytest.param("en-US,en;q=0.9,zh-CN;q=0.8", "en", id="English first"),
        pytest.param("zh-TW,zh;q=0.9,en;q=0.8", "zh", id="Chinese first"),
        pytest.param("fr-FR,fr;q=0.9,en;q=0.4,zh;q=0.2", "en", id="the better of ours"),
        pytest.param("de,ja", "zh", id="none of ours"),
        pytest.param("en;q=0", "zh", id="not wanted"),
        pytest.param("en;q=often, zh ;q=", "zh", id="nonsense"),
        pytest.param("en," * 10_000, "en", id="too long"),
    ],
)
def test_the_browsers_wish_chooses_the_language(header: str, language: str) -> None:
    assert preferred(header) == language


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("root", [TicketError, ShopError])
def test_every_refusal_is_one_sentence_in_the_readers_language(root: type[TicketError], language: str) -> None:
    for kind in [root, *root.__subclasses__()]:
        sentence = sentence_of(words(language), kind(**dict.fromkeys(_placeholders(kind.__doc__ or ""), "…")))

        assert re.search(r"[。.！!]$", sentence), kind
        assert not re.search(r"[{}]", sentence), kind
        assert language == "en" or re.search(r"[一-鿿]", sentence), kind


@pytest.mark.parametrize("language", LANGUAGES)
def test_why_a_message_did_not_arrive_is_told_in_the_readers_language(language: str) -> None:
    say = words(language)
    facts = {"reason": "Forbidden: bot was blocked", "address": "-1001", "foreign_id": "77", "seconds": 3}
    for kind in _kinds(DeliveryError):
        if kind.__module__ != DeliveryError.__module__:
            continue  # of the staff's own bot, whose messages no buyer waits for
        problem = (kind.__doc__ or "").split("\n")[0].format(**facts)
        told = problem_of(say, problem)

        assert told != problem, kind
        assert ("Forbidden: bot was blocked" in told) == ("{reason}" in (kind.__doc__ or "")), told
    assert problem_of(say, "KeyError at bot/channels/web.py:31").startswith(say("problem.ours"))
    assert problem_of(say, "对方已注销") == "对方已注销"


def test_a_refusal_speaks_of_phases_and_roles_in_the_readers_words() -> None:
    moved = InvalidTransition(number="K-000001", phase="resolved", verb="answered")

    assert sentence_of(words("zh"), moved) == "工单 K-000001 现在是“已解决”，不能这样操作。"
    assert sentence_of(words("en"), NotAllowed(role="agent", verb="assign")) == "Your role (agent) may not do this."
    assert "备用库" in sentence_of(words("zh"), PoolEmpty(sku="STEAM-50"))
