"""The page of refunds and second persons, and the forms about them that stand on a ticket's page, too."""

from collections.abc import Awaitable, Callable

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette_admin import flash
from starlette_admin.helpers import safe_redirect_url
from starlette_admin.routing import route

from audit.errors import KadeskError
from console.doors import typed
from console.orders import ask_shops, learn
from console.refund_cards import TABS, cards_of, count_tabs, second_cards
from console.refusals import sentence_of
from console.shell import Page, reader
from console.verbs import number_in
from console.words import words_for
from tickets import approvals
from tickets.changes import lock_ticket
from tickets.errors import UnknownTicket
from tickets.refunds import Refunds
from tickets.second_person import SecondPerson
from tickets.tables import Approval, Ticket

HERE = "/console/refunds"
SHOWN = 200  # refunds, the newest


class RefundsPage(Page):
    """`/console/refunds?tab=waiting`: what waits for a yes first; then what a person must pay, and the rest."""

    word = "menu.refunds"
    path = "/refunds"
    route_name = "refunds"

    @route("")
    async def index(self, request: Request) -> Response:
        tab = request.query_params.get("tab", "waiting")
        tab = tab if tab in TABS else "waiting"
        who = reader(request)
        async with self.site.database.reading() as session:
            verbs = Refunds(self.site.desk)
            facts = {
                "tab": tab,
                "tabs": await count_tabs(session),
                "cards": await cards_of(session, verbs, who.agent, *TABS[tab], limit=SHOWN),
                "seconds": await second_cards(session, who.agent) if tab == "waiting" else [],
            }
        return await self.show(request, "refunds.html", facts)

    @route("/second/ask", methods=["POST"], name="second-ask")
    async def ask_second(self, request: Request) -> Response:
        form = await request.form()
        orders = await ask_shops(self.site, typed(form, "ticket", 20))

        async def verb(session: AsyncSession) -> None:
            who = (await _ticket_id(session, form), reader(request).id)
            claim = number_in(typed(form, "claim"))
            await lock_ticket(session, who[0])
            await learn(session, orders)
            await SecondPerson(self.site.claims).replace(session, self.site.clock(), *who, claim)

        return await self._do(request, form, verb, "second_ask")

    @route("/second/{approval}/{verb}", methods=["POST"], name="second-verb")
    async def answer(self, request: Request) -> Response:
        """Grant a replacement as the second person, or refuse it; who asked takes it back."""
        form, name = await request.form(), request.path_params["verb"]
        seconds = SecondPerson(self.site.claims)
        found = {"grant": seconds.grant, "refuse": seconds.refuse}.get(name)
        if found is None:
            raise HTTPException(404)
        approval = number_in(request.path_params["approval"])
        orders = await ask_shops(self.site, await self._number_of(approval)) if name == "grant" else ()

        async def verb(session: AsyncSession) -> None:
            if orders:
                await lock_ticket(session, (await approvals.get_open(session, approval)).ticket_id)
                await learn(session, orders)
            await found(session, self.site.clock(), approval, reader(request).id)

        return await self._do(request, form, verb, f"second_{name}")

    @route("/{refund}/{verb}", methods=["GET"], name="refund-back")
    async def come_back(self, request: Request) -> Response:
        """Signing in again leads to the address of the form that was refused: back to the page."""
        return RedirectResponse(HERE, 303)

    @route("/{refund}/{verb}", methods=["POST"], name="refund-verb")
    async def act(self, request: Request) -> Response:
        form, name = await request.form(), request.path_params["verb"]
        refund, text, who = number_in(request.path_params["refund"]), typed(form, "text"), reader(request).id
        verbs, now = Refunds(self.site.desk), self.site.clock()

        async def verb(session: AsyncSession) -> None:
            match name:
                case "approve":
                    await verbs.approve(session, now, refund, who)
                case "refuse":
                    await verbs.refuse(session, now, refund, who, text)
                case "paid":
                    await verbs.mark_paid(session, now, refund, who, text)
                case "unpaid":
                    await verbs.give_up(session, now, refund, who, text)
                case _:
                    raise HTTPException(404)

        return await self._do(request, form, verb, f"refund_{name}")

    async def _number_of(self, approval_id: int) -> str:
        """The ticket of a question for a second person; "" where there is none."""
        async with self.site.database.reading() as session:
            about = select(Ticket.number).join(Approval, col(Approval.ticket_id) == col(Ticket.id))
            return (await session.exec(about.where(Approval.id == approval_id))).first() or ""

    async def _do(
        self, request: Request, form: FormData, verb: Callable[[AsyncSession], Awaitable[None]], done: str
    ) -> Response:
        try:
            async with self.site.database.writing() as session:
                await verb(session)
        except KadeskError as error:
            return self._refuse(request, form, error)
        flash(request, words_for(request)(f"done.{done}"), "success")
        return _back(request, form)

    def _refuse(self, request: Request, form: FormData, error: KadeskError) -> Response:
        flash(request, sentence_of(words_for(request), error), "error")
        return _back(request, form)


def _back(request: Request, form: FormData) -> Response:
    """To the page that the form stood on."""
    return RedirectResponse(safe_redirect_url(typed(form, "next") or HERE, request, HERE), 303)


async def _ticket_id(session: AsyncSession, form: FormData) -> int:
    number = typed(form, "ticket", 20)
    found = (await session.exec(select(Ticket.id).where(Ticket.number == number))).first()
    if found is None:
        raise UnknownTicket(ticket=number)
    return found
