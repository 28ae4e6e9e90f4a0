"""The ticket page: the conversation, what is known of the case, and the forms of the verbs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
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
from console.case import Case, Line, find_case
from console.claim_cards import prepared, proof_words
from console.doors import typed
from console.enclosing import PICTURE, enclosed_in, has_pictures
from console.facts import Facts
from console.orders import ask_shops, find_order
from console.pictures import evidence_of
from console.refund_cards import board_of
from console.refusals import problem_of, sentence_of, status_of
from console.rules import Site
from console.shell import HOME, Page, reader
from console.supplier_cards import supplier_cards
from console.verbs import FIELD, REPLACES, SLEEPS, Asked, Verbs, number_in, open_statuses, resolved_statuses
from console.words import Words, words_for
from shop.port import Order
from tickets import approvals
from tickets.drawing import Drawing
from tickets.enclosing import MOST
from tickets.lifecycle import is_active
from tickets.links import MARK
from tickets.macros import Macros, Preview, active_macros
from tickets.outbox import LOST
from tickets.pixels import BYTES
from tickets.refunds import Refunds
from tickets.rights import is_lead
from tickets.tables import Author, Ending, Macro, Outcome, Phase, Reason, Ticket, id_of
from tickets.words import IN_WORDS


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a form was not carried out, and what was typed into it."""

    status: int
    sentence: str
    verb: str
    form: dict[str, str]  # what was typed; of several values of a name the last
    ticked: frozenset[tuple[str, str]]  # names, with each of their values


@dataclass(frozen=True, slots=True)
class Saved:
    """The macros to choose from, and what the chosen one would do."""

    macros: list[Macro]
    preview: Preview | None


