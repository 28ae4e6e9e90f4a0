"""The tags: how often each is used, the tickets that carry it, and another name for it."""

from sqlmodel import col, select
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette_admin import flash
from starlette_admin.routing import route

from audit.errors import KadeskError
from console.doors import typed
from console.refusals import sentence_of
from console.shell import Page, reader
from console.words import words_for
from tickets.labels import TAG_LENGTH, all_tags
from tickets.rights import is_lead
from tickets.tables import Ticket, TicketTag

SHOWN = 200  # tickets of one tag, the newest


class TagsPage(Page):
    """`/console/tags`; `?tag=vip` lists its tickets."""

    word = "menu.tags"
    path = "/tags"
    route_name = "tags"

    @route("")
    async def index(self, request: Request) -> Response:
        who = reader(request)
        chosen = request.query_params.get("tag", "")[:TAG_LENGTH]
        async with self.site.database.reading() as session:
            found = await session.exec(
                select(Ticket)
                .join(TicketTag, col(TicketTag.ticket_id) == col(Ticket.id))
                .where(TicketTag.tag == chosen)
                .order_by(col(Ticket.id).desc())
                .limit(SHOWN)
            )
            facts = {
                "uses": await all_tags(session),
                "chosen": chosen,
                "tickets": list(found.all()),
                "tag_length": TAG_LENGTH,
                "may_edit": is_lead(who.agent),
            }
        return await self.show(request, "tags.html", facts)

    @route("/rename", methods=["POST"], name="tag-rename")
    async def rename(self, request: Request) -> Response:
        """Another name, or none: the tag is taken off all tickets."""
        form, say = await request.form(), words_for(request)
        old = typed(form, "tag", TAG_LENGTH)
        new = None if typed(form, "remove") else typed(form, "name", 200)
        try:
            async with self.site.database.writing() as session:
                count = await self.site.desk.rename_tag(session, self.site.clock(), reader(request).id, old, new)
        except KadeskError as error:
            flash(request, sentence_of(say, error), "error")
        else:
            flash(request, say("done.tag_renamed", n=count), "success")
        return RedirectResponse("/console/tags", 303)
