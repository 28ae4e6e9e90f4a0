"""The web application: the pages of the console room, the doors of the channels, and /healthz."""

from collections.abc import Iterable
from functools import partial
from zoneinfo import ZoneInfo

from fastapi import APIRouter, FastAPI
from fastapi.responses import JSONResponse, RedirectResponse
from sqlalchemy.exc import SQLAlchemyError

from bot import dead_letters, health
from bot.phrases.retelling import Retelling
from console.rules import ConsoleRules
from console.site import mount_console
from kadesk import metrics
from kadesk.wiring import Kadesk, clock
from tickets import watch


def create_app(kadesk: Kadesk, doors: Iterable[APIRouter]) -> FastAPI:
    """The application; `doors` are the HTTP routes that channel adapters bring."""
    app = FastAPI(title="Kadesk", docs_url=None, redoc_url=None, openapi_url=None)
    settings = kadesk.settings
    for door in (*doors, metrics.router(kadesk)):
        app.include_router(door)
    rules = ConsoleRules(
        session=settings.console.session,
        cookie_secure=settings.public_url.startswith("https://"),
        time_zone=ZoneInfo(settings.console.time_zone),
        public_url=settings.public_url,
        widget_origins=tuple(settings.web.widget_origins),
    )
    mount_console(
        app,
        database=kadesk.database,
        desk=kadesk.desk,
        claims=kadesk.claims,
        shop=kadesk.shop,
        vault=kadesk.vault,
        clock=clock,
        rules=rules,
        letters=dead_letters,
        retell=Retelling(kadesk.phrases),
        lights=partial(health.look, places=places) if (places := settings.bots) else None,
        failing=lambda: kadesk.workers.down,
    )

    @app.get("/", include_in_schema=False)
    async def go_to_chat() -> RedirectResponse:
        return RedirectResponse("/chat")

    app.get("/healthz", include_in_schema=False)(partial(tell_health, kadesk))
    return app


async def tell_health(kadesk: Kadesk) -> JSONResponse:
    """200 when the database answers; "alarm" when the sweep stalls, nobody can be told, or a part of us keeps failing.

    It is for a watcher to read, and still 200: a balancer that took this process away would not make the sweep run.
    """
    try:
        async with kadesk.database.reading() as session:
            seen = await watch.look(session, clock())
    except (SQLAlchemyError, OSError):
        return JSONResponse({"status": "down"}, status_code=503)
    return JSONResponse({"status": "up" if seen.is_well and not kadesk.workers.down else "alarm"})
