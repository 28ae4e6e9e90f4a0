"""The queue page: the fair order, who waits how long, and what is late."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette_admin.helpers import safe_redirect_url
from starlette_admin.routing import route

from console.doors import typed
from console.shell import HOME, Page, reader
from tickets import notices, queue
from tickets.lifecycle import ACTIVE
from tickets.outbox import LOST
from tickets.routing import GENERAL
from tickets.tables import Author, Clock, Level, Message, Metric, Outgoing, Phase, Ticket

SHOWN = 100  # tickets; nobody works from the end of a longer list
TABS = ("open", "human", "mine", "late", "waiting")


async def undelivered(session: AsyncSession, rows: Sequence[queue.QueueRow]) -> set[int | None]:
    """Of these the tickets on which the last words of staff did not arrive, or may not have."""
    newest = (
        select(func.max(Message.id))
        .where(Message.ticket_id == Outgoing.ticket_id, Message.author == Author.AGENT)
        .where(col(Message.is_note).is_(False))
        .correlate(Outgoing)
        .scalar_subquery()
    )
    found = await session.exec(
        select(Outgoing.ticket_id)
        .where(col(Outgoing.conversation_id).in_({row.ticket.conversation_id for row in rows}))
        .where(col(Outgoing.state).in_(LOST), Outgoing.message_id == newest)
    )
    return set(found.all())


@dataclass(frozen=True, slots=True)
class Place:
    """A row of the queue; `position` is 1 for who is next, None for a ticket in somebody's hands, or asleep."""

    row: queue.QueueRow
    position: int | None


def conditions(tab: str, agent_id: int, now: datetime) -> tuple[Any, ...]:
    """Which tickets a tab shows."""
    is_open, is_active = col(Ticket.phase) == Phase.OPEN, col(Ticket.phase).in_(ACTIVE)
    late = (
        select(Clock.id)
        .where(Clock.ticket_id == Ticket.id, Clock.metric == Metric.HANDLING, col(Clock.due_at) < now)
        .where(col(Clock.met_at).is_(None), col(Clock.stopped_at).is_(None))
        .exists()
    )
    return {
        "open": (is_open,),
        "human": (is_open, col(Ticket.level) >= Level.HUMAN_QUEUE),
        "mine": (is_active, col(Ticket.assignee_id) == agent_id),
        "late": (is_active, late),
        "waiting": (col(Ticket.phase) == Phase.WAITING,),
    }[tab]


async def counts(session: AsyncSession, agent_id: int, now: datetime) -> dict[str, int]:
    """How many tickets each tab holds."""
    numbers = [
        select(func.count(col(Ticket.id))).where(*conditions(tab, agent_id, now)).scalar_subquery() for tab in TABS
    ]
    row = (await session.exec(select(*numbers))).one()
    return dict(zip(TABS, row, strict=True))


def placed(rows: Sequence[queue.QueueRow], tab: str) -> list[Place]:
    """Rows with their places. "open" and "human" begin where the queue begins, so that counting gives the place."""
    if tab not in ("open", "human"):
        return [Place(row, None) for row in sorted(rows, key=lambda row: row.ticket.phase != Phase.OPEN)]
    places, position = [], 0
    for row in rows:
        stands = queue.stands(row.ticket)
        position += stands
        places.append(Place(row, position if stands else None))
    return places


class QueuePage(Page):
    word = "menu.queue"
    path = "/"
    route_name = "index"

    @route("")
    async def index(self, request: Request) -> Response:
        tab = request.query_params.get("tab", "open")
        tab = tab if tab in TABS else "open"
        now, who = self.site.clock(), reader(request)
        async with self.site.database.reading() as session:
            rows = await queue.rows(session, now, *conditions(tab, who.id, now), limit=SHOWN)
            facts = {
                "tab": tab,
                "tabs": await counts(session, who.id, now),
                "places": placed(rows, tab),
                "undelivered": await undelivered(session, rows),
                "is_away": who.agent.is_away,
                "general": GENERAL,
            }
        return await self.show(request, "queue.html", facts)

    @route("/away", methods=["POST"])
    async def go_away(self, request: Request) -> Response:
        """Nothing new for the reader until they are back; what they hold stays, or goes back to the queue."""
        give_back = typed(await request.form(), "give_back") == "yes"
        who = reader(request).id
        async with self.site.database.writing() as session:
            await self.site.desk.set_away(session, self.site.clock(), who, who, give_back=give_back)
        return RedirectResponse(HOME, 303)

    @route("/back", methods=["POST"])
    async def come_back(self, request: Request) -> Response:
        who = reader(request).id
        async with self.site.database.writing() as session:
            await self.site.desk.set_back(session, self.site.clock(), who, who)
        return RedirectResponse(HOME, 303)

    @route("/notices/seen", methods=["POST"])
    async def see_notices(self, request: Request) -> Response:
        form = await request.form()
        up_to = typed(form, "up_to")
        if up_to.isdecimal():
            async with self.site.database.writing() as session:
                await notices.mark_seen(session, self.site.clock(), reader(request).id, int(up_to))
        return RedirectResponse(safe_redirect_url(typed(form, "next") or HOME, request, HOME), 303)
