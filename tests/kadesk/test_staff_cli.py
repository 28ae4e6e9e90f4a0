"""`kadesk users`: made, given a new password, switched off; never a password on the screen that was typed."""

import asyncio
import io
import os
import pty
import subprocess
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from audit.tables import AuditRow
from bot.phrases import Phrases
from console import sign_in
from console.tables import SignIn
from kadesk.cli import main
from kadesk.database import Database
from tickets.conversations import find_or_create
from tickets.desk import Desk
from tickets.staff import check_password
from tickets.tables import Ticket

OLD, NEW = "the old password", "the new password"
Run = Callable[..., tuple[int, str, str]]


def look(folder: Path, work: Callable[[AsyncSession], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        database = Database(f"sqlite:///{folder / 'kadesk.db'}")
        try:
            async with database.writing() as session:
                return await work(session)
        finally:
            await database.close()

    return asyncio.run(run())


def opens(folder: Path, password: str) -> bool:
    return look(folder, lambda session: check_password(session, "lin", password)) is not None


def actions(folder: Path) -> list[str]:
    async def read(session: AsyncSession) -> list[str]:
        return list((await session.exec(select(AuditRow.action).order_by(AuditRow.id))).all())

    found: list[str] = look(folder, read)
    return found


async def sessions(session: AsyncSession) -> int:
    return len((await session.exec(select(SignIn))).all())


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """One command: its exit code, output and errors; `typed` is piped in."""
    monkeypatch.setenv("KADESK_DATA__DIR", str(tmp_path))

    def run(*arguments: str, typed: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["kadesk", "users", *arguments])
        monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
        with pytest.raises(SystemExit) as ended:
            main()
        output = capsys.readouterr()
        return int(ended.value.code or 0), output.out, output.err

    return run


@pytest.fixture
def folder(tmp_path: Path, run: Run) -> Path:
    """An install with one account, which is signed in and holds a ticket."""
    run("add", "lin", "--name", "小林", typed=f"{OLD}\n")

    async def work(session: AsyncSession) -> None:
        now = datetime.now(UTC)
        await sign_in.begin(session, now, timedelta(hours=1), 1)
        conversation = await find_or_create(session, now, "web", "shop", "a", "买家甲", "zh")
        desk = Desk(Phrases())
        ticket = await desk.open(session, now, conversation, "question", "在吗")
        await desk.take(session, now, ticket.id or 0, 1)

    look(tmp_path, work)
    return tmp_path


def test_an_account_is_added_with_the_password_that_is_piped_in(folder: Path) -> None:
    assert opens(folder, OLD)


def test_a_new_password_ends_the_old_one_and_every_session(folder: Path, run: Run) -> None:
    code, out, _ = run("password", "LIN", typed=f"{NEW}\n")

    assert (code, NEW in out) == (0, False)
    assert "signed out everywhere" in out
    assert (opens(folder, OLD), opens(folder, NEW)) == (False, True)
    assert look(folder, sessions) == 0
    assert actions(folder)[-2:] == ["agent.password_set", "console.sessions_ended"]


def test_a_generated_password_is_printed_once_and_opens(folder: Path, run: Run) -> None:
    _, out, _ = run("password", "lin", "--generate")

    password = out.split("Password: ")[1].strip()
    assert len(password) >= 20
    assert opens(folder, password)


def test_a_switched_off_account_is_signed_out_and_its_tickets_are_free(folder: Path, run: Run) -> None:
    code, out, _ = run("disable", "lin")

    async def holder(session: AsyncSession) -> int | None:
        return (await session.get_one(Ticket, 1)).assignee_id

    assert (code, out) == (0, "lin is switched off and signed out everywhere.\n")
    assert not opens(folder, OLD)
    assert look(folder, sessions) == 0
    assert look(folder, holder) is None
    assert {"agent.disabled", "console.sessions_ended"} <= set(actions(folder))


@pytest.mark.parametrize(
    ("arguments", "typed", "sentence"),
    [
        pytest.param(("password", "nobody"), f"{NEW}\n", "There is no agent nobody.", id="nobody's password"),
        pytest.param(("disable", "nobody"), "", "There is no agent nobody.", id="switching nobody off"),
        pytest.param(("password", "lin"), "short\n", "A password has at least 10 characters.", id="too short"),
        pytest.param(("password", "lin"), "", "A password has at least 10 characters.", id="nothing piped in"),
    ],
)
def test_a_refusal_is_one_sentence_and_changes_nothing(
    folder: Path, run: Run, arguments: tuple[str, ...], typed: str, sentence: str
) -> None:
    code, _, err = run(*arguments, typed=typed)

    assert (code, err) == (2, f"kadesk: {sentence}\n")
    assert opens(folder, OLD)
    assert look(folder, sessions) == 1


def test_a_typed_password_is_not_echoed(folder: Path) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "kadesk", "users", "password", "lin"]
    streams = {"stdin": theirs, "stdout": theirs, "stderr": theirs}
    # A session of its own: getpass would rather ask at the terminal that the tests run in.
    with subprocess.Popen(command, env=os.environ, start_new_session=True, **streams) as process:
        os.close(theirs)
        screen = b""
        for prompt in (b"Password: ", b"Once more: "):
            while prompt not in screen:
                screen += os.read(ours, 1024)
            os.write(ours, f"{NEW}\n".encode())
        while True:
            try:
                screen += os.read(ours, 1024)
            except OSError:  # the other end is closed
                break
    os.close(ours)

    assert process.returncode == 0, screen
    assert NEW.encode() not in screen
    assert opens(folder, NEW)
