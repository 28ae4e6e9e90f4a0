"""What a server of the Bot API answers, put straight before a library reads it. Pure.

Libraries go by the status alone, and take a wait from one field.
"""

import json
import re
from http import HTTPStatus
from typing import Any

PAUSE = 5.0  # seconds, when we are told to wait but not for how long
_SECONDS = re.compile(r"retry after (\d{1,6})", re.IGNORECASE)


def straightened(status: int, payload: bytes) -> tuple[int, bytes]:
    """A refusal has its own status, and one for haste says in its field how long to wait."""
    answer = answer_in(payload) if payload.lstrip()[:1] == b"{" else None  # a file is none
    if status == HTTPStatus.OK and answer is not None and answer.get("ok") is False:
        code = str(answer.get("error_code"))
        status = int(code) if code.isdecimal() and 400 <= int(code) < 600 else HTTPStatus.BAD_REQUEST
    if status != HTTPStatus.TOO_MANY_REQUESTS:
        return status, payload
    refusal = answer or {"ok": False}
    parameters = refusal.get("parameters")
    asked = str(parameters.get("retry_after") if isinstance(parameters, dict) else None)
    words = str(refusal.get("description") or HTTPStatus.TOO_MANY_REQUESTS.phrase)
    wait = int(asked) if asked.isdecimal() and len(asked) < 7 else round(wait_as_told(words))
    straight = {"description": words, "parameters": {"retry_after": max(1, wait)}}
    return status, json.dumps(refusal | straight).encode()


def wait_as_told(words: str) -> float:
    """Seconds that a server asks to wait, in its own words."""
    found = _SECONDS.search(words)
    return float(found[1]) if found else PAUSE


def answer_in(payload: bytes) -> dict[str, Any] | None:
    """None when it is no answer of a Bot API."""
    try:
        answer = json.loads(payload.decode(errors="replace"))
    except (ValueError, RecursionError):
        return None
    return answer if isinstance(answer, dict) else None
