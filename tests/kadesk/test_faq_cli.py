import asyncio
import json
import os
import pty
import shutil
import subprocess
import sys
import termios
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update
from sqlmodel import col, delete, select
from sqlmodel.ext.asyncio.session import AsyncSession

from faq.entries import add_missing
from faq.knowledge import load
from faq.learning import proposals
from faq.phrasing import Entry, Phrasing, Text
from faq.tables import FaqEntry, FaqPhrasing, FaqQuestion
from faq.versions import get_stored, stored
from kadesk import faq_screen
from kadesk.cli import main
from kadesk.database import Database
from kadesk.migrate import upgrade

FEW = ("find_order", "refund_policy", "how_long")
Run = Callable[..., tuple[int, str, str]]


async def in_database(folder: Path, work: Callable[[AsyncSession], Awaitable[Any]]) -> Any:
    database = Database(f"sqlite:///{folder / 'kadesk.db'}")
    try:
        async with database.writing() as session:
            return await work(session)
    finally:
        await database.close()


async def _install(folder: Path) -> None:
    database = Database(f"sqlite:///{folder / 'kadesk.db'}")
    await upgrade(database)
    await database.close()

    async def fill(session: AsyncSession) -> None:
        await add_missing(session, datetime.now(UTC), load())
        others = col(FaqEntry.key).not_in(FEW)
        await session.exec(delete(FaqPhrasing).where(col(FaqPhrasing.entry_id).in_(select(FaqEntry.id).where(others))))
        await session.exec(update(FaqEntry).where(others).values(is_published=False))

    await in_database(folder, fill)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An install with three of the seed entries published and no phrasings of the others: quick to go through."""
    folder = tmp_path_factory.mktemp("install")
    asyncio.run(_install(folder))
    return folder


@pytest.fixture
def folder(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "data"
    shutil.copytree(template, folder)
    monkeypatch.setenv("KADESK_DATA__DIR", str(folder))
    monkeypatch.setenv("KADESK_FAQ__ENCODER", "false")
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """One command of `kadesk faq`: its exit code, output and errors."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["kadesk", "faq", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        output = capsys.readouterr()
        return int(ended.value.code or 0), output.out, output.err

    return run


def look(folder: Path, key: str) -> Any:
    return asyncio.run(in_database(folder, lambda session: get_stored(session, key)))


def ask(folder: Path, *texts: str, **facts: object) -> None:
    known = {"language": "zh", "outcome": "none", "score": 0.1, "asked_at": datetime.now(UTC) - timedelta(hours=1)}

    async def add(session: AsyncSession) -> None:
        session.add_all(FaqQuestion(text=text, **{**known, **facts}) for text in texts)

    asyncio.run(in_database(folder, add))


def test_list_names_the_published_entries(run: Run) -> None:
    code, out, _ = run("list")
    assert code == 0
    assert all(key in out for key in FEW)

    code, out, _ = run("list", "--json")
    assert sorted(row["key"] for row in json.loads(out)) == sorted(FEW)


def test_check_reports_the_worst_first_and_fails_on_the_same_phrasing(run: Run, tmp_path: Path) -> None:
    code, out, _ = run("check", "--no-encoder")
    assert code == 0
    assert "pairs of entries overlap" in out

    (tmp_path / "same.yaml").write_text(
        "- {key: find_order, zh: {question: '', answer: '', phrasings: [一模一样的问法, 几乎一样的第二个问法]}}\n"
        "- {key: refund_policy, zh: {question: '', answer: '', phrasings: [一模一样的问法？, 几乎一样第二个问法]}}\n"
    )
    run("import", "same.yaml")
    code, out, _ = run("check")

    assert code == 1
    assert out.splitlines()[0].startswith(
        "same 1.00  find_order (order) | refund_policy (answer only), different flows"
    )
    assert "一模一样的问法 | 一模一样的问法？" in out
    code, out, _ = run("check", "--json")
    assert code == 1
    first = json.loads(out)[0]
    assert (first["kind"], first["is_contradiction"], first["flows"]) == ("same", True, ["order", None])


def test_a_long_overlap_is_cut(run: Run, tmp_path: Path) -> None:
    same = ", ".join(f"一模一样的{word}问法" for word in ("第一", "第二", "第三", "第四", "第五"))
    (tmp_path / "same.yaml").write_text(
        "".join(f"- {{key: {key}, zh: {{question: '', answer: '', phrasings: [{same}]}}}}\n" for key in FEW[:2])
    )
    run("import", "same.yaml")

    assert "more\n" in run("check")[1]


def test_evaluate_prints_the_agreed_figures(run: Run, tmp_path: Path) -> None:
    table = tmp_path / "asked.tsv"
    table.write_text("query\tintent\tkind\n怎么查我买的东西\tfind_order\tclean\n今天天气怎么样\tnone\tfar\n")

    code, out, _ = run("evaluate", str(table), "--json", "--no-encoder")
    figures = json.loads(out)
    assert code == 0
    assert list(figures) == [
        *("n_in", "n_oos", "top1", "top3", "auroc", "answered_right", "answered_wrong", "suggested_hit"),
        *("missed", "oos_answered", "ms_p50", "ms_p99", "by"),
    ]
    assert (figures["n_in"], figures["n_oos"], figures["top1"]) == (1, 1, 1.0)
    assert set(figures["by"]["kind"]) == {"clean", "far"}

    code, out, _ = run("evaluate", str(table), "--train", str(table), "--calibrate", str(table))
    assert code == 0
    assert "kind clean" in out
    assert "top1" in out


