"""The page of the bots: a light for each, what is wrong with it, and what waits."""

from starlette.requests import Request
from starlette.responses import Response
from starlette_admin.routing import route

from console.rules import Site
from console.shell import Page
from console.words import words_for


class BotsPage(Page):
    """`/console/bots`: everybody sees it, where there are bots."""

    path = "/bots"
    route_name = "bots"

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self.word = "menu.bots" if site.lights else ""

    @route("")
    async def look(self, request: Request) -> Response:
        async with self.site.database.reading() as session:
            lights = await self.site.lights(session, self.site.clock()) if self.site.lights else ()
        return await self.show(request, "bots.html", {"lights": lights, "title": words_for(request)("bots.title")})
