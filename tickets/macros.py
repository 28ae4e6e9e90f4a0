"""Macros: saved replies with actions (reply, status, tags, assign), carried out by one verb and audited as one.

Leads keep them, everybody uses them. A reply may name {number}, {buyer}, {product} and {order} of the ticket; what is
sent is what the agent saw in the preview, and may have changed there.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from audit.trail import record
from shop.tables import Product
from tickets.changes import changing, get_ticket, lock_ticket
from tickets.desk import Desk
from tickets.errors import (
    EmptyMacro,
    MacroNameTaken,
    NotAllowed,
    UnfilledPlaceholder,
    UnknownMacro,
    UnknownPlaceholder,
    UnknownStatus,
)
from tickets.labels import put_tags, read_tag
from tickets.rights import is_lead, require_hands
from tickets.staff import get_agent
from tickets.tables import Agent, Buyer, Claim, Macro, Outcome, Phase, Ticket, id_of
from tickets.texts import require_no_code, tidy

PLACEHOLDERS = ("number", "buyer", "product", "order")
NAME_LIMIT = 60  # characters
_PLACEHOLDER = re.compile(r"\{\s*(\w*)\s*\}")


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a macro does, as a lead typed it."""

    name: str
    reply: str = ""
    status: str = ""
    tags: Sequence[str] = ()
    assign_to_id: int | None = None


@dataclass(frozen=True, slots=True)
class Preview:
    """What a macro would do to one ticket."""

    macro: Macro
    reply: str  # filled in; a placeholder that the ticket has nothing for still stands there
    missing: tuple[str, ...]  # those placeholders
    assignee: Agent | None
    needs_outcome: bool  # it ends the cycle: the agent says how


def fill(text: str, facts: Mapping[str, str]) -> str:
    """The text with what is known in place of its placeholders. What is put in is not read again."""
    return _PLACEHOLDER.sub(lambda found: facts.get(found[1]) or found[0], text)


def missing_of(text: str) -> tuple[str, ...]:
    """The placeholders that still stand in a text, each once."""
    named = (name for name in _PLACEHOLDER.findall(text) if name in PLACEHOLDERS)
    return tuple(f"{{{name}}}" for name in dict.fromkeys(named))


async def active_macros(session: AsyncSession) -> list[Macro]:
    """The macros to choose from, by name."""
    found = await session.exec(select(Macro).where(col(Macro.is_active).is_(True)).order_by(col(Macro.name)))
    return list(found.all())


async def get_macro(session: AsyncSession, macro_id: int) -> Macro:
    """Raises `UnknownMacro`."""
    macro = await session.get(Macro, macro_id)
    if macro is None:
        raise UnknownMacro(macro=macro_id)
    return macro


