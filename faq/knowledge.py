"""Reads the entry files in `faq/knowledge/`: YAML lists of {key, theme, flow, related, zh, en}. Keeps nothing."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from faq.errors import BadKnowledge
from faq.phrasing import Entry, Phrasing, Text

SEED = Path(__file__).parent / "knowledge"
LANGUAGES = ("zh", "en")
FIELDS = {"key", "theme", "flow", "related", *LANGUAGES}


def load(path: Path = SEED) -> tuple[Entry, ...]:
    """Every entry of one file, or of all `*.yaml` files of a folder. BadKnowledge names the file and the entry."""
    files = sorted(path.glob("*.yaml")) if path.is_dir() else [path]
    entries = [entry for file in files for entry in _read(file)]
    _refuse_doubles(entries, path)
    return tuple(entries)


def _read(file: Path) -> Iterable[Entry]:
    try:
        rows = yaml.load(file.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except OSError as error:
        raise BadKnowledge(file=file.name, problem=error.strerror or "cannot be read") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadKnowledge(file=file.name, problem=f"not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(rows, list):
        raise BadKnowledge(file=file.name, problem="must be a list of entries")
    return [entry(row, file.name) for row in rows]


def entry(row: Any, file: str = "entry") -> Entry:
    """One entry from its mapping. BadKnowledge when a field is missing, unknown or of the wrong kind."""
    if not isinstance(row, Mapping) or not isinstance(row.get("key"), str) or not row["key"]:
        raise BadKnowledge(file=file, problem="an entry needs a key")
    key = row["key"]
    unknown = sorted(map(str, set(row) - FIELDS))
    if unknown:
        raise BadKnowledge(file=file, problem=f"entry {key} has the unknown field {unknown[0]}")
    related = row.get("related") or ()
    if not isinstance(related, list | tuple) or not all(isinstance(name, str) for name in related):
        raise BadKnowledge(file=file, problem=f"entry {key}: related must be a list of keys")
    spoken = {language: row[language] for language in LANGUAGES if row.get(language)}
    if not spoken:
        raise BadKnowledge(file=file, problem=f"entry {key} has no text in any of {', '.join(LANGUAGES)}")
    texts = {language: _text(body, key, language, file) for language, body in spoken.items()}
    phrasings = [
        Phrasing(text, language) for language, body in spoken.items() for text in _phrasings(body, key, language, file)
    ]
    return Entry(key, row.get("flow"), tuple(related), texts, tuple(phrasings), row.get("theme") or "")


def _text(body: Any, key: str, language: str, file: str) -> Text:
    if not isinstance(body, Mapping) or not all(isinstance(body.get(name), str) for name in ("question", "answer")):
        raise BadKnowledge(file=file, problem=f"entry {key}: {language} needs a question and an answer")
    return Text(body["question"].strip(), body["answer"].strip())


def _phrasings(body: Mapping[str, Any], key: str, language: str, file: str) -> list[str]:
    phrasings = body.get("phrasings") or []
    if not isinstance(phrasings, list) or not all(isinstance(text, str | int) for text in phrasings):
        raise BadKnowledge(file=file, problem=f"entry {key}: {language} phrasings must be a list of texts")
    return [str(text).strip() for text in phrasings if str(text).strip()]


def _refuse_doubles(entries: list[Entry], path: Path) -> None:
    seen: set[str] = set()
    for one in entries:
        if one.key in seen:
            raise BadKnowledge(file=path.name, problem=f"entry {one.key} stands there twice")
        seen.add(one.key)
