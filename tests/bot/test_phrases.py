import string

import pytest

from bot.dialogue.claims import REASONS
from bot.phrases import LANGUAGES, Phrases
from shop.port import OrderStatus
from tickets.claims import REFUSALS
from tickets.tables import Phase, Reason, Trigger

phrases = Phrases()
BEFORE = ("decided_before", "refunded")  # what became of the code earlier


def names_in(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}


def test_every_phrase_is_said_in_every_language() -> None:
    zh, en = (set(phrases.templates(language)) for language in LANGUAGES)

    assert zh == en


@pytest.mark.parametrize("key", sorted(phrases.templates("zh")))
def test_a_phrase_names_the_same_facts_in_every_language(key: str) -> None:
    assert names_in(phrases.templates("zh")[key]) == names_in(phrases.templates("en")[key])


@pytest.mark.parametrize("key", sorted(phrases.templates("en")))
def test_english_phrases_hold_no_chinese(key: str) -> None:
    assert not any("\u3000" <= character <= "\uffef" for character in phrases.templates("en")[key])


def test_a_language_that_is_not_spoken_falls_back_to_the_shops_own() -> None:
    assert phrases("fr", "button.human") == phrases("zh", "button.human")


def test_facts_are_filled_in_as_they_are() -> None:
    assert "{evil}" in phrases("en", "undelivered.subject", product="{evil} {0}")


def test_an_unknown_key_is_our_mistake() -> None:
    with pytest.raises(KeyError):
        phrases("en", "no.such.key")


def test_every_word_that_is_made_from_a_value_exists() -> None:
    made = {f"reason.{reason}" for reason in Reason}
    made |= {f"trigger.{trigger}" for trigger in Trigger}
    made |= {f"status.{phase}" for phase in Phase}
    made |= {f"order.{part}.{status}" for part in ("status", "advice") for status in OrderStatus}
    made |= {
        f"claim.why.{why}"
        for why in (*REFUSALS.values(), *("not_delivered", "reason", "over_limit", "warranty_over"), *BEFORE)
    }

    assert made <= set(phrases.templates("zh"))
    assert Reason.NOT_DELIVERED not in REASONS
