"""The staff bot of the settings: what is refused before it is opened."""

import pytest

from kadesk.errors import SettingsError
from kadesk.settings import SHIPPED, Settings

STAFF, BUYERS = "333333333:AAH-token-of-a-staff-bot-that-is-not", "111111111:AAH-first-token-of-a-bot-that-is-not"
ANOTHER_OF_STAFF = "333333333:AAH-older-token-of-the-same-bot-as-that"


def load(monkeypatch: pytest.MonkeyPatch, **variables: str) -> Settings:
    for name, value in variables.items():
        monkeypatch.setenv(f"KADESK_{name}", value)
    return Settings.load(SHIPPED)


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        pytest.param(
            {"TELEGRAM__TOKEN": STAFF, "STAFF_BOT__TOKEN": STAFF},
            "telegram and staff_bot have the token of one bot; make another for staff with @BotFather.",
            id="the token of the first bot",
        ),
        pytest.param(
            {"TELEGRAM__TOKEN": BUYERS, "TELEGRAM__MORE__GAMES__TOKEN": ANOTHER_OF_STAFF, "STAFF_BOT__TOKEN": STAFF},
            "telegram.more.games and staff_bot have the token of one bot; make another for staff with @BotFather.",
            id="another token of another bot",
        ),
        pytest.param(
            {"STAFF_BOT__TOKEN": STAFF, "STAFF_BOT__RECEIVE": "webhook"},
            'staff_bot.receive is "webhook", but Telegram calls only https addresses: set web.public_url to the one '
            'under which this machine is reached, or receive to "polling".',
            id="a webhook without https",
        ),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], sentence: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        load(monkeypatch, **variables)

    assert str(refused.value) == sentence


def test_bots_of_their_own_have_each_a_light(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(
        monkeypatch,
        TELEGRAM__TOKEN=BUYERS,
        STAFF_BOT__TOKEN=STAFF,
        STAFF_BOT__RECEIVE="webhook",
        WEB__PUBLIC_URL="https://help.example.com",
    )

    assert settings.bots == (("telegram", "111111111"), ("staff", "333333333"))


def test_without_a_token_there_is_no_staff_bot(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load(monkeypatch, STAFF_BOT__RECEIVE="webhook").bots == ()
