"""The event loop that Kadesk serves on: uvloop's where it is made for the platform, else Python's own."""

import asyncio
from collections.abc import Coroutine
from typing import Any


def run(work: Coroutine[Any, Any, None]) -> None:
    """Do `work` to its end."""
    with asyncio.Runner(loop_factory=_find_factory()) as runner:
        runner.run(work)


def _find_factory() -> Any:
    try:
        from uvloop import new_event_loop
    except ImportError:
        return None
    return new_event_loop
