"""House rules that a linter does not know; each names the file that breaks it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ("kadesk", "console", "bot", "tickets", "shop", "faq", "audit")
FILES = [*sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py")), ROOT / "scheduler.py"]
LONGEST_FILE = 400  # lines
LONGEST_FUNCTION = 45  # lines
NO_NAMES = re.compile(r"(Manager|Helper|Utils?|Service)s?$")


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return {name.split(".")[0] for name in names}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_stay_short(path: Path) -> None:
    assert path.read_text(encoding="utf-8").count("\n") <= LONGEST_FILE

    long = [node.name for node in functions(path) if (node.end_lineno or 0) - node.lineno >= LONGEST_FUNCTION]

    assert long == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_says_what_it_is_for(path: Path) -> None:
    text = path.read_text(encoding="utf-8")

    assert not text.strip() or ast.get_docstring(ast.parse(text))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_names_are_words_of_the_trade(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))

    classes = [node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]

    assert [name for name in (*classes, path.stem.title()) if NO_NAMES.search(name)] == []


@pytest.mark.parametrize(
    ("library", "home"),
    [
        ("aiogram", "bot/channels/telegram"),
        ("aiohttp", ("bot/channels/telegram", "bot/fakes")),
        ("aiosmtplib", "kadesk/mail"),
        ("telegram", "bot/staff"),
        ("apscheduler", "scheduler"),
        ("starlette_admin", "console"),
        ("asyncpg", "kadesk/database"),
        ("httpx", ("shop/adapters/remote", "bot/channels/weixin/api", "bot/fakes")),
        ("holidays", "tickets/holidays"),
        ("PIL", "tickets/pixels"),
        ("prometheus_client", "kadesk/metrics"),
        ("pysqlite3", "kadesk/database"),
    ],
)
def test_a_library_stays_behind_its_seam(library: str, home: str | tuple[str, ...]) -> None:
    users = [str(path.relative_to(ROOT)) for path in FILES if library in imports(path)]

    assert [user for user in users if not user.startswith(home)] == []


def test_the_shipped_stand_ins_are_used_by_nothing_that_is_real() -> None:
    importing = re.compile(r"^\s*(from|import) bot\.fakes|^\s*from bot import .*\bfakes\b", re.MULTILINE)

    users = {str(path.relative_to(ROOT)) for path in FILES if importing.search(path.read_text(encoding="utf-8"))}

    assert {user for user in users if not user.startswith("bot/fakes/")} <= {"kadesk/chat.py"}


def test_only_the_composition_reads_the_clock() -> None:
    reading = re.compile(r"datetime\.now\(|utcnow\(|time\.time\(")

    users = {path.relative_to(ROOT).parts[0] for path in FILES if reading.search(path.read_text(encoding="utf-8"))}

    assert users <= {"kadesk", "scheduler.py"}
