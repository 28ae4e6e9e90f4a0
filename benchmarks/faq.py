"""The matcher beside rapidfuzz over the same phrasings: one question at a time, on one core, from a warm cache.

The phrasings are those of the seed entries, grown to 10,000 and 100,000 by rewording and misspelling; the questions are
the development questions of the tests, which were written apart. Every figure comes from a fresh process.
"""

import csv
import json
import os
import random
import resource
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ParamSpec, TypeVar

import numpy as np
from rapidfuzz import fuzz, process

from benchmarks._result import at_most, machine
from faq.encoder import Encoder, installed
from faq.knowledge import load
from faq.matcher import Matcher
from faq.noise import noisy, reworded
from faq.phrasing import Entry, Phrasing
from faq.text import language_of

QUESTIONS = Path(__file__).parent.parent / "tests" / "faq" / "questions"
ASKED = 600
BLOCK = 30
LONGEST = 60  # characters of a phrasing
FEW, MANY = 10_000, 100_000
RAPIDFUZZ = "rapidfuzz extractOne(ratio) over the same phrasings"
Given = ParamSpec("Given")
Made = TypeVar("Made")
ONE_CORE = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Asked:
    """What a fresh process measured; milliseconds per question, megabytes at the peak."""

    start_seconds: float
    p50: float
    p99: float
    rapidfuzz_p50: float
    peak_mb: float


def run() -> dict[str, Any]:
    """The bench object, rows as `benchmarks._result` makes them."""
    with TemporaryDirectory(prefix="kadesk-bench-") as folder:
        few = Path(folder) / "few.json"
        many = Path(folder) / "many.json"
        few.write_text(json.dumps(grown(FEW)))
        many.write_text(json.dumps(grown(MANY)))
        rows = [*_rows_of_few(few), *_rows_of_many(many)]
    return {"bench": "faq", "machine": machine(), "rows": rows}


def _rows_of_few(phrasings: Path) -> Iterable[dict[str, Any]]:
    for semantic, times in ((False, 3.0), (True, 6.0)):
        name = "with the encoder" if semantic else "without the encoder"
        found = _measure(phrasings, semantic)
        yield at_most(
            f"one question, p50, {FEW} phrasings, {name}", found.p50, "ms", RAPIDFUZZ, found.rapidfuzz_p50, times
        )
        yield at_most(f"one question, p99, {FEW} phrasings, {name}", found.p99, "ms", "the limit", 25.0)
        yield at_most(f"start with a warm cache, {FEW} phrasings, {name}", found.start_seconds, "s", "the limit", 2.0)


def _rows_of_many(phrasings: Path) -> Iterable[dict[str, Any]]:
    found = _measure(phrasings, semantic=True)
    yield at_most(f"one question, p99, {MANY} phrasings, with the encoder", found.p99, "ms", "the limit", 80.0)
    yield at_most(f"peak memory, {MANY} phrasings, with the encoder", found.peak_mb, "MB", "the limit", 600.0)


def _measure(phrasings: Path, semantic: bool) -> Asked:
    cache = phrasings.with_suffix(f".{'semantic' if semantic else 'plain'}")
    _apart(_build, phrasings, semantic, cache)
    kept = {name: os.environ.get(name) for name in ONE_CORE}
    os.environ.update(ONE_CORE)  # read when the child loads its numerical library
    try:
        return _apart(_ask, phrasings, semantic, cache, time.time())
    finally:
        for name, value in kept.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def _apart(work: Callable[Given, Made], *arguments: Given.args, **facts: Given.kwargs) -> Made:
    """What the work returns, done by a process of its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as processes:
        return processes.submit(work, *arguments, **facts).result()


def _build(phrasings: Path, semantic: bool, cache: Path) -> None:
    Matcher.build(_entries(phrasings), _encoder(semantic, cache), cache=cache)


def _ask(phrasings: Path, semantic: bool, cache: Path, started_at: float) -> Asked:
    """In a fresh process: from its start to the first answer, then every question once."""
    matcher = Matcher.build(_entries(phrasings), _encoder(semantic, cache), cache=cache)
    questions = _questions()
    matcher.match(questions[0])
    start_seconds = time.time() - started_at
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    _times(matcher.match, questions[:100])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    choices = [text for _, text, _ in json.loads(phrasings.read_text())]
    asked, found = [], []
    for start in range(0, len(questions), BLOCK):  # in turns, so that both meet the same weather
        block = questions[start : start + BLOCK]
        asked += _times(matcher.match, block)
        found += _times(lambda question: process.extractOne(question, choices, scorer=fuzz.ratio), block)
    p50, p99 = np.percentile(asked, [50, 99])
    return Asked(start_seconds, float(p50), float(p99), rapidfuzz_p50=float(np.percentile(found, 50)), peak_mb=peak)


def _times(ask: Callable[[str], object], questions: list[str]) -> list[float]:
    """Milliseconds of each question."""
    times = []
    for question in questions:
        begun = time.perf_counter()
        ask(question)
        times.append(1000 * (time.perf_counter() - begun))
    return times


def _encoder(semantic: bool, cache: Path) -> Encoder | None:
    return installed(cache) if semantic else None


def _entries(phrasings: Path) -> list[Entry]:
    asked: dict[str, list[Phrasing]] = defaultdict(list)
    for key, text, language in json.loads(phrasings.read_text()):
        asked[key].append(Phrasing(text, language))
    return [Entry(key, phrasings=tuple(some)) for key, some in asked.items()]


def _questions() -> list[str]:
    found = []
    for file in sorted(QUESTIONS.glob("*.tsv")):
        with file.open(encoding="utf-8") as lines:
            found += [row["query"] for row in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)]
    random.Random(1).shuffle(found)
    return found[:ASKED]


def grown(count: int) -> list[tuple[str, str, str]]:
    """That many different phrasings with key and language: those of the seed, and copies of copies of them."""
    dice = random.Random(1)
    found = [(entry.key, phrasing.text) for entry in load() for phrasing in entry.phrasings]
    known = {text for _, text in found}
    while len(found) < count:
        key, text = dice.choice(found)
        copy = dice.choice((reworded, noisy))(f"{text} {dice.choice(found)[1]}" if dice.random() < 0.2 else text)
        if copy not in known and len(copy) <= LONGEST:
            known.add(copy)
            found.append((key, copy))
    return [(key, text, language_of(text)) for key, text in found[:count]]
