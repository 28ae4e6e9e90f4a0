"""Pictures in the web chat: in by one request each, drawn anew before they are stored, and out again as pixels alone.

POST /chat/api/pictures?id=k3J…&language=zh with the file as the body, and its type
    → 202 {"id": "k3J…"}; the same id again is the same picture, so a page may repeat it until it hears 202.
    → 413 "too_large", 415 "no_picture", 429 and 403 as for messages.
GET /chat/api/pictures/17
    → the picture as a JPEG, to the session that sent it; 404 to everybody else.

The pixels travel in the update like words do: sealed in its inbox row, committed before the page hears 202, and turned
into a `Picture` in the one transaction in which the update takes effect. So there is nothing to clean up when a row is
a repeat or is laid aside, and the door need not know who the buyer is.
"""

from datetime import datetime
from typing import Any

from fastapi import Request, Response

from bot.transactions import Transactions
from shop.vault import Vault
from tickets import attachments, pictures
from tickets.pixels import BYTES, Pixels

LIMIT = BYTES  # of a request's body

# What a browser that opens the address itself may do with it: keep it as a file, nothing else.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "private, no-store",
}


def is_picture(request: Request) -> bool:
    """Whether the page says so. A page of another site cannot, without asking us first."""
    return request.headers.get("content-type", "").lower().startswith("image/")


def body_of(picture_id: str, language: str, pixels: Pixels, now: datetime) -> dict[str, Any]:
    """The update that a picture is."""
    body: dict[str, Any] = {"id": picture_id, "picture": pixels.to_json(), "at": now.isoformat()}
    return body | ({"language": language} if language in ("zh", "en") else {})


async def show_own(database: Transactions, vault: Vault, number: str, place: tuple[str, str, str]) -> Response:
    """The picture with this number, if it was sent from this place; unknown and foreign look the same."""
    picture_id = int(number) if number.isdecimal() and len(number) < 10 else 0
    async with database.reading() as session:
        picture = await pictures.find_own(session, picture_id, *place)
    jpeg = await attachments.find_content(vault, pictures.SEAL, picture)
    return as_file(jpeg, picture_id) if jpeg is not None else Response(status_code=404, headers=HEADERS)


def as_file(jpeg: bytes, number: int) -> Response:
    """An attachment: a page may show it, a browser never opens it as a page of ours."""
    disposition = {"Content-Disposition": f'attachment; filename="picture-{number}.jpg"'}
    return Response(jpeg, media_type="image/jpeg", headers=HEADERS | disposition)
