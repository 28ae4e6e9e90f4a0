"""`kadesk sla …` on a small install."""

import asyncio
import json
import logging
import sys
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from bot.phrases import Phrases
from kadesk.cli import main
from kadesk.database import Database
from kadesk.migrate import upgrade
from kadesk.wiring import clock
from tickets import conversations
from tickets.desk import Desk
from tickets.tables import Agent, Clock, Role

Run = Callable[..., tuple[int, str, str]]


def in_database(folder: Path, work: Callable[[AsyncSession], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        database = Database(f"sqlite:///{folder / 'kadesk.db'}")
        try:
            await upgrade(database)
            async with database.writing() as session:
                return await work(session)
        finally:
            await database.close()

    return asyncio.run(run())


async def fill(session: AsyncSession) -> None:
    """Two tickets of an hour ago, promised for a day, and a manager."""
    session.add(Agent(login="wang", name="Wang", role=Role.MANAGER, password_hash="-", created_at=clock()))
    session.add(Agent(login="lin", name="Lin", role=Role.AGENT, password_hash="-", created_at=clock()))
    desk, then = Desk(Phrases()), clock() - timedelta(hours=1)
    for name in ("a", "b"):
        conversation = await conversations.find_or_create(session, then, "web", "main", name, name, "zh")
        await desk.open(session, then, conversation, "question", "卡密无效")


@pytest.fixture
def kadesk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[tuple[Run, Path]]:
    monkeypatch.setenv("KADESK_DATA__DIR", str(tmp_path))
    monkeypatch.setenv("KADESK_SLA__HANDLING", "12 h")

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["kadesk", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    yield run, tmp_path
    structlog.reset_defaults()
    logging.getLogger().handlers.clear()


def dues(folder: Path) -> list[timedelta]:
    async def read(session: AsyncSession) -> list[timedelta]:
        clocks = (await session.exec(select(Clock).where(Clock.metric == "handling").order_by(Clock.id))).all()
        return [clock.due_at - clock.started_at for clock in clocks]

    return in_database(folder, read)


def test_running_clocks_are_previewed_and_then_put_on_todays_policies(kadesk: tuple[Run, Path]) -> None:
    run, folder = kadesk
    in_database(folder, fill)

    code, told, _ = run("sla", "reapply", "--dry-run")
    before = dues(folder)
    done, as_json, _ = run("sla", "reapply", "--by", "wang", "K-000002", "--json")

    assert (code, told.splitlines()[0]) == (0, "2 clocks of 2 tickets would move; 0 are late then.")
    assert before == [timedelta(hours=24)] * 2
    assert (done, json.loads(as_json)["moved"], json.loads(as_json)["late"]) == (0, 1, 0)
    assert dues(folder) == [timedelta(hours=24), timedelta(hours=12)]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        pytest.param((), "Name the manager who decides it with --by, or look first with --dry-run.", id="nobody"),
        pytest.param(("--by", "lin"), "The role agent may not reapply the policies.", id="no manager"),
        pytest.param(("--by", "gone"), "There is no agent gone.", id="unknown"),
        pytest.param(("--dry-run", "K-9"), "There is no ticket K-9.", id="no ticket"),
    ],
)
def test_a_wrong_call_is_refused_in_one_sentence(
    kadesk: tuple[Run, Path], arguments: tuple[str, ...], sentence: str
) -> None:
    run, folder = kadesk
    in_database(folder, fill)

    code, _, refusal = run("sla", "reapply", *arguments)

    assert (code, refusal.strip()) == (2, f"kadesk: {sentence}")
    assert dues(folder) == [timedelta(hours=24)] * 2


def test_a_calendar_shows_its_coming_days(kadesk: tuple[Run, Path]) -> None:
    run, _ = kadesk

    code, told, _ = run("sla", "calendar", "--days", "400", "--json")
    _, _, refusal = run("sla", "calendar", "nite")

    days = json.loads(told)
    assert (code, len(days), days[0]["open"]) == (0, 400, ["09:00-23:00"])
    assert refusal.strip() == "kadesk: There is no calendar nite; choose from staffed."
