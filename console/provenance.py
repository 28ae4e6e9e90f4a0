"""One page about one code: where it came from, where it went, what was said of it. Masked, and every look audited."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette_admin.routing import route

from audit.tables import AuditRow
from audit.trail import record
from console.doors import typed
from console.facts import Facts
from console.shell import LeadPage, Page, reader
from console.verbs import number_in
from console.words import words_for
from shop.provenance import Provenance, find_provenance, search
from shop.tables import Code
from tickets.lifecycle import ACTIVE
from tickets.rights import is_lead
from tickets.supplier_checks import find_checks
from tickets.tables import Agent, Claim, SupplierCheck, Ticket

TRAIL = 100  # audit rows, the newest
LONGEST = 500  # characters of what is searched for
Known = TypeVar("Known", Claim, Code)


@dataclass(frozen=True, slots=True)
class Told:
    """A claim about the code, or about one that it stood in for."""

    claim: Claim
    number: str | None  # of its ticket; None: the bot settled it
    check: SupplierCheck | None


@dataclass(frozen=True, slots=True)
class Life:
    """All that is known of one code."""

    found: Provenance
    masked: str
    told: list[Told]  # oldest first
    trail: list[AuditRow]  # newest first
    names: dict[str, str]  # of actors


class CodesPage(LeadPage):
    """`/console/codes`: leads search."""

    word = "menu.codes"
    path = "/codes"
    route_name = "codes"

    @route("")
    async def index(self, request: Request) -> Response:
        return await self._results(request, None)

    @route("/find", methods=["GET"], name="codes-back")
    async def come_back(self, request: Request) -> Response:
        return RedirectResponse("/console/codes", 303)

    @route("/find", methods=["POST"], name="codes-find")
    async def find(self, request: Request) -> Response:
        """What was typed comes in the body of a form and is hashed; it stands in no address, no page and no row."""
        asked = typed(await request.form(), "code", LONGEST)
        async with self.site.database.reading() as session:
            codes = list(await search(session, self.site.vault, asked))
        if len(codes) == 1:
            return RedirectResponse(f"/console/code/{codes[0].id}", 303)
        return await self._results(request, codes)

    async def _results(self, request: Request, codes: list[Code] | None) -> Response:
        return await self.show(request, "codes.html", {"codes": codes})


class CodePage(Page):
    """`/console/code/7`, `/console/code/claim/3`: a lead sees every code, an agent those of tickets in their hands."""

    path = "/code"
    add_to_menu = False

    @route("/claim/{claim}", name="codes-of-claim")
    async def of_claim(self, request: Request) -> Response:
        claim = await self._get(request, Claim, "claim")
        return await self._show(request, claim.fingerprint, claim)

    @route("/{code}", name="code")
    async def of_code(self, request: Request) -> Response:
        return await self._show(request, (await self._get(request, Code, "code")).fingerprint)

    async def _get(self, request: Request, table: type[Known], name: str) -> Known:
        """The row that the address names; to an agent one that is not there looks like one that is not theirs."""
        async with self.site.database.reading() as session:
            row = await session.get(table, number_in(request.path_params[name]))
        if row is None:
            raise HTTPException(404 if is_lead(reader(request).agent) else 403)
        return row

    async def _show(self, request: Request, fingerprint: str, claim: Claim | None = None) -> Response:
        now, who, say = self.site.clock(), reader(request), words_for(request)
        place = (claim.shop, claim.order_no) if claim else None
        async with self.site.database.writing() as session:
            found = await find_provenance(session, fingerprint, place)
            prints = {fingerprint, *(step.fingerprint for step in found.chain)}
            if not is_lead(who.agent) and not await _holds(session, who.id, prints):
                raise HTTPException(403)
            subject = f"code:{found.code.id}" if found.code else f"claim:{claim.id if claim else ''}"
            record(session, now, f"agent:{who.id}", "code.looked_up", subject)
        async with self.site.database.reading() as session:
            told = await _told(session, prints)
            masked = found.code.masked if found.code else claim.masked if claim else ""
            life = Life(found, masked, told, await _trail(session, found, told), await _names(session))
        facts: dict[str, Any] = {"life": life, "title": say("code.title", masked=masked)}
        facts["by"] = lambda actor: life.names.get(actor) or say.named("author", actor.partition(":")[0])
        names: dict[int | None, str] = {int(actor.removeprefix("agent:")): name for actor, name in life.names.items()}
        facts["told_facts"] = Facts(say, self.site.rules.time_zone, names)
        return await self.show(request, "code.html", facts)


async def _holds(session: AsyncSession, agent_id: int, fingerprints: Collection[str]) -> bool:
    """Whether this agent holds an unsettled ticket about one of these codes."""
    mine = (
        select(Ticket.id)
        .join(Claim, col(Claim.ticket_id) == col(Ticket.id))
        .where(Ticket.assignee_id == agent_id, col(Ticket.phase).in_(ACTIVE))
        .where(col(Claim.fingerprint).in_(fingerprints))
    )
    return (await session.exec(mine.limit(1))).first() is not None


async def _told(session: AsyncSession, fingerprints: Collection[str]) -> list[Told]:
    found = await session.exec(
        select(Claim, Ticket.number)
        .join(Ticket, col(Ticket.id) == col(Claim.ticket_id), isouter=True)
        .where(col(Claim.fingerprint).in_(fingerprints))
        .order_by(col(Claim.id))
    )
    rows = found.all()
    checks = await find_checks(session, [claim.id for claim, _ in rows if claim.id is not None])
    return [Told(claim, number, checks.get(claim.id or 0)) for claim, number in rows]


async def _trail(session: AsyncSession, found: Provenance, told: list[Told]) -> list[AuditRow]:
    """What was written about the code, its chain, its batch and its claims."""
    subjects = {f"claim:{one.claim.id}" for one in told}
    subjects |= {f"code:{step.code.id}" for step in found.chain if step.code}
    if found.code is not None:
        subjects |= {f"code:{found.code.id}", f"batch:{found.code.batch_id}"}
    rows = select(AuditRow).where(col(AuditRow.subject).in_(subjects)).order_by(col(AuditRow.id).desc()).limit(TRAIL)
    return list((await session.exec(rows)).all())


async def _names(session: AsyncSession) -> dict[str, str]:
    return {f"agent:{agent_id}": name for agent_id, name in (await session.exec(select(Agent.id, Agent.name))).all()}
