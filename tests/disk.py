"""A disk that can lose its power: keeps in mind what SQLite wrote and what it synced, and makes images of any moment.

What was synced stays. Of what was written since, any part may have reached the platter, in any order, down to single
sectors; a file that was deleted may be there again unless its folder was synced.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import Any

import apsw

SECTOR = 512
WAL_AT, WAL = 18, 2  # the byte of a database's header that says so
NAMES = count(1)
Write = tuple[int, bytes]  # offset and bytes; a negative offset cuts the file to that many bytes and one more


@dataclass
class Platter:
    """One file: what is safe, and what was written since."""

    safe: bytearray = field(default_factory=bytearray)
    loose: list[Write] = field(default_factory=list)
    is_named: bool = False  # its name is safe too
    ghost: bytes | None = None  # what the name stood for before, while the deletion is not safe

    def sync(self) -> None:
        for write in self.loose:
            _apply(self.safe, write)
        self.loose.clear()
        self.is_named, self.ghost = True, None


@dataclass(frozen=True, slots=True)
class Event:
    """What happened to a file; `acknowledged` is a number that somebody was told."""

    kind: str  # "write", "sync", "delete", "acknowledged"
    name: str = ""
    write: Write = (0, b"")
    is_safe: bool = False  # of a deletion: with its folder
    acknowledged: int = 0


class Disk(apsw.VFS):
    """Files in memory under a VFS of their own, and a record of all that was done to them."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.name = f"disk {next(NAMES)}"
        super().__init__(self.name, "")
        self.files = {name: bytearray(content) for name, content in files.items()}
        self.events: list[Event] = []

    def open(self) -> apsw.Connection:
        connection = apsw.Connection("kadesk.db", vfs=self.name)
        if self.files["kadesk.db"][WAL_AT] == WAL:
            # Alone on the disk, WAL needs no shared memory. A rollback journal is deleted at the end of each
            # transaction only by a connection that is not.
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        return connection

    def acknowledge(self, number: int) -> None:
        self.events.append(Event("acknowledged", acknowledged=number))

    def xOpen(self, name: Any, flags: list[int]) -> "_File":
        path = name.filename() if isinstance(name, apsw.URIFilename) else name or f"temporary {next(NAMES)}"
        self.files.setdefault(path, bytearray())
        flags[1] = flags[0]
        return _File(self, path)

    def xDelete(self, name: str, syncdir: bool) -> None:
        self.files.pop(name, None)
        self.events.append(Event("delete", name, is_safe=bool(syncdir)))

    def xAccess(self, name: str, flags: int) -> bool:
        return name in self.files

    def xFullPathname(self, name: str) -> str:
        return name


class _File:
    def __init__(self, disk: Disk, name: str) -> None:
        self._disk, self._name = disk, name

    @property
    def _content(self) -> bytearray:
        return self._disk.files.setdefault(self._name, bytearray())

    def _write(self, write: Write) -> None:
        _apply(self._content, write)
        self._disk.events.append(Event("write", self._name, write))

    def xRead(self, amount: int, offset: int) -> bytes:
        return bytes(self._content[offset : offset + amount])

    def xWrite(self, data: bytes, offset: int) -> None:
        self._write((offset, bytes(data)))

    def xTruncate(self, size: int) -> None:
        self._write((-size - 1, b""))

    def xSync(self, flags: int) -> None:
        self._disk.events.append(Event("sync", self._name))

    def xFileSize(self) -> int:
        return len(self._content)

    def xClose(self) -> None:
        pass

    def xLock(self, level: int) -> None:
        pass

    def xUnlock(self, level: int) -> None:
        pass

    def xCheckReservedLock(self) -> bool:
        return False

    def xFileControl(self, op: int, pointer: int) -> bool:
        return False

    def xSectorSize(self) -> int:
        return 4096

    def xDeviceCharacteristics(self) -> int:
        return int(apsw.SQLITE_IOCAP_POWERSAFE_OVERWRITE)  # as SQLite takes every disk to be


@dataclass(frozen=True, slots=True)
class Cut:
    """What the disk holds after the power went, and the last number that somebody had been told."""

    at: int  # events before it
    acknowledged: int
    files: dict[str, bytes]


def cuts(events: list[Event], files: dict[str, bytes], random: Random, wanted: int) -> Iterator[Cut]:
    """`wanted` images, spread over all moments at which something was written and not synced."""
    moments = [at for at, event in enumerate(events, 1) if event.kind in ("write", "delete")]
    chosen = sorted(random.choices(moments, k=wanted)) if wanted < len(moments) else _spread(moments, wanted)
    platters = {name: Platter(bytearray(content), is_named=True) for name, content in files.items()}
    acknowledged, done = 0, 0
    for at in chosen:
        for event in events[done:at]:
            acknowledged = max(acknowledged, event.acknowledged)
            _happen(platters, event)
        done = at
        yield Cut(at, acknowledged, _image(platters, random))


def _spread(moments: list[int], wanted: int) -> list[int]:
    rounds, rest = divmod(wanted, len(moments))
    return sorted(moments * rounds + moments[:rest])


def _happen(platters: dict[str, Platter], event: Event) -> None:
    if event.kind == "write":
        platters.setdefault(event.name, Platter()).loose.append(event.write)
    elif event.kind == "sync":
        platters.setdefault(event.name, Platter()).sync()
    elif event.kind == "delete" and (gone := platters.pop(event.name, None)) and gone.is_named and not event.is_safe:
        platters[event.name] = Platter(ghost=bytes(gone.safe))


def _image(platters: dict[str, Platter], random: Random) -> dict[str, bytes]:
    files = {}
    for name, platter in platters.items():
        if platter.ghost is not None and random.random() < 0.5:
            files[name] = platter.ghost
            continue
        content, share = bytearray(platter.safe), random.choice((0.0, 0.5, 0.9, 1.0))
        for write in platter.loose:
            for part in _sectors(write):
                if random.random() < share:
                    _apply(content, part)
        if platter.is_named or content:
            files[name] = bytes(content)
    return files


def _sectors(write: Write) -> Iterator[Write]:
    offset, data = write
    if offset < 0:
        yield write
    for start in range(0, len(data), SECTOR):
        yield offset + start, data[start : start + SECTOR]


def _apply(content: bytearray, write: Write) -> None:
    offset, data = write
    if offset < 0:
        del content[-offset - 1 :]
        return
    content.extend(bytes(max(0, offset - len(content))))
    content[offset : offset + len(data)] = data


@contextlib.contextmanager
def opened(files: dict[str, bytes]) -> Iterator[apsw.Connection]:
    """The database after the power came back."""
    disk = Disk(files)
    connection = disk.open()
    try:
        yield connection
    finally:
        connection.close()
        disk.unregister()
