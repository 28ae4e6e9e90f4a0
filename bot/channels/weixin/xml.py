"""The flat XML of Tencent's callbacks and answers. A document type, and with it every entity, is refused."""

import re
from collections.abc import Mapping
from xml.parsers import expat
from xml.sax.saxutils import escape

from bot.errors import BadXml

DEEPEST = 8  # elements within each other
MOST = 400  # elements
_UNPRINTABLE = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def parse(content: bytes) -> dict[str, str]:
    """Path below the root → text, such as "Content", "ScanCodeInfo.ScanResult". Raises `BadXml`.

    Of elements with the same path the last counts: nothing that we read comes twice.
    """
    reader = _Reader()
    parser = expat.ParserCreate("utf-8")
    parser.buffer_text = True
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.add
    parser.StartDoctypeDeclHandler = reader.refuse
    parser.EntityDeclHandler = reader.refuse
    parser.ProcessingInstructionHandler = reader.refuse
    try:
        parser.Parse(content, True)
    except (expat.ExpatError, ValueError):
        raise BadXml from None
    return reader.found


class _Reader:
    def __init__(self) -> None:
        self.found: dict[str, str] = {}
        self._path: list[str] = []
        self._texts: list[list[str]] = []
        self._count = 0

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        self._count += 1
        self._path.append(name)
        self._texts.append([])
        if len(self._path) > DEEPEST or self._count > MOST:
            raise BadXml

    def end(self, name: str) -> None:
        if self._path[1:]:
            self.found[".".join(self._path[1:])] = "".join(self._texts[-1]).strip()
        self._path.pop()
        self._texts.pop()

    def add(self, text: str) -> None:
        self._texts[-1].append(text)

    def refuse(self, *_: object) -> None:
        raise BadXml


def write(fields: Mapping[str, str | int | Mapping[str, str | int]]) -> str:
    """An answer: `fields` in their order below `<xml>`."""
    return f"<xml>{_inner(fields)}</xml>"


def _inner(fields: Mapping[str, str | int | Mapping[str, str | int]]) -> str:
    return "".join(
        f"<{name}>{_inner(value) if isinstance(value, Mapping) else escape(_printable(str(value)))}</{name}>"
        for name, value in fields.items()
    )


def _printable(text: str) -> str:
    """Without the characters that XML 1.0 has no way to write."""
    return _UNPRINTABLE.sub("", text)
