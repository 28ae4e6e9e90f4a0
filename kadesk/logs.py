"""Logging: one line per event, for people or as JSON; secrets never pass.

Bot tokens stand in every Bot API address, and libraries log addresses: the filter sits on the root handler, so that no
library can go around it.
"""

import logging
import re
import sys
from collections.abc import Collection
from contextlib import suppress
from types import TracebackType
from typing import Any

import structlog
from pydantic import SecretStr

from bot.faults import BOT_TOKEN
from kadesk.settings import Settings

SHORTEST = 8  # characters of a token that is looked for: shorter ones stand in words
_LINK_TOKEN = re.compile(r"(/r/)[A-Za-z0-9_-]{20,}")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\x1b]")


def scrub(text: str, secrets: Collection[str] = ()) -> str:
    """The text without these, bot tokens, reveal links and control characters."""
    text = _LINK_TOKEN.sub(r"\1***", BOT_TOKEN.sub("***", text))
    for secret in secrets:
        text = text.replace(secret, "***")
    return _CONTROL.sub(" ", text)


class _Formatter(structlog.stdlib.ProcessorFormatter):
    def __init__(self, secrets: Collection[str], **options: Any) -> None:
        super().__init__(**options)
        self._secrets = secrets

    def format(self, record: logging.LogRecord) -> str:
        return scrub(super().format(record), self._secrets)


class _Handler(logging.StreamHandler[Any]):
    def handleError(self, record: logging.LogRecord) -> None:
        """A line that cannot be written: logging's own way would print what it was made of.

        Where nothing can be written at all, whoever logs goes on: a closed terminal is no reason to lose a message.
        """
        with suppress(Exception):
            self.stream.write(f"kadesk: a line of {record.name} ({record.levelname}) could not be written\n")


def secrets_of(settings: Settings) -> list[str]:
    """Every token and secret of a channel that was given, and of a bot's the half that is secret, longest first."""
    sections: list[Any] = [*vars(settings).values(), *settings.telegram.accounts.all, *settings.wechat.accounts.all]
    given = [getattr(section, key, None) for section in sections for key in ("token", "secret", "aes_key")]
    tokens = {one.get_secret_value() for one in given if isinstance(one, SecretStr)}
    found = tokens | {token.partition(":")[2] for token in tokens}
    return sorted((one for one in found if len(one) >= SHORTEST), key=len, reverse=True)


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
    handler = _Handler(sys.stderr)
    handler.setFormatter(
        _Formatter(
            secrets_of(settings),
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
    web = ("httpx", "httpcore", "aiogram", "telegram", "uvicorn", "starlette_admin")  # they write addresses
    for noisy in ("alembic", "apscheduler", "aiosqlite", "asyncio", *web):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, root.level))
    sys.excepthook = _log_the_end


def _log_the_end(kind: type[BaseException], error: BaseException, where: TracebackType | None) -> None:
    """What ends the process goes the same way as every line: Python's own would print it as it is."""
    logging.getLogger(__name__).critical("stopped by an error", exc_info=(kind, error, where))
