"""The lists: all tickets, buyers, the audit trail. Read only; the desk's verbs are the only way to change anything."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

from sqlalchemy import Select, String, cast, func, literal, or_, true
from sqlalchemy.exc import InterfaceError, OperationalError, StatementError
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette_admin import RequestAction
from starlette_admin.contrib.sqlmodel import ModelView
from starlette_admin.fields import BaseField, IntegerField, StringField

from audit.tables import AuditRow
from console import times
from console.facts import Facts
from console.rules import Site
from console.shell import reader, told_everywhere
from console.words import words_for
from tickets import canary
from tickets.labels import all_tags, tags_of_all
from tickets.tables import Agent, Buyer, Identity, Role, Ticket, TicketTag, id_of
from tickets.words import INCIDENT

BUYER_FILTER = re.compile(r"buyer_id__eq=(\d{1,9})")  # as the list of buyers links to a buyer's tickets
NOBODY = (canary.NAME, INCIDENT)  # channels without a buyer


def column(name: str, show: Callable[[Request, Any], str] | None = None, **facts: Any) -> StringField:
    """A column of a list, and how its values are written."""
    return StringField(name, formatter={RequestAction.LIST: show} if show else None, **facts)


def as_level(_request: Request, value: Any) -> str:
    return f"L{value}"


def word(room: str) -> Callable[[Request, Any], str]:
    return lambda request, value: words_for(request).named(room, value)


def action_word(request: Request, action: str) -> str:
    """In words, and as it is searched for."""
    said = words_for(request).named("action", action)
    return action if said == action else f"{said} ({action})"


def name_of_buyer(request: Request, value: Any) -> str:
    return str(request.state.buyers.get(value, value))


@contextmanager
def asked_wrongly(request: Request) -> Iterator[None]:
    """A number that no column holds, or a word for an instant, is a wrong address and no fault of ours."""
    try:
        yield
    except (OperationalError, InterfaceError):  # the database is away
        raise
    except (OverflowError, StatementError) as error:
        if not request.query_params:
            raise
        raise HTTPException(400) from error


class ReadOnlyList(ModelView):
    """A table with the shell's search, sorting, filters and pages, in our look."""

    table: ClassVar[type[Any]]
    word: ClassVar[str]
    presets: ClassVar[dict[str, str]] = {}  # key of words → a filter in the shell's language
    called: ClassVar[dict[str, str]] = {}  # column → the word for it, where that is another one
    role = Role.AGENT  # from which the list is shown
    real: ClassVar[Any] = true()  # what is listed: all but the canary, which is nobody's

    actions = row_actions = ()
    fields_default_sort = (("id", True),)  # newest first
    page_size = 50
    page_size_options = (50,)

    def __init__(self, site: Site) -> None:
        self.site = site
        self.fields = self.columns()
        super().__init__(self.table)

    def columns(self) -> list[BaseField]:
        raise NotImplementedError

    def get_list_query(self, request: Request) -> Select[Any]:
        return super().get_list_query(request).where(self.real)

    def get_count_query(self, request: Request) -> Select[Any]:
        return super().get_count_query(request).where(self.real)

    def instant(self, name: str) -> StringField:
        zone = self.site.rules.time_zone
        return column(name, lambda _request, at: times.stamp(at, zone) if at else "", searchable=False)

    async def find_all(self, request: Request, *choices: Any, **more: Any) -> Sequence[Any]:
        with asked_wrongly(request):
            found: Sequence[Any] = await super().find_all(request, *choices, **more)
        async with self.site.database.reading() as session:
            beside = await self.look_beside(request, session, found)
        request.state.beside = await told_everywhere(self.site, request) | beside
        return found

    async def look_beside(self, request: Request, session: AsyncSession, rows: Sequence[Any]) -> dict[str, Any]:
        """What the page shows beside the columns of the table."""
        return {}

    async def count(self, request: Request, *choices: Any, **more: Any) -> int:
        with asked_wrongly(request):
            return await super().count(request, *choices, **more)

    def title(self, request: Request) -> str:
        return words_for(request)(self.word)

    def address(self, request: Request) -> str:
        return f"/console/{self.key}/list"

    def link(self, row: dict[str, Any]) -> str | None:
        """Where a row leads."""
        return None

    def is_active(self, request: Request) -> bool:
        return request.path_params.get("key") == self.key

    def is_accessible(self, request: Request) -> bool:
        return Role(reader(request).agent.role).rank >= self.role.rank

    def can_create(self, request: Request) -> bool:
        return False

    can_edit = can_delete = can_import = can_export = can_view_detail = can_create


