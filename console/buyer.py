"""The buyers' pages: the chat, by itself and on a shop's pages, and the one look at a replacement code."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from console.doors import framed_by
from console.pages import STATIC, page
from console.rules import Site
from shop.errors import LinkGone
from shop.reveals import find_link
from tickets.pixels import BYTES

# A code must not be kept by a cache, indexed, or named to another site by way of the address.
_SECRET = {"cache-control": "no-store", "referrer-policy": "no-referrer", "x-robots-tag": "noindex, nofollow"}

# Any page may load it, one that isolates itself from other sites too; each shop's page asks after it, so briefly kept.
_WIDGET = {
    "cache-control": "public, max-age=300",
    "cross-origin-resource-policy": "cross-origin",
    "x-content-type-options": "nosniff",
}


def router(site: Site) -> APIRouter:
    """`/chat`, `/widget.js` and `/r/{token}`; what the chat page talks to under `/chat/api` is the web channel's."""
    routes = APIRouter(include_in_schema=False)

    @routes.api_route("/chat", methods=["GET", "HEAD"])
    async def show_chat(request: Request) -> Response:
        """By itself, or with ?embed=1 for the frame that widget.js makes, which only the owner's shops may show."""
        origins = site.rules.widget_origins
        is_framed = request.query_params.get("embed") == "1"
        shown = page(
            request,
            "buyer/chat.html",
            public_url=site.rules.public_url,
            picture_limit=BYTES,
            is_framed=is_framed,
            origins=" ".join(origins) if is_framed else "",
        )
        if is_framed:
            shown.headers.update(framed_by(origins))
        return shown

    @routes.api_route("/widget.js", methods=["GET", "HEAD"])
    async def give_widget() -> Response:
        return FileResponse(STATIC / "widget.js", media_type="text/javascript", headers=_WIDGET)

    @routes.api_route("/r/{token}", methods=["GET", "HEAD"])
    async def offer_code(request: Request, token: str) -> Response:
        """A button: messengers and mail scanners open every link that they see, and must not use it up."""
        async with site.database.reading() as session:
            link = await find_link(session, site.clock(), token)
        return _secret(page(request, "buyer/reveal.html") if link else _gone(request))

    @routes.post("/r/{token}")
    async def show_code(request: Request, token: str) -> Response:
        """No origin is asked for here: who knows the token may look, and no-referrer makes browsers hide the origin."""
        seen_from = request.client.host if request.client else "unknown"
        try:
            async with site.database.writing() as session:
                revealed = await site.claims.reveal(session, site.clock(), token, seen_from)
        except LinkGone:
            return _secret(_gone(request))
        return _secret(page(request, "buyer/code.html", revealed=revealed))

    return routes


def _gone(request: Request) -> Response:
    return page(request, "buyer/gone.html", 404)


def _secret(response: Response) -> Response:
    response.headers.update(_SECRET)
    return response
