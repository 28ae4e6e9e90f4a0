"""What a server of the Bot API answers, put straight before the library reads it.

The library goes by the status alone, takes a wait from one field, and writes whatever is no JSON into the log, which
may hold a buyer's words.
"""

import json
from http import HTTPStatus
from typing import Any

from telegram.error import TelegramError
from telegram.request import HTTPXRequest

from bot.channels.botapi.waits import wait_as_told


class Request(HTTPXRequest):
    """The library's own, which reads answers of servers that are not quite Telegram's."""

    async def do_request(self, *args: Any, **options: Any) -> tuple[int, bytes]:
        return straightened(*await super().do_request(*args, **options))

    @staticmethod
    def parse_json_payload(payload: bytes) -> dict[str, Any]:
        answer = _read(payload)
        if answer is None:
            raise TelegramError("Invalid server response")
        return answer


def straightened(status: int, payload: bytes) -> tuple[int, bytes]:
    """A refusal has its own status, and one for haste says in its field how long to wait. Pure."""
    answer = _read(payload) if payload.lstrip()[:1] == b"{" else None  # a file is none
    if status == HTTPStatus.OK and answer is not None and answer.get("ok") is False:
        code = str(answer.get("error_code"))
        status = int(code) if code.isdecimal() and 400 <= int(code) < 600 else HTTPStatus.BAD_REQUEST
    if status != HTTPStatus.TOO_MANY_REQUESTS:
        return status, payload
    refusal = answer or {"ok": False}
    parameters = refusal.get("parameters")
    asked = parameters.get("retry_after") if isinstance(parameters, dict) else None
    wait = float(str(asked)) if str(asked).isdecimal() else wait_as_told(str(refusal.get("description")))
    return status, json.dumps(refusal | {"parameters": {"retry_after": wait}}).encode()


def _read(payload: bytes) -> dict[str, Any] | None:
    try:
        answer = json.loads(payload.decode(errors="replace"))
    except (ValueError, RecursionError):
        return None
    return answer if isinstance(answer, dict) else None
