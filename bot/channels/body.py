"""The body of a call at a door, read no further than the door lets it be long."""

from fastapi import Request

from bot.errors import UpdateTooLarge


async def read_body(request: Request, limit: int) -> bytes:
    """Raises `UpdateTooLarge` when more than `limit` bytes are announced, or come."""
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > limit:
        raise UpdateTooLarge(limit=limit)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise UpdateTooLarge(limit=limit)
    return bytes(body)
