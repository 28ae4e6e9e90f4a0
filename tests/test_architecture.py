"""House rules that a linter does not know; each names the file that breaks it."""

import ast
import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from tickets.desk import Desk

ROOT = Path(__file__).parent.parent
ROOMS = ("kadesk", "console", "bot", "tickets", "shop", "faq", "audit")
FILES = [*sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py")), ROOT / "scheduler.py"]
LONGEST_FILE = 400  # lines
LONGEST_FUNCTION = 45  # lines
NO_NAMES = re.compile(r"(Manager|Helper|Utils?|Service)s?$")


class Facts(NamedTuple):
    """What is asked of a file; kept in place of its tree, which is large."""

    is_empty: bool
    docstring: str | None
    long: list[str]  # functions
    classes: list[str]
    libraries: set[str]


@cache
def facts(path: Path) -> Facts:
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    long, classes, names = [], [], set[str]()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            long += [node.name] if (node.end_lineno or 0) - node.lineno >= LONGEST_FUNCTION else []
        elif isinstance(node, ast.ClassDef):
            classes.append(node.name)
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    libraries = {name.split(".")[0] for name in names}
    return Facts(not text.strip(), ast.get_docstring(tree), long, classes, libraries)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_stay_short(path: Path) -> None:
    assert path.read_text(encoding="utf-8").count("\n") <= LONGEST_FILE
    assert facts(path).long == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_says_what_it_is_for(path: Path) -> None:
    assert facts(path).is_empty or facts(path).docstring


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_names_are_words_of_the_trade(path: Path) -> None:
    assert [name for name in (*facts(path).classes, path.stem.title()) if NO_NAMES.search(name)] == []


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
        ("pysqlite3", "kadesk/sqlite"),
    ],
)
def test_a_library_stays_behind_its_seam(library: str, home: str | tuple[str, ...]) -> None:
    users = [str(path.relative_to(ROOT)) for path in FILES if library in facts(path).libraries]

    assert [user for user in users if not user.startswith(home)] == []


def test_the_shipped_stand_ins_are_used_by_nothing_that_is_real() -> None:
    importing = re.compile(r"^\s*(from|import) bot\.fakes|^\s*from bot import .*\bfakes\b", re.MULTILINE)

    users = {str(path.relative_to(ROOT)) for path in FILES if importing.search(path.read_text(encoding="utf-8"))}

    assert {user for user in users if not user.startswith("bot/fakes/")} <= {"kadesk/chat.py"}


def test_only_the_composition_reads_the_clock() -> None:
    reading = re.compile(r"datetime\.now\(|utcnow\(|time\.time\(")

    users = {path.relative_to(ROOT).parts[0] for path in FILES if reading.search(path.read_text(encoding="utf-8"))}

    assert users <= {"kadesk", "scheduler.py"}


def test_only_the_boundary_commits() -> None:
    committing = re.compile(r"\bsession\.(commit|rollback)\(")

    users = {str(path.relative_to(ROOT)) for path in FILES if committing.search(path.read_text(encoding="utf-8"))}

    assert users == {"kadesk/database.py"}


def test_no_two_parts_of_the_desk_share_a_name() -> None:
    taken: dict[str, str] = {}

    for part in Desk.__mro__[:-1]:
        for name in (name for name, one in vars(part).items() if callable(one) and not name.startswith("__")):
            assert taken.setdefault(name, part.__name__) == part.__name__, name
