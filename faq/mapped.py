"""Objects kept on disk with their arrays apart, so that reading one back maps the arrays and copies nothing."""

import gc
import mmap
import os
import pickle
import tempfile
from pathlib import Path
from typing import Any, BinaryIO

_ALIGNED = 64  # bytes: what arrays start at a multiple of
_PLACE = 8  # bytes of a number in the file
# A file that cannot be read is as good as none.
UNREADABLE = (OSError, EOFError, AttributeError, ImportError, ValueError, IndexError, pickle.UnpicklingError)


def write(file: Path, thing: object) -> None:
    """Keeps the object in the file; several processes may keep the same one at once."""
    buffers: list[pickle.PickleBuffer] = []
    pickled = pickle.dumps(thing, protocol=5, buffer_callback=buffers.append)
    raw = [buffer.raw() for buffer in buffers]
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=file.parent, suffix=".part")
    with os.fdopen(handle, "wb") as out:
        for number in (len(raw), len(pickled), *(len(one) for one in raw)):
            out.write(number.to_bytes(_PLACE, "little"))
        out.write(pickled)
        for one in raw:
            out.write(bytes(-out.tell() % _ALIGNED))
            out.write(one)
    Path(name).replace(file)


def read(file: Path) -> Any:
    """The object, its arrays read-only; raises one of UNREADABLE.

    Reading could run any code: only for what this program wrote into its own data folder.
    """
    with file.open("rb") as kept:
        sizes = [_number(kept) for _ in range(_number(kept) + 1)]
        mapped = memoryview(mmap.mmap(kept.fileno(), 0, access=mmap.ACCESS_READ))
        if sum(sizes) > len(mapped):
            raise EOFError
        pickled = kept.read(sizes[0])
        start = kept.tell()
    buffers = []
    for size in sizes[1:]:
        start += -start % _ALIGNED
        buffers.append(mapped[start : start + size])
        start += size
    if start != len(mapped):
        raise EOFError
    collecting = gc.isenabled()
    gc.disable()  # many small objects come to stay; looking for garbage among them takes longer than reading them
    try:
        return pickle.loads(pickled, buffers=buffers)
    finally:
        if collecting:
            gc.enable()


def _number(kept: BinaryIO) -> int:
    found = kept.read(_PLACE)
    if len(found) < _PLACE:
        raise EOFError
    return int.from_bytes(found, "little")
