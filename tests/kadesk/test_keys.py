"""A new key for everything that is sealed, and `kadesk keys rotate` around it."""

import asyncio
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from sqlalchemy import update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from audit.tables import AuditRow
from bot.channels.port import Update
from bot.dialogue.state import SEAL
from bot.door import store
from bot.tables import DialogueRow, InboxRow
from kadesk.cli import main
from kadesk.database import Database
from kadesk.folder import held
from kadesk.keys import count_seals_to_renew, renew_seals
from kadesk.migrate import upgrade
from kadesk.wiring import clock
from shop.codes import read_code
from shop.demo import create_demo_shop
from shop.errors import UnknownKey
from shop.reveals import make_link, read_token
from shop.tables import Code, RevealLink
from shop.vault import Keys, Vault
from tickets import conversations, letters, said
from tickets.hidden_words import keep_typed
from tickets.tables import Mail, Message, MessageRevision

Run = Callable[..., tuple[int, str, str]]
OLD = Keys.generate()
NEW = OLD.with_new()
ONLY_NEW = Keys(NEW.current, {NEW.current: NEW.encryption[NEW.current]}, NEW.fingerprint)


async def fill(session: AsyncSession, now: datetime, vault: Vault) -> dict[str, Any]:
    """Something of everything that is sealed; what it says in clear."""
    await create_demo_shop(session, now, vault, Random(7))
    codes = (await session.exec(select(Code))).all()
    link = await make_link(session, now, vault, codes[0].id, timedelta(hours=1))
    await store(session, now, vault, Update("web", "main", "1", "a", "卡密无效 ABCDE-12345"))
    talk = await conversations.find_or_create(session, now, "web", "main", "a", "a", "zh")
    facts = {"goal": "look", "order": vault.seal_text(SEAL, str(talk.id), "AB12CD34")}
    message = await conversations.add_message(session, now, talk, "卡密 ****-2345")
    keep_typed(vault, message, "卡密 ABCDE-12354")
    await said.revise(session, now, message, "卡密 ****-2345", "buyer:1")
    keep_typed(vault, message, "卡密 ABCDE-12345")
    await letters.write_letter(session, now, vault, "chen@qq.example", "验证码", "123456", now)
    session.add(DialogueRow(conversation_id=talk.id, facts=facts, updated_at=now))
    await session.flush()
    return await read(session, vault) | {"token": read_token(vault, link)}


async def read(session: AsyncSession, vault: Vault) -> dict[str, Any]:
    """Everything that was sealed, opened again."""
    codes = (await session.exec(select(Code).order_by(col(Code.id)))).all()
    link, row = (await session.exec(select(RevealLink))).one(), (await session.exec(select(InboxRow))).one()
    message = (await session.exec(select(Message))).one()
    dialogue, former = (
        (await session.exec(select(DialogueRow))).one(),
        (await session.exec(select(MessageRevision))).one(),
    )
    mail = (await session.exec(select(Mail))).one()
    return {
        "codes": [(read_code(vault, code), code.fingerprint) for code in codes],
        "token": read_token(vault, link),
        "update": vault.open_text("inbox", "web:main:1", row.sealed),
        "letter": vault.open_text(letters.SEAL, mail.seal_id, mail.sealed),
        "typed": vault.open_text("message", str(message.id), message.sealed or ""),
        "former": vault.open_text("message", str(message.id), former.sealed or ""),
        "order": vault.open_text(SEAL, str(dialogue.conversation_id), dialogue.facts["order"]),
    }


async def renew(database: Database) -> list[str]:
    return await renew_seals(database, Vault(NEW), lambda count: None)


async def test_afterwards_the_new_key_alone_opens_everything(database: Database, now: datetime) -> None:
    async with database.writing() as session:
        before = await fill(session, now, Vault(OLD))

    broken = await renew(database)

    assert broken == []
    assert await count_seals_to_renew(database, Vault(NEW)) == 0
    async with database.reading() as session:
        assert await read(session, Vault(ONLY_NEW)) == before


