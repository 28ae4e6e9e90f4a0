"""The page of what got stuck: buyers' messages that were laid aside, and messages of ours that did not arrive."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette_admin.routing import route

from console.banners import DeadLetter, Stranded
from console.refusals import problem_of
from console.shell import Page, reader
from console.words import words_for
from tickets import letters as mail
from tickets import outbox
from tickets.links import MARK
from tickets.rights import is_lead
from tickets.tables import Buyer, Conversation, Mail, Message, Outgoing, Sending, Ticket

Verb = Callable[[AsyncSession, datetime, int, str], Awaitable[None]]
SHOWN = 100  # of each, the newest


@dataclass(frozen=True, slots=True)
class Whose:
    """A buyer, and the number of the latest ticket in that conversation."""

    buyer: str
    number: str | None


@dataclass(frozen=True, slots=True)
class Stuck:
    """What the page shows."""

    letters: Sequence[DeadLetter]
    lost: list[tuple[Outgoing, Message]]
    mails: list[Mail]  # of ours that a mail server did not take
    whose: dict[int, Whose]  # by conversation


class StrandedPage(Page):
    """`/console/stranded`: everybody sees it, leads try again or drop."""

    path = "/stranded"
    add_to_menu = False

    @route("", name="stranded")
    async def look(self, request: Request) -> Response:
        now, who = self.site.clock(), reader(request)
        async with self.site.database.reading() as session:
            letters = await self.site.stranded.letters.latest(session, SHOWN)
            lost = await outbox.lost(session, now - Stranded.SHOWN_FOR, SHOWN)
            ids = {letter.conversation_id for letter in letters} | {message.conversation_id for _, message in lost}
            mails = await mail.stuck(session, now - Stranded.SHOWN_FOR, SHOWN)
            stuck = Stuck(letters, lost, mails, await _whose(session, {one for one in ids if one is not None}))
        facts = {"found": stuck, "may_act": is_lead(who.agent), "mark": MARK, "queued": Sending.QUEUED}
        say = words_for(request)
        facts |= {"title": say("stranded.title"), "days": Stranded.SHOWN_FOR.days}
        facts |= {"why_lost": lambda problem: problem_of(say, problem)}
        return await self.show(request, "stranded.html", facts)

    @route("/{row}/{verb}", methods=["POST"], name="stranded-verb")
    async def act(self, request: Request) -> Response:
        """Try a buyer's message again, or drop it."""
        letters = self.site.stranded.letters
        return await self._act(request, {"retry": letters.retry, "drop": letters.drop})

    @route("/mail/{row}/{verb}", methods=["POST"], name="stranded-mail-verb")
    async def act_on_mail(self, request: Request) -> Response:
        """Try a mail again, or drop it."""
        return await self._act(request, {"retry": mail.try_again, "drop": mail.drop})

    @route("/message/{row}/{verb}", methods=["POST"], name="stranded-message-verb")
    async def act_on_message(self, request: Request) -> Response:
        """Send a message of ours again."""
        return await self._act(request, {"again": outbox.send_again})

    async def _act(self, request: Request, verbs: Mapping[str, Verb]) -> Response:
        row, name, who = request.path_params["row"], request.path_params["verb"], reader(request)
        verb = verbs.get(name)
        if verb is None or not (row.isdecimal() and len(row) < 19):
            raise HTTPException(404)
        if not is_lead(who.agent):
            raise HTTPException(403)
        async with self.telling(request, f"done.{name}") as session:
            await verb(session, self.site.clock(), int(row), f"agent:{who.id}")
        self.site.stranded.count_anew()
        return RedirectResponse("/console/stranded", 303)


async def _whose(session: AsyncSession, conversation_ids: Collection[int]) -> dict[int, Whose]:
    latest = (
        select(func.max(Ticket.id))
        .where(Ticket.conversation_id == Conversation.id)
        .correlate(Conversation)
        .scalar_subquery()
    )
    found = await session.exec(
        select(Conversation.id, Buyer.name, Ticket.number)
        .join(Buyer, col(Buyer.id) == col(Conversation.buyer_id))
        .join(Ticket, col(Ticket.id) == latest, isouter=True)
        .where(col(Conversation.id).in_(conversation_ids))
    )
    return {key: Whose(name, number) for key, name, number in found.all() if key is not None}
