"""The ticket page: the conversation, what is known of the case, and the verbs."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette_admin import flash
from starlette_admin.routing import route

from audit.errors import KadeskError
from console.banners import banners
from console.case import Case, find_case
from console.doors import typed
from console.refusals import sentence_of, status_of
from console.shell import HOME, Page, reader
from console.words import Words, words_for
from tickets.changes import lock_ticket
from tickets.lifecycle import is_active
from tickets.links import MARK
from tickets.tables import Outcome, Ticket

Verb = Callable[[AsyncSession, int, int, FormData], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a form was not carried out, and what was typed into it."""

    status: int
    sentence: str
    verb: str
    typed: str


class TicketPage(Page):
    """`/console/tickets/K-000123`; each verb is a form of its own."""

    path = "/tickets"
    add_to_menu = False

    @route("")
    async def index(self, request: Request) -> Response:
        return RedirectResponse(HOME, 303)

    @route("/{number}", name="ticket")
    async def look(self, request: Request) -> Response:
        return await self._show(request, request.path_params["number"])

    @route("/{number}/{verb}", methods=["GET"], name="ticket-back")
    async def come_back(self, request: Request) -> Response:
        """Signing in again leads to the address of the form that was refused: back to its page."""
        return RedirectResponse(f"/console/tickets/{request.path_params['number']}", 303)

    @route("/{number}/{verb}", methods=["POST"], name="ticket-verb")
    async def act(self, request: Request) -> Response:
        number, verb = request.path_params["number"], request.path_params["verb"]
        if verb not in self._verbs:
            raise HTTPException(404)
        form, say = await request.form(), words_for(request)
        try:
            async with self.site.database.writing() as session:
                ticket_id = await _find_id(session, number)
                await self._verbs[verb](session, ticket_id, reader(request).id, form)
        except KadeskError as error:
            # The page comes back as it is now, with what was typed still in it.
            refusal = Refusal(status_of(error), sentence_of(say, error), verb, typed(form, "text"))
            return await self._show(request, number, refusal)
        flash(request, say(f"done.{verb}", number=number), "success")
        return RedirectResponse(f"/console/tickets/{number}", 303)

    async def _show(self, request: Request, number: str, refusal: Refusal | None = None) -> Response:
        now, who = self.site.clock(), reader(request)
        async with self.site.database.reading() as session:
            case = await find_case(session, now, number)
            if case is None:
                raise HTTPException(404)
            news = await banners(session, now, self.site.rules.sweep_stale, who.id)
        facts = {
            "case": case,
            "banners": news,
            "refusal": refusal,
            "names": lambda actors: ", ".join(_name(words_for(request), case, actor) for actor in actors),
            "is_mine": case.ticket.assignee_id == who.id,
            "is_active": is_active(case.ticket.phase),
            "outcomes": list(Outcome),
            "mark": MARK,
            "limit": self.site.desk.rules.message_limit,
            "title": f"{number} {case.ticket.subject}",
        }
        return await self.show(request, "ticket.html", facts, refusal.status if refusal else 200)

    @property
    def _verbs(self) -> dict[str, Verb]:
        return {
            "take": self._take,
            "release": self._release,
            "reply": self._reply,
            "note": self._note,
            "resolve": self._resolve,
            "replace": self._replace,
            "renew-link": self._renew_link,
        }

    async def _take(self, session: AsyncSession, ticket_id: int, agent_id: int, form: FormData) -> None:
        await self.site.desk.take(session, self.site.clock(), ticket_id, agent_id)

    async def _release(self, session: AsyncSession, ticket_id: int, agent_id: int, form: FormData) -> None:
        await self.site.desk.release(session, self.site.clock(), ticket_id, agent_id)

    async def _reply(self, session: AsyncSession, ticket_id: int, agent_id: int, form: FormData) -> None:
        text, version = typed(form, "text"), _version(form)
        await self.site.desk.reply(session, self.site.clock(), ticket_id, agent_id, text, version=version)

    async def _note(self, session: AsyncSession, ticket_id: int, agent_id: int, form: FormData) -> None:
        await self.site.desk.note(session, self.site.clock(), ticket_id, agent_id, typed(form, "text"))

    async def _resolve(self, session: AsyncSession, ticket_id: int, agent_id: int, form: FormData) -> None:
        outcome = typed(form, "outcome")
        if outcome not in list(Outcome):
            raise HTTPException(422)
        text = typed(form, "text").strip() or None
        now, version = self.site.clock(), _version(form)
        await self.site.desk.resolve(session, now, ticket_id, agent_id, Outcome(outcome), text, version=version)

    async def _replace(self, session: AsyncSession, ticket_id: int, agent_id: int, form: FormData) -> None:
        await lock_ticket(session, ticket_id, _version(form))
        await self.site.claims.replace(session, self.site.clock(), ticket_id, agent_id)

    async def _renew_link(self, session: AsyncSession, ticket_id: int, agent_id: int, form: FormData) -> None:
        await lock_ticket(session, ticket_id, _version(form))
        await self.site.claims.renew_link(session, self.site.clock(), ticket_id, agent_id, _number(form, "claim"))


async def _find_id(session: AsyncSession, number: str) -> int:
    ticket_id = (await session.exec(select(Ticket.id).where(Ticket.number == number))).first()
    if ticket_id is None:
        raise HTTPException(404)
    return ticket_id


def _name(say: Words, case: Case, actor: str) -> str:
    """An audit actor as people call it."""
    kind, _, number = actor.partition(":")
    if kind == "agent" and number.isdecimal():
        return case.names.get(int(number), actor)
    return case.buyer.name if kind == "buyer" else say.named("author", kind)


def _version(form: FormData) -> int:
    """The version that the page showed; a form without one has seen nothing."""
    return _number(form, "version")


def _number(form: FormData, name: str) -> int:
    """A field that holds the number of a row; 0, which no row has, when it holds anything else."""
    text = typed(form, name)
    return int(text) if text.isdecimal() and len(text) < 10 else 0
