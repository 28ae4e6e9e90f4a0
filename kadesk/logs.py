"""Logging: one line per event, for people or as JSON; secrets never pass.

Bot tokens stand in every Bot API address, and libraries log addresses: the filter sits on the root handler, so that no
library can go around it.
"""

import logging
import re
import sys
from typing import Any

import structlog

from kadesk.settings import Settings

_BOT_TOKEN = re.compile(r"\d{5,}:[A-Za-z0-9_-]{30,}")
_LINK_TOKEN = re.compile(r"(/r/)[A-Za-z0-9_-]{20,}")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\x1b]")


def scrub(text: str) -> str:
    """The text without bot tokens, reveal links and control characters."""
    text = _LINK_TOKEN.sub(r"\1***", _BOT_TOKEN.sub("***", text))
    return _CONTROL.sub(" ", text)


class _Formatter(structlog.stdlib.ProcessorFormatter):
    def format(self, record: logging.LogRecord) -> str:
        return scrub(super().format(record))


def set_up_logs(settings: Settings) -> None:
    """Send every logger, ours and the libraries', through one scrubbing handler on standard error."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: Any = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if settings.log.format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        _Formatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log.level.upper())
    web = ("httpx", "httpcore", "aiogram", "uvicorn", "starlette_admin")  # these write addresses and headers
    for noisy in ("alembic", "apscheduler", "aiosqlite", "asyncio", *web):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, root.level))
