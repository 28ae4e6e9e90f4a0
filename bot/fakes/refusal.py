"""Answers with ok = false, in Telegram's own words."""

from typing import Any


class Refusal(Exception):
    """An answer with ok = false."""

    def __init__(self, code: int, description: str, **parameters: int) -> None:
        super().__init__(description)
        self.body: dict[str, Any] = {"ok": False, "error_code": code, "description": description}
        if parameters:
            self.body["parameters"] = parameters


def bad(reason: str, **parameters: int) -> Refusal:
    """400, and the reason."""
    return Refusal(400, f"Bad Request: {reason}", **parameters)


def forbidden(reason: str) -> Refusal:
    """403, and the reason."""
    return Refusal(403, f"Forbidden: {reason}")


def too_many(seconds: int) -> Refusal:
    """429, and for how long."""
    return Refusal(429, f"Too Many Requests: retry after {seconds}", retry_after=seconds)
