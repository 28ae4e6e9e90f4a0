"""The data folder: made private, and held by one serving process at a time."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kadesk.errors import SettingsError


def make_folder(path: Path) -> None:
    """Create the folder, readable by its owner only."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        problem = f"data.dir {path} cannot be used: {error.strerror}."
        raise SettingsError(problem=problem) from error


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold the folder; refuse when another Kadesk serves from it. The hold ends with the process, however it ends."""
    with (path / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise SettingsError(problem=f"Another Kadesk is already serving from {path}; stop it first.") from error
        yield
