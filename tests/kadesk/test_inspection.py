"""The daily look at chain and books, and `kadesk audit verify`."""

import asyncio
import sys
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlmodel import select

from kadesk.cli import main
from kadesk.jobs import jobs
from kadesk.settings import SHIPPED, Settings
from kadesk.wiring import Kadesk, wire
from tests.stories.family import share_cache
from tickets.tables import Agent, Heartbeat, Notice, Role


@pytest.fixture(autouse=True)
def shared_cache(tmp_path: Path, matcher_cache: Path) -> None:
    share_cache(tmp_path, matcher_cache)


async def install(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Kadesk:
    monkeypatch.setenv("KADESK_DATA__DIR", str(folder))
    monkeypatch.setenv("KADESK_FAQ__ENCODER", "false")
    monkeypatch.setenv("KADESK_AUDIT__ANCHOR", str(folder / "anchors"))
    kadesk = await wire(Settings.load(SHIPPED), demo=True)
    await ring(kadesk, "link audit rows")
    return kadesk


async def ring(kadesk: Kadesk, name: str) -> None:
    await next(job for job in jobs(kadesk) if job.name == name).work()


async def spoil(kadesk: Kadesk) -> None:
    async with kadesk.database.writing() as session:
        await session.exec(text("UPDATE shop_order SET quantity = quantity + 1 WHERE status = 'delivered'"))


async def told(kadesk: Kadesk) -> dict[str, list[str]]:
    """What each role was told."""
    found: dict[str, list[str]] = {}
    async with kadesk.database.reading() as session:
        for notice, agent in await session.exec(select(Notice, Agent).where(Notice.agent_id == Agent.id)):
            found.setdefault(agent.role, []).append(notice.text)
    return found


async def test_all_is_well_on_a_new_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    kadesk = await install(monkeypatch, tmp_path)

    await ring(kadesk, "inspect")
    await ring(kadesk, "inspect")

    assert await told(kadesk) == {}
    assert len((tmp_path / "anchors").read_text().splitlines()) == 2
    async with kadesk.database.reading() as session:
        beat = await session.get_one(Heartbeat, "inspection")
    assert beat.detail == {"problems": 0}
    await kadesk.database.close()


async def test_managers_are_told_when_the_books_do_not_add_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    kadesk = await install(monkeypatch, tmp_path)
    await spoil(kadesk)

    await ring(kadesk, "inspect")

    (words,) = set((await told(kadesk))[Role.MANAGER])
    assert "a delivered order has all its codes" in words
    assert not (tmp_path / "anchors").exists()
    await kadesk.database.close()


def verify(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    monkeypatch.setattr(sys, "argv", ["kadesk", "audit", "verify", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0), capsys.readouterr().out


def test_verify_walks_chain_anchors_and_books(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    async def set_up() -> None:
        kadesk = await install(monkeypatch, tmp_path)
        await ring(kadesk, "inspect")
        await kadesk.database.close()

    async def spoil_it() -> None:
        kadesk = await wire(Settings.load(SHIPPED))
        await spoil(kadesk)
        await kadesk.database.close()

    asyncio.run(set_up())
    well = verify(monkeypatch, capsys)
    other = tmp_path / "other"
    other.write_text("2026-03-02T04:00:00+00:00 1 abc\n")
    anchored_elsewhere = verify(monkeypatch, capsys, "--anchors", str(other))
    asyncio.run(spoil_it())
    spoilt = verify(monkeypatch, capsys)

    assert well[0] == 0
    assert well[1].startswith("The chain holds and the books add up")
    assert anchored_elsewhere == (
        1,
        "The chain is not the one that was anchored on 2026-03-02 04:00 UTC: it was written anew.\n",
    )
    assert spoilt[0] == 1
    assert spoilt[1].startswith("The books are wrong: a delivered order has all its codes")
