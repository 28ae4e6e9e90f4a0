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

from tests.conftest import HAS_FAILED
from tests.stories.family import Family, open_family, open_nursery, share_cache

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


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def server(request: pytest.FixtureRequest) -> str:
    """The URL of a PostgreSQL server, or nothing."""
    return request.getfixturevalue("postgres_url") if request.param == "postgres" else ""


@pytest.fixture(scope="module")
async def nursery(
    tmp_path_factory: pytest.TempPathFactory, matcher_cache: Path
) -> AsyncIterator[asyncio.subprocess.Process]:
    async with open_nursery(tmp_path_factory.mktemp("nursery") / "data", matcher_cache) as process:
        yield process


@pytest.fixture
async def family(
    server: str,
    nursery: asyncio.subprocess.Process,
    tmp_path: Path,
    matcher_cache: Path,
    unused_tcp_port_factory: Callable[[], int],
) -> AsyncIterator[Family]:
    """Serving Kadesks that can be killed; a story adds what they are to be told to `settings`."""
    share_cache(tmp_path / "data", matcher_cache)
    async with open_family(nursery, server, tmp_path / "data", unused_tcp_port_factory) as family:
        yield family


@pytest.fixture
async def serve(
    tmp_path: Path,
    unused_tcp_port_factory: Callable[[], int],
    matcher_cache: Path,
    request: pytest.FixtureRequest,
) -> AsyncIterator[Serve]:
    """Start a Kadesk with these settings; all are stopped at the end, and a failed test shows what they logged."""
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
    if request.node.stash.get(HAS_FAILED, False) and (tmp_path / "log").exists():
        print((tmp_path / "log").read_text(errors="replace")[-6_000:])  # noqa: T201  # pytest shows it


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
