"""The page of one's own account: the code that links it to Telegram; and for admins, who is linked."""

from sqlmodel import col, select
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette_admin.routing import route

from console.shell import Page, reader
from console.verbs import number_in
from console.words import words_for
from tickets import staff_links
from tickets.tables import Agent, Role

HERE = "/console/account"


class AccountPage(Page):
    """`/console/account`."""

    path = "/account"
    add_to_menu = False

    @route("", name="account")
    async def look(self, request: Request) -> Response:
        return await self._show(request)

    @route("/link", methods=["POST"], name="account-link")
    async def link(self, request: Request) -> Response:
        """The code is shown by this answer alone: it stands in no address, and asked for again it is another one."""
        async with self.site.database.writing() as session:
            code = await staff_links.offer_code(session, self.site.clock(), self.site.vault, reader(request).id)
        return await self._show(request, code)

    @route("/{agent}/unlink", methods=["POST"], name="account-unlink")
    async def unlink(self, request: Request) -> Response:
        async with self.telling(request, "account.unlinked") as session:
            agent = number_in(request.path_params["agent"])
            await staff_links.unlink(session, self.site.clock(), agent, reader(request).id)
        return RedirectResponse(HERE, 303)

    async def _show(self, request: Request, code: str = "") -> Response:
        who = reader(request)
        async with self.site.database.reading() as session:
            links = await staff_links.links(session)
            people = (await session.exec(select(Agent).order_by(col(Agent.name), col(Agent.id)))).all()
        facts = {
            "code": code,
            "minutes": int(staff_links.GOOD_FOR.total_seconds() // 60),
            "mine": links.get(who.id),
            "others": [(one, links[one.id or 0]) for one in people if one.id in links and one.id != who.id],
            "is_admin": Role(who.agent.role) == Role.ADMIN,
            "title": words_for(request)("account.title"),
        }
        return await self.show(request, "account.html", facts)