def test_evaluate_refuses_a_bad_table_in_one_sentence(run: Run, tmp_path: Path) -> None:
    (tmp_path / "bad.tsv").write_text("a\tb\n")

    code, _, error = run("evaluate", "bad.tsv")

    assert code == 2
    assert error.startswith("kadesk: bad.tsv: the first line must name")
    assert error.count("\n") == 1


@pytest.mark.parametrize("suffix", [".yaml", ".csv"])
def test_an_export_can_be_imported_again(run: Run, tmp_path: Path, suffix: str) -> None:
    assert run("export", f"out{suffix}")[1] == f"Wrote 3 entries to out{suffix}.\n"
    assert run("export", f"all{suffix}", "--drafts")[1] == f"Wrote {len(load())} entries to all{suffix}.\n"

    code, out, _ = run("import", f"all{suffix}", "--replace")

    assert code == 0
    assert out == f"0 added, 0 changed, {len(load())} read as in the file already.\n"


def test_a_dry_run_shows_everything_and_changes_nothing(run: Run, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "new.yaml").write_text(
        "- {key: find_order, zh: {question: 查单, answer: '', phrasings: [新的问法]}}\n"
        "- {key: ours, flow: human, zh: {question: 问, answer: 答, phrasings: [问一下这个]}}\n"
        "- {key: later, zh: {question: 问, answer: ''}}\n"
    )
    before = look(folder, "find_order")

    code, out, _ = run("import", "new.yaml", "--dry-run")

    assert code == 0
    assert "+ ours: 1 phrasings\n" in out
    assert "+ later: 0 phrasings, a draft until it has question and answer\n" in out
    assert "    zh.question: 怎么查订单 → 查单\n" in out
    assert "    zh.phrasings: 1 added, 0 taken away\n      + 新的问法\n" in out
    assert "2 would be added, 1 would be changed, 0 read as in the file already.\n" in out
    assert "phrasings that the file does not have stay" in out
    assert look(folder, "find_order") == before

    assert "2 added, 1 changed" in run("import", "new.yaml")[1]
    assert look(folder, "find_order").version == before.version + 1
    assert look(folder, "ours").is_published
    assert not look(folder, "later").is_published


