"""Files at Telegram: each bot has names of its own for them, and reads them by an address that holds its token."""

import hashlib
import itertools
from dataclasses import dataclass

from bot.fakes.calls import Upload
from bot.fakes.refusal import Refusal, bad
from tickets.errors import NoPicture, PictureTooLarge
from tickets.pixels import draw_anew

DOWNLOAD_LIMIT = 20 * 1024 * 1024  # bytes that getFile gives
UPLOAD_LIMITS = {"photo": 10 * 1024 * 1024}
UPLOAD_LIMIT = 50 * 1024 * 1024
RATIO = 20  # of the sides of a photo
FOLDERS = {"photo": "photos", "voice": "voice", "sticker": "stickers", "video": "videos", "audio": "music"}


@dataclass(frozen=True)
class File:
    id: str
    unique_id: str
    bot_id: int
    path: str
    name: str
    mime: str
    content: bytes


class Files:
    """Everything that was sent by anybody."""

    def __init__(self) -> None:
        self._files: dict[str, File] = {}
        self._numbers = itertools.count(1)

    def keep(self, bot_id: int, kind: str, upload: Upload) -> File:
        number = next(self._numbers)
        ending = f".{upload.name.rpartition('.')[2]}" if "." in upload.name else ".jpg" if kind == "photo" else ""
        unique = hashlib.sha256(upload.content).hexdigest()[:16]
        path = f"{FOLDERS.get(kind, 'documents')}/file_{number}{ending}"
        file = File(f"AgAC{bot_id}-{number}", unique, bot_id, path, upload.name, upload.mime, upload.content)
        self._files[file.id] = file
        return file

    def get(self, bot_id: int, file_id: str) -> File:
        """Raises Refusal: what another bot calls a file is no name for this one."""
        file = self._files.get(file_id)
        if file is None or file.bot_id != bot_id:
            raise bad("wrong file_id or the file is temporarily unavailable")
        return file

    def take(self, bot_id: int, kind: str, found: Upload | str | None) -> File:
        """The file that a call sends: a new one, or one that the bot knows."""
        if isinstance(found, Upload):
            if len(found.content) > UPLOAD_LIMITS.get(kind, UPLOAD_LIMIT):
                raise Refusal(413, "Request Entity Too Large")
            if not found.content:
                raise bad("file must be non-empty")
            if kind == "photo":
                _look_at(found.content)
            return self.keep(bot_id, kind, found)
        if not found:
            raise bad(f"there is no {kind} in the request")
        try:
            return self.get(bot_id, found)
        except Refusal:
            raise bad("wrong file identifier/HTTP URL specified") from None

    def find_by_path(self, bot_id: int, path: str) -> File | None:
        return next((file for file in self._files.values() if (file.bot_id, file.path) == (bot_id, path)), None)


def _look_at(content: bytes) -> None:
    """What a bot sends as a photo must be one, and neither huge nor a strip. Raises Refusal."""
    try:
        shown = draw_anew(content)
    except NoPicture:
        raise bad("IMAGE_PROCESS_FAILED") from None
    except PictureTooLarge:
        raise bad("PHOTO_INVALID_DIMENSIONS") from None
    if max(shown.width, shown.height) > RATIO * min(shown.width, shown.height):
        raise bad("PHOTO_INVALID_DIMENSIONS")


def wire(kind: str, file: File) -> dict[str, object] | list[dict[str, object]]:
    """As it stands in a message: a photo in two sizes."""
    named: dict[str, object] = {
        "file_id": file.id,
        "file_unique_id": file.unique_id,
        "file_size": len(file.content),
    }
    if kind == "photo":
        return [named | {"width": 90, "height": 67}, named | {"width": 1280, "height": 960}]
    if kind in ("voice", "audio", "video"):
        named |= {"duration": 3, "mime_type": file.mime}
    if kind in ("video", "sticker"):
        named |= {"width": 512, "height": 512}
    if kind == "sticker":
        named |= {"type": "regular", "is_animated": False, "is_video": False}
    if kind == "document":
        named |= {"file_name": file.name, "mime_type": file.mime}
    return named