@dataclass(frozen=True)
class Macros:
    """The verbs of macros."""

    desk: Desk

    async def keep(
        self, session: AsyncSession, now: datetime, agent_id: int, recipe: Recipe, macro_id: int | None = None
    ) -> Macro:
        """Make a macro, or change one. For leads.

        Raises `EmptyMacro`, `CodeInText`, `UnknownPlaceholder`, `UnknownStatus`, `BadTag`, `UnknownAgent`,
        `MacroNameTaken`.
        """
        await self._require_lead(session, agent_id)
        values = await self._check(session, recipe)
        macro = await get_macro(session, macro_id) if macro_id is not None else Macro(name="", created_at=now)
        before = _told(macro) if macro_id is not None else None
        try:
            async with session.begin_nested():
                for name, value in values.items():
                    setattr(macro, name, value)
                session.add(macro)
        except IntegrityError:
            raise MacroNameTaken(name=values["name"]) from None
        action = "macro.changed" if before else "macro.made"
        record(session, now, f"agent:{agent_id}", action, f"macro:{macro.id}", before, _told(macro))
        return macro

    async def switch(
        self, session: AsyncSession, now: datetime, agent_id: int, macro_id: int, *, is_active: bool
    ) -> Macro:
        """Take a macro out of the choice, or put it back. For leads."""
        await self._require_lead(session, agent_id)
        macro = await get_macro(session, macro_id)
        if macro.is_active != is_active:
            before = {"is_active": macro.is_active}
            macro.is_active = is_active
            session.add(macro)
            after = {"is_active": is_active}
            record(session, now, f"agent:{agent_id}", "macro.switched", f"macro:{macro_id}", before, after)
        return macro

    async def preview(self, session: AsyncSession, now: datetime, ticket_id: int, macro_id: int) -> Preview:
        """What the macro would say and do; changes nothing."""
        macro, ticket = await get_macro(session, macro_id), await get_ticket(session, ticket_id)
        reply = fill(macro.reply or "", await _facts(session, ticket))
        assignee = await session.get(Agent, macro.assign_to_id) if macro.assign_to_id else None
        return Preview(macro, reply, missing_of(reply), assignee, self._ends_cycle(macro))

    async def use(
        self,
        session: AsyncSession,
        now: datetime,
        ticket_id: int,
        macro_id: int,
        agent_id: int,
        text: str | None = None,
        outcome: Outcome = Outcome.INSTRUCT,
        version: int | None = None,
    ) -> Ticket:
        """Do all that the macro does, or nothing. `text` is its reply as the agent changed it in the preview.

        Raises `UnfilledPlaceholder`, and what the verbs raise that it consists of.
        """
        macro = await get_macro(session, macro_id)
        if not macro.is_active:
            raise UnknownMacro(macro=macro_id)
        ticket = await lock_ticket(session, ticket_id, version)
        await require_hands(session, ticket, agent_id)
        reply = fill(macro.reply or "", await _facts(session, ticket)) if text is None else text
        if macro.reply and (missing := missing_of(reply)):
            raise UnfilledPlaceholder(number=ticket.number, placeholder=missing[0])
        facts = {"macro": macro.name}
        with changing(session, now, ticket, f"agent:{agent_id}", "ticket.macro_used", **facts) as change:
            ticket.assignee_id = ticket.assignee_id or agent_id  # whoever acts on a free ticket has it
            if new := await put_tags(session, ticket, macro.tags):
                change["tags"] = new
            await self._answer(session, now, ticket, macro, agent_id, reply if macro.reply else "", outcome)
            if macro.assign_to_id is not None:
                await self.desk.assign(session, now, ticket_id, agent_id, macro.assign_to_id)
        return ticket

    async def _answer(
        self,
        session: AsyncSession,
        now: datetime,
        ticket: Ticket,
        macro: Macro,
        agent_id: int,
        reply: str,
        outcome: Outcome,
    ) -> None:
        """The reply and the status; an ending takes the reply with it."""
        status = self.desk.rules.statuses.get(macro.status or "")
        if status is not None and status.phase == Phase.RESOLVED:
            await self.desk.resolve(session, now, id_of(ticket), agent_id, outcome, reply or None)
        elif reply:
            await self.desk.reply(session, now, id_of(ticket), agent_id, reply)
        if status is not None and ticket.status != status.name:
            await self.desk.set_status(session, now, id_of(ticket), agent_id, status.name)

    def _ends_cycle(self, macro: Macro) -> bool:
        status = self.desk.rules.statuses.get(macro.status or "")
        return status is not None and status.phase == Phase.RESOLVED

    async def _check(self, session: AsyncSession, recipe: Recipe) -> dict[str, Any]:
        """The columns of a macro that may be kept."""
        name = " ".join(recipe.name.split())[:NAME_LIMIT]
        reply = tidy(recipe.reply, self.desk.rules.message_limit) if recipe.reply.strip() else None
        tags = list(dict.fromkeys(map(read_tag, recipe.tags)))
        if not name or not (reply or recipe.status or tags or recipe.assign_to_id):
            raise EmptyMacro()
        require_no_code("\n".join((name, reply or "", *recipe.tags)))
        for placeholder in _PLACEHOLDER.findall(reply or ""):
            if placeholder not in PLACEHOLDERS:
                known = " ".join(f"{{{name}}}" for name in PLACEHOLDERS)
                raise UnknownPlaceholder(placeholder=f"{{{placeholder}}}", known=known)
        if recipe.status and recipe.status not in self.desk.rules.statuses:
            raise UnknownStatus(status=recipe.status)
        if recipe.assign_to_id is not None:
            await get_agent(session, recipe.assign_to_id)
        return {
            "name": name,
            "reply": reply,
            "status": recipe.status or None,
            "tags": tags,
            "assign_to_id": recipe.assign_to_id,
        }

    async def _require_lead(self, session: AsyncSession, agent_id: int) -> None:
        agent = await get_agent(session, agent_id)
        if not is_lead(agent):
            raise NotAllowed(role=agent.role, verb="keep macros")


async def _facts(session: AsyncSession, ticket: Ticket) -> dict[str, str]:
    """What the placeholders stand for; what the ticket does not have is left out."""
    buyer = await session.get_one(Buyer, ticket.buyer_id)
    facts = {"number": ticket.number, "buyer": buyer.name, "product": await _product(session, ticket)}
    facts["order"] = (ticket.order_ref or "").rpartition("/")[2]
    return {name: fact for name, fact in facts.items() if fact}


async def _product(session: AsyncSession, ticket: Ticket) -> str:
    """The goods by the name that the buyer knows: that of the claim, else the shop's, else their number."""
    claimed = select(Claim.product_name).where(Claim.ticket_id == ticket.id).order_by(col(Claim.id).desc()).limit(1)
    if name := (await session.exec(claimed)).first():
        return name
    shop = (ticket.order_ref or "").partition("/")[0]
    named = select(Product.name).where(Product.sku == ticket.product, Product.shop == shop)
    return (await session.exec(named)).first() or ticket.product or ""


def _told(macro: Macro) -> dict[str, Any]:
    return macro.model_dump(include={"name", "reply", "status", "tags", "assign_to_id"})
