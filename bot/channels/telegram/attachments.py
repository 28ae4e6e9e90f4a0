"""What came with a message, by its name at Telegram. Pure: a picture is fetched by `files`, the rest stays there."""

from collections.abc import Iterator, Mapping
from typing import Any

from bot.channels.botapi.words import mapping, name
from bot.channels.port import Kind
from shop.masking import mask_text

# The first of these that a message has says what it is: a moving picture comes as a document too, a venue as a place.
KINDS = {
    "photo": Kind.PHOTO,
    "animation": Kind.VIDEO,
    "document": Kind.DOCUMENT,
    "voice": Kind.VOICE,
    "audio": Kind.VOICE,
    "sticker": Kind.STICKER,
    "video": Kind.VIDEO,
    "video_note": Kind.VIDEO,
    "live_photo": Kind.VIDEO,
    "location": Kind.LOCATION,
    "contact": Kind.CONTACT,
}
PHONE_SHOWN = 4  # last digits of a telephone number


def kind_of(message: Mapping[str, Any]) -> Kind:
    """What kind of message it is. Whatever is new is something else."""
    if isinstance(message.get("text"), str):
        return Kind.TEXT
    return next((kind for part, kind in KINDS.items() if message.get(part)), Kind.OTHER)


def attachments_of(message: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """What came along beside words; at most one thing, for so Telegram has it."""
    part = next((part for part in KINDS if message.get(part)), None)
    if part is None:
        if not isinstance(message.get("text"), str):
            yield {"kind": Kind.OTHER.value}
        return
    found = message[part]
    if isinstance(found, list):  # of a photo: the largest size stands last
        found = next((one for one in reversed(found) if isinstance(one, Mapping)), None)
    yield {"kind": KINDS[part].value} | _facts(part, mapping(found))


def _facts(part: str, found: Mapping[str, Any]) -> dict[str, Any]:
    if part == "contact":
        return {"phone": mask_phone(name(found.get("phone_number")))}
    if part == "location":
        return {side: round(found[side], 5) for side in ("latitude", "longitude") if _is_number(found.get(side))}
    texts = {key: mask_text(text) for key in ("file_name", "mime_type", "emoji") if (text := name(found.get(key)))}
    sizes = {key: found[key] for key in ("file_size", "duration") if _is_number(found.get(key))}
    file_id = name(found.get("file_id"))
    return ({"file_id": file_id} if file_id else {}) | texts | sizes


def mask_phone(number: str) -> str:
    """A telephone number as staff may see it."""
    digits = "".join(filter(str.isdigit, number))
    return f"****{digits[-PHONE_SHOWN:]}" if len(digits) > 2 * PHONE_SHOWN else "****"


def _is_number(value: object) -> bool:
    return not isinstance(value, bool) and isinstance(value, int | float) and abs(value) < 2**53
