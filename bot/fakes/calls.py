"""What came with a call of the Bot API: form-encoded, multipart, JSON, or in the address; all read alike."""

import json
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from bot.fakes.refusal import bad


@dataclass(frozen=True)
class Upload:
    """A file that came with a call."""

    name: str
    mime: str
    content: bytes


class Fields(dict[str, Any]):
    """The fields as they came; the methods read one as what it should be."""

    def text(self, name: str) -> str:
        """The field as words; "" when it is not there."""
        found = self.get(name)
        return "" if found is None else str(found)

    def number(self, name: str, default: int | None = None) -> int:
        """Raises Refusal when it is missing and has no default, or is no number."""
        found = self.get(name)
        if found in (None, ""):
            if default is None:
                raise bad(f"parameter {name} is required")
            return default
        try:
            return int(found)
        except (TypeError, ValueError):
            raise bad(f"invalid {name} specified") from None

    def flag(self, name: str) -> bool:
        return str(self.get(name, "")).lower() in ("true", "1", "yes")

    def value(self, name: str) -> Any:
        """A nested value: forms carry it as JSON in a string."""
        found = self.get(name)
        if not isinstance(found, str):
            return found
        try:
            return json.loads(found) if found else None
        except ValueError:
            raise bad(f"can't parse {name} JSON object") from None

    def upload(self, name: str) -> Upload | str | None:
        """A file that came along, or the words that name one."""
        found = self.get(name)
        if isinstance(found, str) and found.startswith("attach://"):
            found = self.get(found.removeprefix("attach://"))
        return found if isinstance(found, Upload) else None if found is None else str(found)


async def fields_of(request: web.Request) -> Fields:
    """Everything that came with the call; a file's content is read whole."""
    fields = Fields(request.query)
    if request.content_type == "application/json":
        body = await request.json() if request.can_read_body else {}
        if not isinstance(body, dict):
            raise bad("can't parse request body")
        return Fields(fields | body)
    for name, found in (await request.post()).items():
        if isinstance(found, web.FileField):
            fields[name] = Upload(found.filename, found.content_type, found.file.read())
        else:
            fields[name] = found
    return fields
