"""Entries as files that owners edit: YAML in the shape of `faq/knowledge/`, and CSV with one phrasing a row.

Reads and writes; what an import changes is decided in `faq/exchange.py`. Every refusal names the file and the line.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from faq.errors import BadKnowledge
from faq.knowledge import LANGUAGES
from faq.knowledge import entry as entry_of
from faq.phrasing import Entry, Text

COLUMNS = ("key", "theme", "flow", "related", "language", "question", "answer", "phrasing")
_KEY = re.compile(r"[^\s/]{1,64}")
# A spreadsheet takes a cell that begins like this for a formula, and may run it (OWASP: CSV injection).
_FORMULA = re.compile(r"'*\s*[=+\-@＝＋－＠|%]")
_GUARDED = re.compile(r"'+\s*[=+\-@＝＋－＠|%]")
Row = tuple[int, dict[str, Any]]  # the line it begins on, and an entry's mapping


def read(path: Path) -> tuple[Entry, ...]:
    """The entries of a .yaml or .csv file. BadKnowledge in one sentence."""
    rows = list(_rows_of_yaml(path) if _is_yaml(path) else _rows_of_csv(path))
    first: dict[str, int] = {}
    entries = []
    for line, row in rows:
        entry = entry_of(row, f"{path.name} line {line}")
        if not _KEY.fullmatch(entry.key):
            raise _bad(path, line, f"the key {entry.key!r} must be one word of at most 64 characters without a slash")
        if entry.key in first:
            raise _bad(path, line, f"entry {entry.key} stands on line {first[entry.key]} already")
        first[entry.key] = line
        entries.append(entry)
    return tuple(entries)


def write(path: Path, entries: Iterable[Entry]) -> None:
    """Write a .yaml or .csv file, over one that is there. BadKnowledge when it cannot be written."""
    # Excel takes CSV for UTF-8 only when it begins with a byte order mark.
    content = to_yaml(entries).encode() if _is_yaml(path) else to_csv(entries).encode("utf-8-sig")
    try:
        path.write_bytes(content)
    except OSError as error:
        raise BadKnowledge(file=path.name, problem=error.strerror or "cannot be written") from error


def to_yaml(entries: Iterable[Entry]) -> str:
    """The entries as the text of a knowledge file."""
    rows = [_mapping(entry) for entry in entries]
    return yaml.safe_dump(rows, allow_unicode=True, sort_keys=False, width=10_000) if rows else "[]\n"


def to_csv(entries: Iterable[Entry]) -> str:
    """The entries with one phrasing a row; what belongs to the whole entry or language stands on its first row only."""
    text = io.StringIO()
    sheet = csv.writer(text)
    sheet.writerow(COLUMNS)
    for entry in entries:
        for row in _csv_rows(entry):
            sheet.writerow([guard(cell) for cell in row])
    return text.getvalue()


def guard(cell: str) -> str:
    """The cell so that no spreadsheet takes it for a formula."""
    return f"'{cell}" if _FORMULA.match(cell) else cell


def unguard(cell: str) -> str:
    """The cell as it was before `guard`."""
    return cell[1:] if _GUARDED.match(cell) else cell


def _is_yaml(path: Path) -> bool:
    if path.suffix.lower() not in (".yaml", ".yml", ".csv"):
        raise BadKnowledge(file=path.name, problem="the name must end in .yaml or .csv")
    return path.suffix.lower() != ".csv"


def _bad(path: Path, line: int, problem: str) -> BadKnowledge:
    return BadKnowledge(file=f"{path.name} line {line}", problem=problem)


def _mapping(entry: Entry) -> dict[str, Any]:
    said = {"key": entry.key, "theme": entry.theme, "flow": entry.flow, "related": list(entry.related)}
    row: dict[str, Any] = {name: value for name, value in said.items() if value}
    for language, text, phrasings in _spoken(entry):
        row[language] = {"question": text.question, "answer": text.answer, "phrasings": phrasings}
    return row


def _spoken(entry: Entry) -> Iterator[tuple[str, Text, list[str]]]:
    """Its languages; one that has phrasings but no text of its own too."""
    for language in dict.fromkeys((*entry.texts, *(phrasing.language for phrasing in entry.phrasings))):
        phrasings = [phrasing.text for phrasing in entry.phrasings if phrasing.language == language]
        yield language, entry.texts.get(language, Text("", "")), phrasings


def _csv_rows(entry: Entry) -> Iterator[tuple[str, ...]]:
    about = (entry.theme, entry.flow or "", " ".join(entry.related))
    for language, text, phrasings in _spoken(entry):
        texts = (text.question, text.answer)
        for phrasing in phrasings or [""]:
            yield (entry.key, *about, language, *texts, phrasing)
            about, texts = ("", "", ""), ("", "")


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadKnowledge(file=path.name, problem=error.strerror or "cannot be read") from error


def _rows_of_yaml(path: Path) -> Iterator[Row]:
    try:
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(_content(path).decode("utf-8-sig"))
        node = loader.get_single_node()
        if not isinstance(node, yaml.SequenceNode):
            raise BadKnowledge(file=path.name, problem="must be a list of entries")
        for item in node.value:
            yield item.start_mark.line + 1, loader.construct_document(item)
    except UnicodeDecodeError as error:
        raise BadKnowledge(file=path.name, problem="must be UTF-8 text") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or "there is a character that YAML does not allow"
        raise _bad(path, mark.line + 1 if mark else 1, f"not YAML: {problem}") from error


def _rows_of_csv(path: Path) -> list[Row]:
    found: dict[str, Row] = {}
    for line, cells in _cells(path):
        key, language = cells["key"], cells["language"]
        if not key:
            raise _bad(path, line, "the row has no key")
        if language not in LANGUAGES:
            raise _bad(path, line, f"the language must be one of {', '.join(LANGUAGES)}, not {language or 'empty'}")
        _, row = found.setdefault(key, (line, {"key": key}))
        body = row.setdefault(language, {"phrasings": []})
        for place, name in ((row, "theme"), (row, "flow"), (row, "related"), (body, "question"), (body, "answer")):
            if cells[name] and place.setdefault(name, cells[name]) != cells[name]:
                raise _bad(path, line, f"entry {key} has another {name} here than above")
        body["phrasings"] += [cells["phrasing"]] if cells["phrasing"] else []
    return [(line, _completed(row)) for line, row in found.values()]


def _completed(row: dict[str, Any]) -> dict[str, Any]:
    texts = {language: {"question": "", "answer": "", **row[language]} for language in LANGUAGES if language in row}
    return {**row, **texts, "related": re.findall(r"[^\s,;|]+", row.get("related", ""))}


def _cells(path: Path) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Per row the line that it begins on and its cells by column; a column that the file lacks is empty."""
    text = _decoded(path)
    first = text.split("\n", 1)[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count), strict=True)
    header: list[str] | None = None
    before = 0
    try:
        for cells in reader:
            line, before = before + 1, reader.line_num
            cells = [unguard(cell).strip() for cell in cells]
            if header is None:
                header = _header(path, cells)
            elif len(cells) > len(header) and any(cells[len(header) :]):
                raise _bad(path, line, f"there are {len(cells)} columns, the first line has {len(header)}")
            elif any(cells):
                yield line, {**dict.fromkeys(COLUMNS, ""), **dict(zip(header, cells, strict=False))}
    except csv.Error as error:
        raise _bad(path, before + 1, f"not CSV: {error}") from error


def _header(path: Path, cells: list[str]) -> list[str]:
    unknown = [cell for cell in cells if cell not in COLUMNS]
    if unknown or not {"key", "language"} <= set(cells) or len(set(cells)) < len(cells):
        raise _bad(path, 1, f"the columns must be {', '.join(COLUMNS)}, each once")
    return cells


def _decoded(path: Path) -> str:
    """Excel saves CSV as UTF-8 with a mark, as UTF-16, or in China as GB 18030."""
    content = _content(path)
    encodings = ("utf-16",) if content[:2] in (b"\xff\xfe", b"\xfe\xff") else ("utf-8-sig", "gb18030")
    for encoding in encodings:
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise BadKnowledge(file=path.name, problem="must be UTF-8 or GB 18030 text")
