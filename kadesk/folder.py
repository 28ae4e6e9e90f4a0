"""The data folder: made private, held by one serving process at a time, and each buyer in it by one terminal."""

import fcntl
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from audit.trail import Head
from kadesk.errors import SettingsError


def make_folder(path: Path) -> None:
    """Create the folder, readable by its owner only."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        problem = f"data.dir {path} cannot be used: {error.strerror}."
        raise SettingsError(problem=problem) from error


def read_head(folder: Path) -> Head:
    """The audit chain's head as it was last kept here, outside the database."""
    path = folder / "audit.head"
    return Head.from_text(path.read_text(encoding="ascii")) if path.exists() else Head()


def keep_head(folder: Path, head: Head) -> None:
    """Keep the head; a crash leaves the old one or the new one, never half of it."""
    fresh = folder / "audit.head.new"
    fresh.write_text(head.to_text(), encoding="ascii")
    fresh.replace(folder / "audit.head")


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold the folder; refuse when another Kadesk serves from it. The hold ends with the process, however it ends."""
    with _locked(path / "lock", f"Another Kadesk is already serving from {path}; stop it first."):
        yield


@contextmanager
def spoken_for(path: Path, buyer: str) -> Iterator[None]:
    """Be this buyer at a terminal; refuse when another process is, since both would send. Ends as `held` does."""
    name = hashlib.sha256(buyer.encode(errors="surrogatepass")).hexdigest()[:16]
    with _locked(
        path / f"chat-{name}.lock", f"Somebody is chatting as {buyer} already; choose another name with --as."
    ):
        yield


@contextmanager
def _locked(file: Path, refusal: str) -> Iterator[None]:
    with file.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise SettingsError(problem=refusal) from error
        yield
