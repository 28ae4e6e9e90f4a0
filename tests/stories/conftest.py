"""A real Kadesk in its own process, as `make run` starts it, and a real browser to visit it."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from playwright.async_api import Browser

from tests.console.chromium import open_browser

ROOT = Path(__file__).parent.parent.parent


@dataclass
class Served:
    """What `kadesk serve --demo` told its owner, and how to stop it."""

    process: asyncio.subprocess.Process
    url: str
    folder: Path
    told: str
    environment: dict[str, str] = field(repr=False)

    @property
    def order(self) -> tuple[str, str]:
        found = re.search(r"Demo order (\S+)\s+query password (\S+)", self.told)
        assert found, self.told
        return found[1], found[2]

    def password_of(self, login: str) -> str:
        found = re.search(rf"^{login} .*?(\S+)\s*$", self.told, re.MULTILINE)
        assert found, self.told
        return found[1]

    async def stop(self) -> int:
        """Ctrl-C; the exit code."""
        self.process.send_signal(signal.SIGINT)
        return await asyncio.wait_for(self.process.wait(), 20)


Serve = Callable[..., Awaitable[Served]]


@pytest.fixture(scope="session")
def matcher_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The matcher over the seed entries, made once: each fresh install would take seconds for the same."""
    return tmp_path_factory.mktemp("matcher")


def share_cache(folder: Path, cache: Path) -> None:
    folder.mkdir(mode=0o700, exist_ok=True)
    if not (folder / "cache").exists():
        (folder / "cache").symlink_to(cache)


@pytest.fixture
async def serve(
    tmp_path: Path, unused_tcp_port_factory: Callable[[], int], matcher_cache: Path
) -> AsyncIterator[Serve]:
    """Start a Kadesk with these settings; all are stopped at the end."""
    running: list[Served] = []

    async def start(folder: Path = tmp_path / "data", **settings: str) -> Served:
        port = unused_tcp_port_factory()
        share_cache(folder, matcher_cache)
        environment = os.environ | {
            "KADESK_DATA__DIR": str(folder),
            "KADESK_WEB__PORT": str(port),
            "KADESK_FAQ__ENCODER": "false",
            "COLUMNS": "200",
            **settings,
        }
        with (tmp_path / "log").open("a") as log:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "kadesk", "serve", "--demo"),
                cwd=ROOT,
                env=environment,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
            )
        told = await _read_guide(process)
        served = Served(process, f"http://127.0.0.1:{port}", folder, told, environment)
        running.append(served)
        await _wait_until_up(served.url)
        return served

    yield start
    for served in running:
        if served.process.returncode is None:
            served.process.kill()
            await served.process.wait()


async def _read_guide(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    lines: list[str] = []
    while line := (await asyncio.wait_for(process.stdout.readline(), 120)).decode():
        lines.append(line)
        if line.startswith("Ready"):
            break
    return "".join(lines)


async def _wait_until_up(url: str) -> None:
    async with httpx.AsyncClient() as client:
        for _ in range(600):
            try:
                if (await client.get(f"{url}/healthz")).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.1)
    raise TimeoutError(url)


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with open_browser() as browser:
        yield browser
