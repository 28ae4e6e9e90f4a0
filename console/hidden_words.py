"""One look at what a buyer typed where the thread shows it masked."""

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette_admin import flash
from starlette_admin.routing import route

from audit.errors import KadeskError
from console.doors import typed
from console.refusals import sentence_of
from console.shell import Page, reader
from console.ticket import find_id
from console.verbs import number_in
from console.words import words_for
from tickets.hidden_words import read_typed


class HiddenWordsPage(Page):
    """`/console/typed/K-000123/17`: a POST with a reason shows the words once, and no browser keeps them."""

    path = "/typed"
    add_to_menu = False

    @route("/{number}/{message}", methods=["GET"], name="typed-back")
    async def come_back(self, request: Request) -> Response:
        return RedirectResponse(f"/console/tickets/{request.path_params['number']}", 303)

    @route("/{number}/{message}", methods=["POST"], name="typed")
    async def show_typed(self, request: Request) -> Response:
        number, message = request.path_params["number"], number_in(request.path_params["message"])
        site, say, reason = self.site, words_for(request), typed(await request.form(), "reason")
        try:
            async with site.database.writing() as session:
                ticket_id, who = await find_id(session, number), reader(request).id
                words = await read_typed(session, site.clock(), site.vault, ticket_id, message, who, reason)
        except KadeskError as error:
            flash(request, sentence_of(say, error), "error")
            return RedirectResponse(f"/console/tickets/{number}#m-{message}", 303)
        facts = {"title": say("typed.title"), "number": number, "message": message, "words": words}
        return await self.show(request, "typed.html", facts)
