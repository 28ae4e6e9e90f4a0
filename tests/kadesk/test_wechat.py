"""The 公众号 of the settings: how they are named, what is refused, and how they are opened."""

from datetime import timedelta
from pathlib import Path

import pytest

from bot.channels.weixin.quota import REFUSED, calls_of, day_of, tell_nobody
from bot.fakes.tencent import serving
from bot.fakes.weixin import AES_KEY, APP_ID, SECRET, TOKEN, FakeWeixin
from bot.tables import CallCount
from kadesk import wechat_cli
from kadesk.database import Database
from kadesk.errors import SettingsError
from kadesk.logs import secrets_of
from kadesk.migrate import upgrade
from kadesk.settings import SHIPPED, Settings
from kadesk.wechat import open_wechat
from kadesk.wiring import clock
from shop.vault import Keys, Vault
from tickets import conversations, outbox
from tickets.tables import Author

FIRST = {"APP_ID": "wx1", "SECRET": "first-secret", "TOKEN": "first-token", "AES_KEY": AES_KEY}
GAMES = {"APP_ID": "wx2", "SECRET": "other-secret", "TOKEN": "other-token", "AES_KEY": AES_KEY[::-1]}


def load(monkeypatch: pytest.MonkeyPatch, **sections: dict[str, str]) -> Settings:
    for section, values in sections.items():
        for name, value in values.items():
            monkeypatch.setenv(f"KADESK_{section}__{name}", value)
    return Settings.load(SHIPPED)


async def test_several_accounts_have_each_their_own(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = {"SHOPS": "demo", "QUEUE": "games"}
    settings = load(monkeypatch, WECHAT=FIRST, WECHAT__MORE__GAMES=GAMES | chosen)

    opened = open_wechat(settings.wechat, database, Vault(Keys.generate()), clock, tell_nobody)
    for one in opened:
        await one.wechat.close()

    assert [one.wechat.account for one in opened] == ["wx1", "wx2"]
    assert len({one.wechat._gate.envelope.key for one in opened}) == 2
    assert settings.wechat.accounts.queues == {"wechat:wx2": "games"}
    assert settings.own_shops == {("wechat", "wx2"): ("demo",)}
    assert settings.bots == (("wechat", "wx1"), ("wechat", "wx2"))
    assert {"first-secret", "other-secret", "other-token", AES_KEY} <= set(secrets_of(settings))
    assert "other-secret" not in repr(settings)


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        pytest.param(GAMES | {"APP_ID": "wx1"}, "wechat and wechat.more.games are one 公众号", id="named twice"),
        pytest.param({"QUEUE": "games"}, "wechat.more.games has no app_id", id="no account"),
        pytest.param({"APP_ID": "wx2"}, "set KADESK_WECHAT__MORE__GAMES__SECRET", id="no secret"),
        pytest.param(GAMES | {"AES_KEY": "short"}, "wechat.more.games: aes_key: Callbacks need", id="no key"),
        pytest.param(GAMES | {"SHOPS": "steam"}, "wechat.more.games.shops: there is no shop 'steam'", id="no shop"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, more: dict[str, str], sentence: str
) -> None:
    with pytest.raises(SettingsError, match=sentence):
        load(monkeypatch, WECHAT=FIRST, WECHAT__MORE__GAMES=more)


async def test_what_waits_for_the_day_to_end_goes_out_once_the_platform_counts_anew(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async with serving(FakeWeixin(clock=lambda: clock().timestamp())) as fake:
        account = {"APP_ID": APP_ID, "SECRET": SECRET, "TOKEN": TOKEN, "AES_KEY": AES_KEY, "API_BASE": fake.base}
        load(monkeypatch, WECHAT=account, DATA={"DIR": str(tmp_path)})
        database = Database(f"sqlite:///{tmp_path / 'kadesk.db'}")
        await upgrade(database)
        place = {"channel": "wechat", "account": APP_ID}
        tomorrow = clock() + timedelta(days=1)
        async with database.writing() as session:
            conversation = await conversations.find_or_create(session, clock(), "wechat", APP_ID, "o1", "", "zh")
            await outbox.post(session, tomorrow, conversation, "在的。", author=Author.BOT)
            session.add(CallCount(**place, day=day_of(clock()), call=f"message/custom/send{REFUSED}", count=1))

        assert await wechat_cli._clear() == 1

        async with database.reading() as session:
            assert len(await outbox.waiting(session, clock(), *place.values())) == 1
            assert not [one for one in await calls_of(session, clock(), *place.values()) if one.refused]
        await database.close()