def test_a_bad_file_is_refused_in_one_sentence(run: Run, tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text("key,language\na,fr\n")

    assert run("import", "bad.csv") == (2, "", "kadesk: bad.csv line 2: the language must be one of zh, en, not fr.\n")
    assert run("publish", "nothing") == (2, "", "kadesk: There is no FAQ entry nothing.\n")


def test_entries_are_published_and_restored(run: Run, folder: Path) -> None:
    assert run("unpublish", "find_order")[1] == "find_order is unpublished.\n"
    assert run("unpublish", "find_order")[1] == "find_order is unpublished already.\n"
    assert run("publish", "find_order")[1] == "find_order is published.\n"
    assert run("publish", "find_order")[1] == "find_order is published already.\n"

    lines = run("history", "find_order")[1].splitlines()
    assert lines[0] == "3  now, published"
    assert [line.split()[0] for line in lines] == ["3", "2", "1"]
    assert run("restore", "find_order", "2")[1] == "find_order reads as in version 2.\n"
    assert not look(folder, "find_order").is_published
    assert run("restore", "find_order", "9")[0] == 2


def test_stats_count_the_days_asked_for(run: Run, folder: Path) -> None:
    ask(folder, "订单在哪", outcome="answer", entry_key="find_order", verdict="helped")
    ask(folder, "旧的", outcome="answer", entry_key="find_order", asked_at=datetime.now(UTC) - timedelta(days=8))

    code, out, _ = run("stats", "--days", "7", "--json")
    figures = json.loads(out)
    assert code == 0
    assert (figures["asked"], figures["answered"], len(figures["entries"])) == (1, 1, len(load()))
    assert figures["entries"][0] == {
        **{"key": "find_order", "asked": 1, "answered": 1, "suggested": 0, "chosen": 0, "helped": 1, "missed": 0},
        **{"judged": 1, "helpful": 1.0},
    }

    out = run("stats")[1]
    assert "100% of 1" in out
    assert "2 questions: 2 answered, 0 with suggestions, 0 without an answer.\n" in out


MISSES = ("订单得在哪儿看到", "订单得在哪儿看到呀", "Steam家庭共享怎么设置", "怎么设置Steam家庭共享")


def test_review_lists_proposals_when_nobody_can_press_a_key(run: Run, folder: Path) -> None:
    ask(folder, *MISSES)

    code, out, _ = run("review")
    assert code == 0
    assert "a phrasing of find_order: asked 2 times" in out
    assert "a new entry new_" in out
    assert out.endswith("2 proposals; run this in a terminal to decide on them.\n")

    found = json.loads(run("review", "--json")[1])
    assert {one["kind"] for one in found} == {"phrasing", "entry"}
    assert len(json.loads(run("review", "--json", "--least", "3")[1])) == 1


async def reviewed(folder: Path, keys: str) -> tuple[int, int]:
    """Press these keys; return how many proposals are left and how many entries there are."""
    database = Database(f"sqlite:///{folder / 'kadesk.db'}")
    pressed = iter(keys)
    async with database.reading() as session:
        found = await proposals(session)
    await faq_screen.review(database, found, lambda: next(pressed))
    async with database.reading() as session:
        left, entries = await proposals(session), await stored(session)
    await database.close()
    return len(left), len(entries)


@pytest.mark.parametrize(
    ("keys", "left", "more"),
    [("aa", 0, 1), ("AA", 0, 1), ("dd", 0, 0), ("x?q", 2, 0), ("ss", 2, 0), ("aq", 1, 0), ("sa", 1, 1)],
)
def test_each_key_does_what_it_says(
    folder: Path, capsys: pytest.CaptureFixture[str], keys: str, left: int, more: int
) -> None:
    ask(folder, *MISSES)
    ask(folder, MISSES[0])  # asked most, so it comes first

    assert asyncio.run(reviewed(folder, keys)) == (left, len(load()) + more)

    out = capsys.readouterr().out
    assert ("That was all." in out) is ("q" not in keys)
    assert ("then: kadesk faq publish new_" in out) is (more == 1)


def test_a_review_goes_on_when_another_person_was_faster(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ask(folder, *MISSES)

    async def twice() -> None:
        database = Database(f"sqlite:///{folder / 'kadesk.db'}")
        async with database.reading() as session:
            found = await proposals(session)
        await faq_screen.review(database, found, iter("aa").__next__)
        await faq_screen.review(database, found, iter("ad").__next__)
        await faq_screen.review(database, [], str)
        await database.close()

    asyncio.run(twice())

    out = capsys.readouterr().out
    assert out.count("These misses were settled before: look again.") == 2
    assert out.endswith("There is nothing to learn now.\n")


def test_a_refused_answer_is_shown(run: Run, folder: Path) -> None:
    ask(folder, *MISSES[2:], outcome="answer", entry_key="how_long", verdict="missed")

    assert "    not wanted: how_long\n" in run("review")[1]


def press_when_asked(keys: bytes) -> tuple[int, str]:
    """`kadesk faq review` in a terminal, and one key at each prompt: its exit code and what it said."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "kadesk", "faq", "review"]
    with subprocess.Popen(command, stdin=theirs, stdout=subprocess.PIPE, bufsize=0) as process:
        os.close(theirs)
        assert process.stdout is not None
        said, left = b"", list(keys)
        while chunk := process.stdout.read(4096):
            said += chunk
            if said.endswith(b"stop: "):
                while termios.tcgetattr(ours)[3] & termios.ICANON:  # what is typed too early is dropped
                    os.sched_yield()
                os.write(ours, bytes([left.pop(0)]))
    os.close(ours)
    return process.returncode, said.decode()


def test_a_key_in_a_real_terminal_is_enough(folder: Path) -> None:
    ask(folder, *MISSES)

    code, said = press_when_asked(b"dd")

    assert code == 0
    assert said.count("stop: d\n") == 2
    assert said.endswith("That was all.\n")
    assert asyncio.run(in_database(folder, proposals)) == ()


def test_a_review_can_be_interrupted(folder: Path) -> None:
    ask(folder, *MISSES)

    assert press_when_asked(b"d\x03")[0] == 130

    assert len(asyncio.run(in_database(folder, proposals))) == 1


def test_a_draft_written_to_the_end_is_published(run: Run, folder: Path, tmp_path: Path) -> None:
    async def add_draft(session: AsyncSession) -> None:
        from faq.versions import add

        draft = Entry("new_1", texts={"zh": Text("家庭共享", "")}, phrasings=(Phrasing("家庭共享怎么弄", "zh"),))
        await add(session, datetime.now(UTC), "agent:3", draft, is_published=False)

    asyncio.run(in_database(folder, add_draft))
    assert run("publish", "new_1")[0] == 2

    run("export", "all.yaml", "--drafts")
    (tmp_path / "all.yaml").write_text((tmp_path / "all.yaml").read_text().replace("answer: ''", "answer: 这样设置。"))
    run("import", "all.yaml")

    assert run("publish", "new_1") == (0, "new_1 is published.\n", "")


def test_an_answer_that_holds_a_code_is_refused_in_one_sentence(run: Run, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "new.yaml").write_text(
        "- {key: find_order, zh: {question: 查单, answer: '新卡 STEAM-8K2Q-9XWZ-77AB', phrasings: [新的问法]}}\n"
    )
    before = look(folder, "find_order")

    refused = "This text holds what looks like a code (****-77AB); codes go to buyers by a one-time link alone."
    assert run("import", "new.yaml") == (2, "", f"kadesk: {refused}\n")

    assert look(folder, "find_order") == before
