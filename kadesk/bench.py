"""Finds a benchmark by name, runs it and prints what it measured."""

import inspect
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from rich.table import Table

from kadesk.errors import SettingsError
from kadesk.shell import out

HOME = Path(__file__).parent.parent / "benchmarks"


def names() -> list[str]:
    """The benchmarks that there are."""
    return sorted(path.stem for path in HOME.glob("[a-z]*.py"))


def find(name: str) -> Callable[..., dict[str, Any]]:
    """The `run` of benchmarks/NAME.py; it returns {bench, machine, rows: [{what, value, unit, against, …}]}."""
    if name not in (known := names()):
        raise SettingsError(problem=f"There is no benchmark {name}; choose one of {', '.join(known) or 'none'}.")
    run: Callable[..., dict[str, Any]] = import_module(f"benchmarks.{name}").run
    return run


def measure(name: str, size: int | None = None) -> dict[str, Any]:
    """What the benchmark found, with as many of what it counts; `None` is as many as it wants."""
    run = find(name)
    if size is None:
        return run()
    if not inspect.signature(run).parameters:
        raise SettingsError(problem=f"The benchmark {name} has one size.")
    return run(size)


def print_result(result: dict[str, Any]) -> None:
    """The rows as a table; what missed its target says so."""
    out.print(f"{result['bench']} on {result['machine']}")
    table = Table("what", "value", "unit", "against", "its value", "ratio", "target", "", box=None, pad_edge=False)
    for row in result["rows"]:
        cells = [row.get(name) for name in ("what", "value", "unit", "against", "against_value", "ratio", "target")]
        verdict = {True: "met", False: "MISSED"}.get(row.get("met"), "")
        table.add_row(*("" if cell is None else _short(cell) for cell in cells), verdict)
    out.print(table)


def _short(cell: object) -> str:
    return f"{cell:.4g}" if isinstance(cell, float) else str(cell)
