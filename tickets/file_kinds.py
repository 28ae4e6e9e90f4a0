"""Which files of buyers are kept: documents, recordings and videos, known by their bytes. Pure.

What a sender calls a file decides only between kinds that look alike. Programs, archives, pages and documents with
macros are none of them.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

NAME_LIMIT = 80  # characters of a file's name that are kept
_UNSAFE = re.compile(r"[^\w.()+ -]+")
_VIDEOS = (b"iso", b"mp4", b"avc", b"M4V", b"MSN", b"das", b"3gp", b"3g2", b"mmp")  # how the names of makes begin
_DOCX, _XLSX, _PPTX = (
    f"application/vnd.openxmlformats-officedocument.{part}"
    for part in ("wordprocessingml.document", "spreadsheetml.sheet", "presentationml.presentation")
)


@dataclass(frozen=True, slots=True)
class File:
    """A file that a buyer sent, of a kind that is kept."""

    content: bytes = field(repr=False)
    ending: str  # "pdf"
    mime: str
    attachment: Mapping[str, Any] = field(default_factory=dict)  # as the channel named it

    @property
    def name(self) -> str:
        """As it may be saved: its own, as far as that is safe, with the ending of what it is."""
        stem = _UNSAFE.sub("_", str(self.attachment.get("file_name", ""))).rpartition(".")[0]
        return f"{stem.strip(' ._')[:NAME_LIMIT] or self.attachment.get('kind', 'file')}.{self.ending}"


def recognise(content: bytes, attachment: Mapping[str, Any]) -> File | None:
    """The file that these bytes are; None when it is not of a kind that is kept."""
    said = str(attachment.get("file_name", "")).rpartition(".")[2].lower()
    for ending, mime, fits in _KINDS:
        if fits(content, said):
            return File(content, ending, mime, attachment)
    return None


def _begins(*beginnings: bytes) -> Callable[[bytes, str], bool]:
    return lambda content, _: content.startswith(beginnings)


def _office(part: bytes) -> Callable[[bytes, str], bool]:
    """A document of Office since 2007: a package with this part, and no macros."""
    return lambda content, _: content.startswith(b"PK\x03\x04") and part in content and b"vbaProject" not in content


def _is_mpeg_audio(content: bytes, _: str) -> bool:
    return content.startswith(b"ID3") or (content[:1] == b"\xff" and content[1:2] in (b"\xfb", b"\xf3", b"\xf2"))


def _is_audio_box(content: bytes, said: str) -> bool:
    return content[4:8] == b"ftyp" and (content[8:11] == b"M4A" or said in ("m4a", "aac"))


def _is_video_box(content: bytes, _: str) -> bool:
    """Not a picture of an iPhone, which comes in such a box too."""
    return content[4:8] == b"ftyp" and content[8:11] in _VIDEOS


def _is_text(content: bytes, said: str) -> bool:
    if said not in ("txt", "csv", "log") or b"\0" in content:
        return False
    for encoding in ("utf-8", "gb18030"):
        try:
            content.decode(encoding)
        except UnicodeDecodeError:
            continue
        return True
    return False


_KINDS: tuple[tuple[str, str, Callable[[bytes, str], bool]], ...] = (
    ("pdf", "application/pdf", _begins(b"%PDF-")),
    ("docx", _DOCX, _office(b"word/document.xml")),
    ("xlsx", _XLSX, _office(b"xl/workbook.xml")),
    ("pptx", _PPTX, _office(b"ppt/presentation.xml")),
    ("ogg", "audio/ogg", _begins(b"OggS")),
    ("amr", "audio/amr", _begins(b"#!AMR")),
    ("wav", "audio/wav", lambda content, _: content.startswith(b"RIFF") and content[8:12] == b"WAVE"),
    ("mp3", "audio/mpeg", _is_mpeg_audio),
    ("m4a", "audio/mp4", _is_audio_box),
    ("mov", "video/quicktime", lambda content, _: content[4:12] == b"ftypqt  "),
    ("mp4", "video/mp4", _is_video_box),
    ("webm", "video/webm", lambda content, _: content.startswith(b"\x1aE\xdf\xa3") and b"webm" in content[:64]),
    ("txt", "text/plain", _is_text),
)