class TicketPage(Page):
    """`/console/tickets/K-000123`; each verb is a form of its own. `?macro=3` shows what a macro would do."""

    path = "/tickets"
    add_to_menu = False

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self._drawing = Drawing()

    @route("")
    async def index(self, request: Request) -> Response:
        return RedirectResponse(HOME, 303)

    @route("/next", methods=["POST"], name="ticket-next")
    async def take_next(self, request: Request) -> Response:
        """The head of the queue into the reader's hands, and onto the screen."""
        say = words_for(request)
        try:
            async with self.site.database.writing(is_brief=True) as session:
                ticket_id = await self.site.desk.take_next(session, self.site.clock(), reader(request).id)
                ticket = await session.get(Ticket, ticket_id) if ticket_id is not None else None
        except KadeskError as error:
            flash(request, sentence_of(say, error), "error")
            return RedirectResponse(HOME, 303)
        if ticket is None:
            flash(request, say("done.nobody_waits"), "success")
            return RedirectResponse(HOME, 303)
        flash(request, say("done.take", number=ticket.number), "success")
        return RedirectResponse(f"/console/tickets/{ticket.number}", 303)

    @route("/{number}", name="ticket")
    async def look(self, request: Request) -> Response:
        return await self._show(request, request.path_params["number"])

    @route("/{number}/{verb}", methods=["GET"], name="ticket-back")
    async def come_back(self, request: Request) -> Response:
        """Signing in again leads to the address of the form that was refused: back to its page."""
        return RedirectResponse(f"/console/tickets/{request.path_params['number']}", 303)

    @route("/{number}/{verb}", methods=["POST"], name="ticket-verb")
    async def act(self, request: Request) -> Response:
        number, name = request.path_params["number"], request.path_params["verb"]
        verb = Verbs(self.site).find(name)
        if verb is None:
            raise HTTPException(404)
        form, say = await request.form(), words_for(request)
        try:
            orders = await self._ask_shops(number, name, form)
            enclosed = await enclosed_in(form, self._drawing, self.site.vault)
            async with self.site.database.writing() as session:
                who = (await find_id(session, number), reader(request).id)
                onward = await verb(Asked(session, self.site.clock(), *who, form, enclosed, orders))
        except KadeskError as error:
            # The page comes back as it is now, with what was typed still in it; no page can keep a file.
            kept = {key: typed(form, key) for key in form} | {PICTURE: "yes" if has_pictures(form) else ""}
            ticked = frozenset((key, one) for key, one in form.multi_items() if isinstance(one, str))
            refusal = Refusal(status_of(error), sentence_of(say, error), name, kept, ticked)
            return await self._show(request, number, refusal)
        shown = onward.number if onward is not None else number
        flash(request, say(f"done.{name}", number=number, other=shown), "success")
        return RedirectResponse(f"/console/tickets/{shown}", 303)

    async def _ask_shops(self, number: str, verb: str, form: FormData) -> Sequence[Order]:
        """What the shops say now of the orders that a verb is about: before the transaction that decides."""
        if verb == "refund":
            return [await find_order(self.site, typed(form, "order", 80), number_in(typed(form, "claim")))]
        return await ask_shops(self.site, number) if verb in REPLACES else ()

    async def _show(self, request: Request, number: str, refusal: Refusal | None = None) -> Response:
        now, who = self.site.clock(), reader(request)
        chosen = number_in((refusal.form if refusal else request.query_params).get("macro", ""))
        async with self.site.database.reading() as session:
            case = await find_case(session, now, number)
            if case is None:
                raise HTTPException(404)
            saved = await self._saved(session, now, case, chosen)
            board = await board_of(session, Refunds(self.site.desk), who.agent, case.ticket)
            claims = [card.claim for card in case.claims]
            suppliers = await supplier_cards(session, self.site.desk, case.ticket, claims)
            evidence = await evidence_of(session, claims)
            has_lead = is_lead(who.agent) or bool(await approvals.who_may_grant(session, who.id))
        say = words_for(request)
        facts = {
            "case": case,
            "refusal": refusal,
            "saved": saved,
            "suppliers": suppliers,
            "evidence": evidence,
            "refunds": board,
            "names": lambda actors: ", ".join(_name(say, case, actor) for actor in actors),
            "status_word": lambda status: self._status_word(say, status),
            "is_mine": case.ticket.assignee_id == who.id,
            "is_lead": is_lead(who.agent),
            "is_active": is_active(case.ticket.phase),
            "held_for_lead": has_lead and not is_lead(who.agent),
            "told_facts": Facts(say, self.site.rules.time_zone, case.names),
            "may_reopen": case.ticket.phase == Phase.RESOLVED,
            "undelivered": _undelivered(case),
            "named_facts": lambda attachment: _named_facts(say, attachment),
            "why_lost": lambda problem: problem_of(say, problem),
            "is_spam": case.ending == Ending.SPAM,
            "outcomes": list(Outcome),
            **self._prepared(request, case),
            "mark": MARK,
            "title": f"{number} {self.site.retell(say.language, case.ticket.subject)}",
            **self._choices(),
        }
        return await self.show(request, "ticket.html", facts, refusal.status if refusal else 200)

    def _prepared(self, request: Request, case: Case) -> dict[str, Any]:
        """Words for claims that get no code: `?explain=reject/7/expired` are those of another reason."""
        outcome, claim, reason = (*request.query_params.get("explain", "").split("/"), "", "", "")[:3]
        say, buyer = self.site.desk.say, case.buyer
        return {
            "explained": IN_WORDS,
            "reasons": list(Reason),
            "because": {"outcome": outcome, "claim": number_in(claim), "reason": reason},
            "proof_words": lambda card: proof_words(say, buyer, card.claim),
            "prepared": lambda card, chosen, because: prepared(say, buyer, card.claim, chosen, because),
        }

    def _choices(self) -> dict[str, Any]:
        """What the owner's settings let an agent choose from."""
        return {
            "limit": self.site.desk.rules.message_limit,
            "pictures": {"most": MOST, "bytes": BYTES, "megabytes": BYTES >> 20},
            "fields": self.site.desk.rules.fields,
            "field_prefix": FIELD,
            "sleeps": [*SLEEPS, "morning"],
            "statuses": open_statuses(self.site),
            "resolved_statuses": resolved_statuses(self.site),
        }

    async def _saved(self, session: AsyncSession, now: datetime, case: Case, chosen: int) -> Saved:
        macros = await active_macros(session)
        if chosen not in {macro.id for macro in macros}:
            return Saved(macros, None)
        preview = await Macros(self.site.desk).preview(session, now, id_of(case.ticket), chosen)
        return Saved(macros, preview)

    def _status_word(self, say: Words, status: str) -> str:
        """A status as the reader calls it: the owner's word for it, else the phase's."""
        known = self.site.desk.rules.statuses.get(status)
        return (known.words.get(say.language) if known else None) or say.named("phase", status)


async def find_id(session: AsyncSession, number: str) -> int:
    ticket_id = (await session.exec(select(Ticket.id).where(Ticket.number == number))).first()
    if ticket_id is None:
        raise HTTPException(404)
    return ticket_id


def _undelivered(case: Case) -> Line | None:
    """The last words of staff on this ticket, if they did not arrive or may not have."""
    ours = (
        line
        for line in reversed(case.lines)
        if line.message.author == Author.AGENT and not line.message.is_note and line.message.ticket_id == case.ticket.id
    )
    last = next(ours, None)
    return last if last and last.sending and last.sending.state in LOST else None


def _named_facts(say: Words, attachment: Mapping[str, Any]) -> str:
    """What is known of something that came along and is not shown, as " chen.pdf ****8000 (…)"."""
    place = [str(attachment[side]) for side in ("latitude", "longitude") if side in attachment]
    known = [str(attachment[fact]) for fact in ("emoji", "file_name", "phone") if fact in attachment]
    seconds = [f"{attachment['duration']} s"] if "duration" in attachment else []
    why = [f"({say.named('unread', attachment['problem'])})"] if "problem" in attachment else []
    return "".join(f" {one}" for one in (*known, *filter(None, [", ".join(place)]), *seconds, *why))


def _name(say: Words, case: Case, actor: str) -> str:
    """An audit actor as people call it."""
    kind, _, number = actor.partition(":")
    if kind == "agent" and number.isdecimal():
        return case.names.get(int(number), actor)
    return case.buyer.name if kind == "buyer" else say.named("author", kind)
