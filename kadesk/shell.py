"""What the commands share: the settings, the screen, the `--json` option."""

import json
from typing import Annotated, Any

import typer
from rich.console import Console

from kadesk.settings import Settings

# Buyers' words go through it: brackets are text, never markup.
out = Console(highlight=False, soft_wrap=True, markup=False)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


def read_settings() -> Settings:
    """The settings of this install, with logging set up after them."""
    from kadesk.logs import set_up_logs

    settings = Settings.load()
    set_up_logs(settings)
    return settings


def print_json(answer: Any, indent: int | None = 1) -> None:
    print(json.dumps(answer, ensure_ascii=False, indent=indent, default=str))  # noqa: T201  # the answer itself
