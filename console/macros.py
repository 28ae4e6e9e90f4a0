"""The macros: everybody sees what they do, leads make and change them."""

from typing import Any

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette_admin import flash
from starlette_admin.routing import route

from audit.errors import KadeskError
from console.doors import typed
from console.refusals import sentence_of, status_of
from console.shell import Page, reader
from console.verbs import number_in
from console.words import words_for
from tickets.labels import read_tags
from tickets.macros import NAME_LIMIT, PLACEHOLDERS, Macros, Recipe
from tickets.rights import is_lead
from tickets.tables import Agent, Macro


def recipe_of(form: FormData) -> Recipe:
    """What was typed. Raises `BadTag`."""
    return Recipe(
        name=typed(form, "name"),
        reply=typed(form, "reply"),
        status=typed(form, "status"),
        tags=read_tags(typed(form, "tags")),
        assign_to_id=number_in(typed(form, "assign_to")) or None,
    )


def values_of(macro: Macro | None) -> dict[str, str]:
    """What the form shows of a macro; of none, when a new one is made."""
    if macro is None:
        return dict.fromkeys(("name", "reply", "status", "tags", "assign_to"), "")
    return {
        "name": macro.name,
        "reply": macro.reply or "",
        "status": macro.status or "",
        "tags": ", ".join(macro.tags),
        "assign_to": str(macro.assign_to_id or ""),
    }


class MacrosPage(Page):
    """`/console/macros`; `?edit=3` opens one in the form."""

    word = "menu.macros"
    path = "/macros"
    route_name = "macros"

    @route("")
    async def index(self, request: Request) -> Response:
        return await self._show(request, number_in(request.query_params.get("edit", "")))

    @route("/keep", methods=["POST"], name="macro-keep")
    async def keep(self, request: Request) -> Response:
        form, say = await request.form(), words_for(request)
        macro_id = number_in(typed(form, "macro")) or None
        try:
            async with self.site.database.writing() as session:
                await self._macros.keep(session, self.site.clock(), reader(request).id, recipe_of(form), macro_id)
        except KadeskError as error:
            shown = {name: typed(form, name) for name in values_of(None)}
            return await self._show(request, macro_id or 0, shown, sentence_of(say, error), status_of(error))
        flash(request, say("done.macro_kept", name=typed(form, "name", NAME_LIMIT)), "success")
        return RedirectResponse("/console/macros", 303)

    @route("/switch", methods=["POST"], name="macro-switch")
    async def switch(self, request: Request) -> Response:
        form, say = await request.form(), words_for(request)
        macro_id, is_active = number_in(typed(form, "macro")), typed(form, "is_active") == "yes"
        try:
            async with self.site.database.writing() as session:
                who = reader(request).id
                await self._macros.switch(session, self.site.clock(), who, macro_id, is_active=is_active)
        except KadeskError as error:
            flash(request, sentence_of(say, error), "error")
        return RedirectResponse("/console/macros", 303)

    @property
    def _macros(self) -> Macros:
        return Macros(self.site.desk)

    async def _show(
        self, request: Request, macro_id: int, shown: dict[str, str] | None = None, refusal: str = "", status: int = 200
    ) -> Response:
        who = reader(request)
        async with self.site.database.reading() as session:
            macros = await _all(session)
            people = list((await session.exec(select(Agent).order_by(col(Agent.name)))).all())
        edited = next((macro for macro in macros if macro.id == macro_id), None)
        statuses = self.site.desk.rules.statuses
        facts: dict[str, Any] = {
            "macros": macros,
            "edited": edited,
            "shown": shown or values_of(edited),
            "refusal": refusal,
            "people": people,
            "statuses": statuses,
            "placeholders": PLACEHOLDERS,
            "name_limit": NAME_LIMIT,
            "limit": self.site.desk.rules.message_limit,
            "may_edit": is_lead(who.agent),
        }
        return await self.show(request, "macros.html", facts, status)


async def _all(session: AsyncSession) -> list[Macro]:
    found = await session.exec(select(Macro).order_by(col(Macro.is_active).desc(), col(Macro.name)))
    return list(found.all())
