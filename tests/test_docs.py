"""The documents speak of what is there: settings, commands, links, decisions, words."""

import re
import tomllib
from pathlib import Path

import pytest
from typer.main import get_command

from kadesk.cli import app

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)")
VARIABLE = re.compile(r"KADESK_([A-Z]+)__([A-Z_]+)")
COMMAND = re.compile(r"`(?:\.venv/bin/)?kadesk ([a-z-]+)(?: ([a-z-]+))?")


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_links_lead_somewhere(path: Path) -> None:
    text = path.read_text(encoding="utf-8")

    broken = [link for link in LINK.findall(text) if not (path.parent / link).exists()]

    assert broken == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_settings_named_in_documents_exist(path: Path) -> None:
    from kadesk.settings import secret_names

    content = tomllib.loads((ROOT / "settings.toml").read_text(encoding="utf-8"))
    known = {(section, key) for section, keys in content.items() for key in keys} | set(secret_names().values())
    known |= {(first, "__".join(rest)) for first, *rest in secret_names([("suppliers", "api", "star")]).values()}

    named = {(section.lower(), key.lower()) for section, key in VARIABLE.findall(path.read_text(encoding="utf-8"))}

    of_other_shops = {(section, key.rpartition("__")[2]) for section, key in named if key.startswith("more__")}
    named = {(section, key) for section, key in named if not key.startswith("more__")} | of_other_shops
    assert {(section, key.removesuffix("_file")) for section, key in named if section != "section"} <= known


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_commands_named_in_documents_exist(path: Path) -> None:
    commands = get_command(app).commands  # type: ignore[attr-defined]

    for first, second in COMMAND.findall(path.read_text(encoding="utf-8")):
        assert first in commands, first
        group = getattr(commands[first], "commands", None)
        assert group is None or not second or second in group, f"{first} {second}"


def test_every_command_says_what_it_does() -> None:
    commands = get_command(app).commands  # type: ignore[attr-defined]
    leaves = {name: getattr(one, "commands", {"": one}) for name, one in commands.items()}

    silent = [f"{name} {sub}" for name, group in leaves.items() for sub, one in group.items() if not one.help]

    assert silent == []


def test_targets_named_in_documents_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))

    named = {name for path in DOCUMENTS for name in re.findall(r"`make ([a-z-]+)", path.read_text(encoding="utf-8"))}

    assert named <= targets


def test_decisions_are_numbered_without_gaps_and_complete() -> None:
    pages = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))

    assert [int(page.name[:4]) for page in pages] == list(range(len(pages)))
    for page in pages:
        text = page.read_text(encoding="utf-8")
        for part in ("**Context.**", "**Decision.**", "**Consequences.**", "**Enforced by.**"):
            assert part in text, f"{page.name} lacks {part}"


def test_what_enforces_a_decision_exists() -> None:
    for page in (ROOT / "docs" / "decisions").glob("[0-9]*.md"):
        enforced = page.read_text(encoding="utf-8").partition("**Enforced by.**")[2]
        missing = [
            name for name in re.findall(r"`((?:tests|kadesk|console)/[\w/.]+)`", enforced) if not (ROOT / name).exists()
        ]
        assert missing == [], page.name