class TicketList(ReadOnlyList):
    table = Ticket
    key = "all-tickets"
    real = col(Ticket.category) != canary.NAME
    word = "menu.tickets"
    presets: ClassVar[dict[str, str]] = {
        "list.all": "",
        "phase.open": "phase__eq=open",
        "phase.waiting": "phase__eq=waiting",
        "phase.resolved": "phase__eq=resolved",
        "phase.closed": "phase__eq=closed",
        "list.escalated": "level__gte=1",
    }

    def columns(self) -> list[BaseField]:
        return [
            IntegerField("id", exclude_from_list=True, searchable=False),
            column("number"),
            column("subject", lambda request, value: self.site.retell(words_for(request).language, value)),
            column("category", word("category"), searchable=False),
            column("phase", word("phase"), searchable=False),
            IntegerField("level", searchable=False, formatter={RequestAction.LIST: as_level}),
            column("order_ref"),
            IntegerField("buyer_id", searchable=False, formatter={RequestAction.LIST: name_of_buyer}),
            self.instant("created_at"),
        ]

    def link(self, row: dict[str, Any]) -> str | None:
        return f"/console/tickets/{row['number']}"

    def get_search_query(self, request: Request, term: str) -> Any:
        """By the name of the buyer, too, which the list shows."""
        buyers = select(Buyer.id).where(col(Buyer.name).ilike(f"%{term}%"))
        return or_(super().get_search_query(request, term), col(Ticket.buyer_id).in_(buyers))

    def get_list_query(self, request: Request) -> Select[Any]:
        return self._tagged(request, super().get_list_query(request))

    def get_count_query(self, request: Request) -> Select[Any]:
        return self._tagged(request, super().get_count_query(request))

    def _tagged(self, request: Request, query: Select[Any]) -> Select[Any]:
        """Those with the tag of the address, if it names one."""
        tag = request.query_params.get("tag")
        carriers = select(TicketTag.ticket_id).where(TicketTag.tag == tag)
        return query.where(col(Ticket.id).in_(carriers)) if tag else query

    async def look_beside(self, request: Request, session: AsyncSession, rows: Sequence[Any]) -> dict[str, Any]:
        """Who the buyers are, also the one whose tickets alone are asked for; and the tags, of all and of each."""
        asked = BUYER_FILTER.fullmatch(request.query_params.get("filter", ""))
        ids = {ticket.buyer_id for ticket in rows} | ({int(asked[1])} if asked else set())
        names = dict((await session.exec(select(Buyer.id, Buyer.name).where(col(Buyer.id).in_(ids)))).all())
        request.state.buyers = names
        return {
            "filter_name": names.get(int(asked[1])) if asked else None,
            "every_tag": [use.tag for use in await all_tags(session)],
            "tags": await tags_of_all(session, [id_of(ticket) for ticket in rows]),
        }


class BuyerList(ReadOnlyList):
    table = Buyer
    key = "buyers"
    real = col(Buyer.id).not_in(select(Identity.buyer_id).where(col(Identity.channel).in_(NOBODY)))
    word = "menu.buyers"
    presets: ClassVar[dict[str, str]] = {
        "list.all": "",
        "tier.vip": "tier__eq=vip",
        "tier.merchant": "tier__eq=merchant",
    }

    def columns(self) -> list[BaseField]:
        return [
            column("name"),
            column("tier", word("tier"), searchable=False),
            column("language", word("language"), searchable=False),
            self.instant("created_at"),
            IntegerField("id", searchable=False),  # by which `kadesk users manage` calls a merchant
        ]

    def link(self, row: dict[str, Any]) -> str | None:
        return f"/console/all-tickets/list?filter=buyer_id__eq%3D{row['id']}"


class AuditList(ReadOnlyList):
    table = AuditRow
    key = "audit"
    word = "menu.audit"
    called: ClassVar[dict[str, str]] = {"subject": "object"}
    role = Role.LEAD

    def columns(self) -> list[BaseField]:
        return [
            IntegerField("id", searchable=False),
            self.instant("at"),
            column("actor", lambda request, actor: request.state.facts.who(actor)),
            column("action", action_word),
            column("subject", lambda request, subject: request.state.numbers.get(subject, subject)),
            column("before", lambda request, facts: request.state.facts(facts), searchable=False, orderable=False),
            column("after", lambda request, facts: request.state.facts(facts), searchable=False, orderable=False),
        ]

    def get_search_query(self, request: Request, term: str) -> Any:
        """By what the list shows, too: rows hold "ticket:7" and "agent:3", people know K-000007 and names."""
        plain = term.strip().lower()
        tickets = select(literal("ticket:") + cast(col(Ticket.id), String)).where(func.lower(Ticket.number) == plain)
        agents = select(literal("agent:") + cast(col(Agent.id), String)).where(col(Agent.name).ilike(f"%{plain}%"))
        shown = (col(AuditRow.subject).in_(tickets), col(AuditRow.actor).in_(agents))
        return or_(super().get_search_query(request, term), *shown)

    def link(self, row: dict[str, Any]) -> str | None:
        return f"/console/tickets/{row['subject']}" if row["subject"].startswith("K-") else None

    async def look_beside(self, request: Request, session: AsyncSession, rows: Sequence[Any]) -> dict[str, Any]:
        """The names of staff, and the numbers of tickets, by which people know what a row speaks of."""
        names = dict((await session.exec(select(Agent.id, Agent.name))).all())
        request.state.facts = Facts(words_for(request), self.site.rules.time_zone, names)
        ids = {int(row.subject[7:]) for row in rows if re.fullmatch(r"ticket:\d{1,9}", row.subject)}
        found = await session.exec(select(Ticket.id, Ticket.number).where(col(Ticket.id).in_(ids)))
        request.state.numbers = {f"ticket:{ticket_id}": number for ticket_id, number in found.all()}
        return {}
