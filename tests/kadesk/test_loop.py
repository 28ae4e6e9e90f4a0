import asyncio
import sys

import pytest

from kadesk import loop


async def _name() -> str:
    return type(asyncio.get_running_loop()).__module__.partition(".")[0]


def test_what_serves_runs_on_the_quick_loop() -> None:
    assert _found() == ("asyncio" if sys.platform == "win32" else "uvloop")


def test_without_it_pythons_own_loop_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", None)

    assert _found() == "asyncio"


def _found() -> str:
    names: list[str] = []

    async def look() -> None:
        names.append(await _name())

    loop.run(look())
    return names[0]
