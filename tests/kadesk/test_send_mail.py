"""The job that sends letters, from the table to a real mail server."""

from dataclasses import fields
from typing import Any

import pytest

from bot.phrases import Phrases
from kadesk.database import Database
from kadesk.jobs import jobs
from kadesk.settings import SHIPPED, Settings
from kadesk.wiring import Kadesk, clock
from shop.adapters.local import LocalShop
from shop.shops import Shops
from shop.vault import Keys, Vault
from tests.kadesk.mail_server import listening
from tickets.claims import ClaimRules, Claims
from tickets.desk import Desk
from tickets.letters import write_letter
from tickets.mailed_codes import MailRules


async def test_letters_are_sent_where_there_is_a_mail_server(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts: dict[str, Any] = dict.fromkeys(field.name for field in fields(Kadesk))  # no answers: they take seconds
    vault, desk = Vault(Keys.generate()), Desk(Phrases())
    parts |= {
        "database": database,
        "vault": vault,
        "desk": desk,
        "claims": Claims(desk, vault, ClaimRules("https://kadesk.test/r/")),
    }
    parts |= {"shop": Shops([LocalShop(database, vault)])}
    monkeypatch.setenv("KADESK_MAIL__SENDER", "Star Cards <help@stars.example>")
    monkeypatch.setenv("KADESK_MAIL__SECURITY", "none")
    async with listening() as box:
        silent = Kadesk(**parts | {"settings": Settings.load(SHIPPED)})
        monkeypatch.setenv("KADESK_MAIL__HOST", "127.0.0.1")
        monkeypatch.setenv("KADESK_MAIL__PORT", str(box.port))
        mailing = Kadesk(**parts | {"settings": Settings.load(SHIPPED)})
        async with database.writing() as session:
            expires_at = clock() + MailRules().lives
            await write_letter(session, clock(), mailing.vault, "chen@qq.example", "Hello", "123456", expires_at)

        (send,) = [one for one in jobs(mailing) if one.name == "send mail"]
        assert await send.work() is None

    assert [recipients for _, recipients, _ in box.mails] == [["chen@qq.example"]]
    assert "send mail" not in [one.name for one in jobs(silent)]
