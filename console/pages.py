"""The templates and static files of every page, shell or not."""

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

from console.words import words_for

HERE = Path(__file__).parent
STATIC = HERE / "static"
TEMPLATES = HERE / "templates"

_environment = Environment(
    loader=PackageLoader("console"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)


@cache
def asset(name: str) -> str:
    """The address of a static file; it changes with the content, so that browsers may keep it for ever."""
    digest = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]
    return f"/console/static/{name}?v={digest}"


def page(request: Request, template: str, status: int = 200, **facts: Any) -> HTMLResponse:
    """A buyer's page in the reader's language."""
    facts = {"asset": asset, "say": words_for(request), "request": request} | facts
    return HTMLResponse(_environment.get_template(template).render(facts), status)
