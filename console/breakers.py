"""The page of circuit breakers: what is paused, since when and why, and a lead who lifts it."""

from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette_admin.routing import route

from console.shell import Page, reader
from console.verbs import number_in
from console.words import words_for
from tickets.breakers import Breakers, is_open, latest, name_of
from tickets.rights import is_lead
from tickets.tables import Agent, Breaker


class BreakersPage(Page):
    """`/console/breakers`: everybody sees it, leads lift a pause."""

    path = "/breakers"
    add_to_menu = False

    @route("", name="breakers")
    async def look(self, request: Request) -> Response:
        now, who = self.site.clock(), reader(request)
        async with self.site.database.reading() as session:
            found = await latest(session, now)
            names = {one.id: await name_of(session, one.scope, one.key) for one in found}
            lifted = {one.id: await _name_of_actor(session, one) for one in found}
        facts = {
            "open": [one for one in found if is_open(one, now)],
            "closed": [one for one in found if not is_open(one, now)],
            "names": names,
            "lifted": lifted,
            "limits": self.site.claims.rules.breakers.limits,
            "may_reset": is_lead(who.agent),
            "title": words_for(request)("breakers.title"),
        }
        return await self.show(request, "breakers.html", facts)

    @route("/{row}/reset", methods=["POST"], name="breaker-reset")
    async def reset(self, request: Request) -> Response:
        who = reader(request)
        if not is_lead(who.agent):
            raise HTTPException(403)
        guard = Breakers(self.site.desk, self.site.claims.rules.breakers)
        async with self.telling(request, "breakers.done") as session:
            await guard.reset(session, self.site.clock(), number_in(request.path_params["row"]), who.id)
        return RedirectResponse("/console/breakers", 303)


async def _name_of_actor(session: AsyncSession, breaker: Breaker) -> str:
    """Who lifted it; "" when it ended by itself."""
    kind, _, number = (breaker.reset_by or "").partition(":")
    agent = await session.get(Agent, int(number)) if kind == "agent" else None
    return agent.name if agent else ""
