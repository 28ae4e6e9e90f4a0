"""Parts that were made before, kept in memory and on disk, so that a start need not make them again."""

from pathlib import Path

from faq import mapped
from faq.parts import Parts

_KEPT = 3  # files; older ones are for entries that have changed since
_latest: dict[str, Parts] = {}


def find(fingerprint: str, folder: Path | None) -> Parts | None:
    """The parts kept under the fingerprint, or None. A file that cannot be read is as good as none."""
    if fingerprint in _latest or folder is None:
        return _latest.get(fingerprint)
    try:
        parts: Parts = mapped.read(_file(fingerprint, folder))
    except mapped.UNREADABLE:
        return None
    _remember(fingerprint, parts)
    return parts


def keep(fingerprint: str, parts: Parts, folder: Path | None) -> None:
    """Keeps the parts; several processes may keep the same ones at once."""
    _remember(fingerprint, parts)
    if folder is None:
        return
    mapped.write(_file(fingerprint, folder), parts)
    files = sorted(folder.glob("matcher-*.pickle"), key=lambda file: file.stat().st_mtime, reverse=True)
    for old in files[_KEPT:]:
        old.unlink(missing_ok=True)


def _remember(fingerprint: str, parts: Parts) -> None:
    # One is enough: a process answers from one set of entries at a time, and a large one takes hundreds of megabytes.
    _latest.clear()
    _latest[fingerprint] = parts


def _file(fingerprint: str, folder: Path) -> Path:
    return folder / f"matcher-{fingerprint}.pickle"
