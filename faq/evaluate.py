"""Measures a matcher against labelled questions; the figures are shares of in-scope or out-of-scope rows."""

import csv
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from faq.encoder import Encoder
from faq.errors import BadTable
from faq.matcher import Match, Matcher, Price
from faq.phrasing import Entry, Phrasing
from faq.text import language_of

NONE = "none"


@dataclass(frozen=True)
class Row:
    """A question with the entry it asks for, None when it is out of scope; `groups` are the further columns."""

    query: str
    intent: str | None
    groups: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Verdict:
    """What the matcher made of one row."""

    row: Row
    match: Match
    seconds: float

    @property
    def ranked(self) -> list[str]:
        """The candidates' keys, best first."""
        return [candidate.entry for candidate in self.match.candidates]


def read_tsv(path: Path) -> list[Row]:
    """The rows of a table with the columns `query` and `intent` (an entry key, or `none`). BadTable in one sentence."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise BadTable(file=path.name, problem=error.strerror or "cannot be read") from error
    except UnicodeDecodeError as error:
        raise BadTable(file=path.name, problem="must be UTF-8 text") from error
    header, *body = csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE) if lines else [[]]
    if not {"query", "intent"} <= set(header):
        raise BadTable(
            file=path.name, problem="the first line must name the columns query and intent, separated by tabs"
        )
    return [_row(cells, header, path, number) for number, cells in enumerate(body, 2) if any(cells)]


def _row(cells: list[str], header: list[str], path: Path, number: int) -> Row:
    if len(cells) != len(header):
        raise BadTable(
            file=path.name, problem=f"line {number} has {len(cells)} columns, the first line has {len(header)}"
        )
    named = dict(zip(header, cells, strict=True))
    query, intent = named.pop("query"), named.pop("intent").strip()
    if not intent:
        raise BadTable(file=path.name, problem=f"line {number} has no intent (write {NONE} for out of scope)")
    return Row(query, None if intent == NONE else intent, named)


def entries_of(rows: Iterable[Row]) -> tuple[Entry, ...]:
    """One entry per intent, its queries as phrasings; out-of-scope rows are left out."""
    asked: dict[str, list[Phrasing]] = defaultdict(list)
    for row in rows:
        if row.intent is not None:
            asked[row.intent].append(Phrasing(row.query, language_of(row.query)))
    return tuple(Entry(key, phrasings=tuple(phrasings)) for key, phrasings in sorted(asked.items()))


def matcher_of(
    train: Sequence[Path] = (),
    calibrate: Sequence[Path] = (),
    entries: Sequence[Entry] = (),
    encoder: Encoder | None = None,
    price: Price | None = None,
) -> Matcher:
    """A matcher over the train tables, or over `entries` without any.

    Out-of-scope rows of the train tables and all rows of the calibrate tables are its labelled questions.
    """
    trained = [row for path in train for row in read_tsv(path)]
    corrections = [row for row in trained if row.intent is None] + [row for path in calibrate for row in read_tsv(path)]
    return Matcher.build(
        entries_of(trained) if trained else entries,
        encoder,
        price or Price(),
        [(row.query, row.intent) for row in corrections],
    )


def evaluate(matcher: Matcher, rows: Sequence[Row]) -> dict[str, Any]:
    """The figures over all rows, and under `by` the same for every value of every further column."""
    verdicts = [_judge(matcher, row) for row in rows]
    groups: dict[str, dict[str, list[Verdict]]] = defaultdict(lambda: defaultdict(list))
    for verdict in verdicts:
        for name, value in verdict.row.groups.items():
            groups[name][value].append(verdict)
    by = {name: {value: figures(part) for value, part in sorted(values.items())} for name, values in groups.items()}
    return {**figures(verdicts), "by": by}


def _judge(matcher: Matcher, row: Row) -> Verdict:
    start = time.perf_counter()
    match = matcher.match(row.query)
    return Verdict(row, match, time.perf_counter() - start)


def figures(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """The figures of one group; a share over no rows is None."""
    inside = [verdict for verdict in verdicts if verdict.row.intent is not None]
    outside = [verdict for verdict in verdicts if verdict.row.intent is None]
    ends = [_end(verdict) for verdict in inside]
    times = [1000 * verdict.seconds for verdict in verdicts]
    return {
        "n_in": len(inside),
        "n_oos": len(outside),
        "top1": _share([verdict.ranked[:1] == [verdict.row.intent] for verdict in inside]),
        "top3": _share([verdict.row.intent in verdict.ranked[:3] for verdict in inside]),
        "auroc": _auroc([v.match.score for v in inside], [v.match.score for v in outside]),
        **{
            end: _share([one == end for one in ends])
            for end in ("answered_right", "answered_wrong", "suggested_hit", "missed")
        },
        "oos_answered": _share([verdict.match.outcome == "answer" for verdict in outside]),
        "ms_p50": _percentile(times, 50),
        "ms_p99": _percentile(times, 99),
    }


def _end(verdict: Verdict) -> str:
    if verdict.match.outcome == "answer":
        return "answered_right" if verdict.match.entry == verdict.row.intent else "answered_wrong"
    hit = verdict.match.outcome == "suggest" and verdict.row.intent in verdict.ranked
    return "suggested_hit" if hit else "missed"


def _share(hits: Sequence[bool]) -> float | None:
    return round(sum(hits) / len(hits), 4) if hits else None


def _percentile(times: Sequence[float], percent: float) -> float | None:
    return round(float(np.percentile(times, percent)), 3) if times else None


def _auroc(inside: Sequence[float], outside: Sequence[float]) -> float | None:
    """The chance that an in-scope row scores above an out-of-scope one, ties counting half."""
    if not inside or not outside:
        return None
    below = np.sort(np.array(outside))
    wins = np.searchsorted(below, inside, "left") + np.searchsorted(below, inside, "right")
    return round(float(wins.mean() / 2 / len(below)), 4)
