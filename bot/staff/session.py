"""The connection to a Bot API server, and what stands before one: a proxy answers with pages, not with JSON."""

from typing import Any

from telegram.error import TelegramError
from telegram.request import HTTPXRequest

from bot.channels.botapi.answers import answer_in, straightened


class Request(HTTPXRequest):
    """The library's own, but for what is odd; that it would write into the log, and it may hold a buyer's words."""

    async def do_request(self, *args: Any, **options: Any) -> tuple[int, bytes]:
        return straightened(*await super().do_request(*args, **options))

    @staticmethod
    def parse_json_payload(payload: bytes) -> dict[str, Any]:
        answer = answer_in(payload)
        if answer is None:
            raise TelegramError("Invalid server response")
        return answer
