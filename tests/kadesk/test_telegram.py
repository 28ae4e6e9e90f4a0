"""The bots of the settings: how they are named, what is refused, and how they are opened."""

from pathlib import Path
from typing import Any

import pytest

from bot.channels.port import Update
from bot.phrases import Phrases
from kadesk.errors import SettingsError
from kadesk.settings import SHIPPED, Settings
from kadesk.telegram import open_bots
from shop.vault import Keys, Vault

MAIN, GAMES = "111111111:AAH-first-token-of-a-bot-that-is-not", "222222222:AAH-other-token-of-a-bot-that-is-not"


def load(monkeypatch: pytest.MonkeyPatch, **variables: str) -> Settings:
    for name, value in variables.items():
        monkeypatch.setenv(f"KADESK_{name}", value)
    return Settings.load(SHIPPED)


def test_without_a_token_there_is_no_bot(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load(monkeypatch).telegram.accounts.all == ()


def test_several_bots_have_each_their_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"{GAMES}\n")

    settings = load(
        monkeypatch,
        TELEGRAM__TOKEN=MAIN,
        TELEGRAM__MORE__GAMES__TOKEN_FILE=str(tmp_path / "token"),
        TELEGRAM__MORE__GAMES__LANGUAGE="en",
        TELEGRAM__MORE__GAMES__SHOPS="demo",
        TELEGRAM__MORE__GAMES__QUEUE="games",
    )

    first, second = settings.telegram.accounts.all
    assert (first.account, second.account) == ("111111111", "222222222")
    assert (second.language, second.shops) == ("en", ("demo",))
    assert settings.telegram.accounts.queues == {"telegram:222222222": "games"}
    assert MAIN not in repr(settings)


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        pytest.param(
            {"TELEGRAM__TOKEN": MAIN, "TELEGRAM__MORE__GAMES__TOKEN": MAIN},
            "telegram and telegram.more.games have the token of one bot",
            id="a token given twice",
        ),
        pytest.param(
            {"TELEGRAM__MORE__GAMES__LANGUAGE": "en"},
            "telegram.more.games has no token: set KADESK_TELEGRAM__MORE__GAMES__TOKEN",
            id="a bot without a token",
        ),
        pytest.param({"TELEGRAM__MORE__GAMES__TOKEN": "abc"}, "this is not a bot token", id="no token"),
        pytest.param(
            {"TELEGRAM__TOKEN": MAIN, "TELEGRAM__SHOPS": "steam"},
            "there is no shop 'steam'; choose from demo",
            id="shop",
        ),
        pytest.param(
            {"TELEGRAM__TOKEN": MAIN, "TELEGRAM__RECEIVE": "webhook"},
            'telegram.receive is "webhook", but Telegram calls only https addresses: set web.public_url',
            id="a webhook without https",
        ),
        pytest.param({"TELEGRAM__RECEIVE": "pigeon"}, "telegram.receive: Input should be 'polling' or", id="no way"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], sentence: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        load(monkeypatch, **variables)

    assert sentence in str(refused.value)
    assert MAIN not in str(refused.value)


@pytest.mark.parametrize(
    "variables",
    [
        pytest.param({"WEB__PUBLIC_URL": "https://help.example.com"}, id="https"),
        pytest.param({"TELEGRAM__API_BASE": "http://127.0.0.1:8081"}, id="a Bot API server of one's own"),
    ],
)
def test_a_webhook_needs_https_where_telegram_itself_calls(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    settings = load(monkeypatch, TELEGRAM__TOKEN=MAIN, TELEGRAM__RECEIVE="webhook", **variables)

    assert settings.telegram.receive == "webhook"


async def test_a_bot_begins_in_the_language_that_its_owner_chose(monkeypatch: pytest.MonkeyPatch, now: Any) -> None:
    chosen = {"TELEGRAM__MORE__GAMES__TOKEN": GAMES, "TELEGRAM__MORE__GAMES__LANGUAGE": "en"}
    settings = load(monkeypatch, TELEGRAM__TOKEN=MAIN, **chosen)
    vault: Any = Vault(Keys.generate())
    nowhere: Any = None

    bots = open_bots(settings.telegram, "https://help.example.com", nowhere, vault, lambda: now, Phrases())

    raw = '{"message": {"message_id": 1, "chat": {"id": 42}, "text": "hi", "from": {"id": 42, "language_code": "zh"}}}'
    spoken = [one.telegram.read(Update("telegram", one.telegram.account, "1", "42", raw)).language for one in bots]
    assert spoken == ["zh", "en"]