async def test_a_rotation_that_was_stopped_goes_on(database: Database, now: datetime) -> None:
    async with database.writing() as session:
        before = await fill(session, now, Vault(OLD))
    total = await count_seals_to_renew(database, Vault(NEW))

    def stop(count: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await renew_seals(database, Vault(NEW), stop)
    left = await count_seals_to_renew(database, Vault(NEW))
    async with database.reading() as session:
        halfway = await read(session, Vault(NEW))
    await renew(database)

    assert 0 < left < total
    assert halfway == before
    async with database.reading() as session:
        assert await read(session, Vault(ONLY_NEW)) == before


async def test_a_row_that_does_not_open_is_named_and_left_alone(database: Database, now: datetime) -> None:
    async with database.writing() as session:
        await fill(session, now, Vault(OLD))
        await session.exec(update(Code).where(col(Code.id) == 3).values(ciphertext=b"changed"))

    broken = await renew(database)

    assert broken == ["code 3"]
    async with database.reading() as session:
        assert (await session.get_one(Code, 3)).ciphertext == b"changed"


async def test_without_its_key_a_seal_stays_shut(database: Database, now: datetime) -> None:
    async with database.writing() as session:
        await fill(session, now, Vault(OLD))

    async with database.reading() as session:
        with pytest.raises(UnknownKey):
            await read(session, Vault(ONLY_NEW))


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.setenv("KADESK_DATA__DIR", str(tmp_path))

    def run() -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["kadesk", "keys", "rotate"])
        with pytest.raises(SystemExit) as ended:
            main()
        output = capsys.readouterr()
        return int(ended.value.code or 0), output.out, output.err

    return run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An install of one demo shop, sealed with the old keys."""
    (tmp_path / "keys").write_text(OLD.to_text())

    async def work() -> None:
        database = Database(f"sqlite:///{tmp_path / 'kadesk.db'}")
        await upgrade(database)
        async with database.writing() as session:
            await fill(session, clock(), Vault(OLD))
        await database.close()

    asyncio.run(work())
    return tmp_path


def look(folder: Path, keys: Keys) -> tuple[dict[str, Any], list[str]]:
    async def work() -> tuple[dict[str, Any], list[str]]:
        database = Database(f"sqlite:///{folder / 'kadesk.db'}")
        async with database.reading() as session:
            actions = list((await session.exec(select(AuditRow.action))).all())
            found = await read(session, Vault(keys))
        await database.close()
        return found, actions

    return asyncio.run(work())


def test_the_command_makes_a_key_and_keeps_the_old_one_for_backups(folder: Path, run: Run) -> None:
    before, _ = look(folder, OLD)

    code, out, _ = run()

    keys = Keys.from_text((folder / "keys").read_text())
    alone = Keys(keys.current, {keys.current: keys.encryption[keys.current]}, keys.fingerprint)
    after, actions = look(folder, alone)
    assert (code, after) == (0, before)
    assert "Back this file up" in out
    assert set(keys.encryption) == {OLD.current, keys.current}
    assert (folder / "keys").stat().st_mode & 0o777 == 0o600
    assert actions[-1] == "keys.rotated"


def test_a_running_desk_is_not_rotated_under(folder: Path, run: Run) -> None:
    with held(folder):
        code, _, err = run()

    assert (code, "stop it first" in err) == (2, True)
    assert (folder / "keys").read_text() == OLD.to_text()


def test_keys_of_the_environment_are_printed_and_taken_up_by_the_next_run(
    folder: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "keys").unlink()
    monkeypatch.setenv("KADESK_DATA__KEYS", OLD.to_text())

    code, out, _ = run()
    printed = out.strip().splitlines()[-1]
    monkeypatch.setenv("KADESK_DATA__KEYS", printed)
    code_of_second, _, _ = run()

    keys = Keys.from_text(printed)
    alone = Keys(keys.current, {keys.current: keys.encryption[keys.current]}, keys.fingerprint)
    assert (code, code_of_second, keys.current != OLD.current) == (0, 0, True)
    assert look(folder, alone)[0]["order"] == "AB12CD34"


def test_where_there_is_no_install_there_is_nothing_to_rotate(tmp_path: Path, run: Run) -> None:
    code, _, err = run()

    assert (code, err) == (2, f"kadesk: There is no Kadesk in {tmp_path}.\n")
