"""The page of what got stuck: buyers' messages that were laid aside, and messages of ours that did not arrive."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette_admin.routing import route

from console.banners import DeadLetter, Stranded, banners
from console.refusals import problem_of
from console.shell import Page, reader
from console.words import words_for
from tickets import outbox
from tickets.links import MARK
from tickets.rights import is_lead
from tickets.tables import Buyer, Conversation, Message, Outgoing, Ticket

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
            stuck = Stuck(letters, lost, await _whose(session, {one for one in ids if one is not None}))
            news = await banners(session, now, self.site.rules.sweep_stale, who.id)
        facts = {"found": stuck, "banners": news, "may_act": is_lead(who.agent), "mark": MARK}
        say = words_for(request)
        facts |= {"title": say("stranded.title"), "days": Stranded.SHOWN_FOR.days}
        facts |= {"why_lost": lambda problem: problem_of(say, problem)}
        return await self.show(request, "stranded.html", facts)

    @route("/{row}/{verb}", methods=["POST"], name="stranded-verb")
    async def act(self, request: Request) -> Response:
        """Try a message again, or drop it."""
        row, name = request.path_params["row"], request.path_params["verb"]
        letters, who = self.site.stranded.letters, reader(request)
        verb = {"retry": letters.retry, "drop": letters.drop}.get(name)
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
