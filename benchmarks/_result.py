"""The rows that benchmarks print: what was measured, beside what, and whether it met its target."""

import os
import platform
from typing import Any


def machine() -> str:
    """The machine, as a reader of the figures wants it."""
    return f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()}"


def at_least(what: str, value: float, unit: str, against: str, against_value: float, target: float) -> dict[str, Any]:
    """A row that is met when the value is `target` times the other's, or more."""
    return _row(what, value, unit, against, against_value, target) | {"met": value >= target * against_value}


def at_most(
    what: str, value: float, unit: str, against: str, against_value: float, target: float = 1.0
) -> dict[str, Any]:
    """A row that is met when the value is `target` times the other's, or less."""
    return _row(what, value, unit, against, against_value, target) | {"met": value <= target * against_value}


def seen(what: str, value: float, unit: str, against: str, against_value: float) -> dict[str, Any]:
    """A row without a target, only to be seen."""
    return _row(what, value, unit, against, against_value, None) | {"met": None}


def _row(
    what: str, value: float, unit: str, against: str, against_value: float, target: float | None
) -> dict[str, Any]:
    return {
        "what": what,
        "value": _short(value),
        "unit": unit,
        "against": against,
        "against_value": _short(against_value),
        "ratio": _short(value / against_value),
        "target": target,
    }


def _short(value: float) -> float:
    return float(f"{value:.4g}")
