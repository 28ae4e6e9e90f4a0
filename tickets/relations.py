"""How tickets stand to each other: linked, following, split off, or parts of one incident."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Protocol

from sqlalchemy import func
from sqlmodel import col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from audit.trail import record
from tickets import lifecycle
from tickets.changes import changing, get_ticket, lock_ticket, lock_tickets
from tickets.enclosing import Enclosed
from tickets.errors import InvalidTransition, Nested, NotLinked, SameTicket
from tickets.ladder import Ladder
from tickets.staff import get_agent
from tickets.tables import LinkKind, Message, Outcome, Phase, Ticket, TicketLink, id_of


@dataclass(frozen=True, slots=True)
class Relation:
    """Another ticket, and how it relates to the one that was asked about."""

    ticket: Ticket
    kind: str  # LinkKind
    is_earlier: bool  # the other one was there first


async def relations_of(session: AsyncSession, ticket_id: int) -> list[Relation]:
    """The tickets linked with this one, the oldest first."""
    found = await session.exec(
        select(TicketLink, Ticket)
        .join(Ticket, or_(col(Ticket.id) == col(TicketLink.ticket_id), col(Ticket.id) == col(TicketLink.other_id)))
        .where(or_(TicketLink.ticket_id == ticket_id, TicketLink.other_id == ticket_id), col(Ticket.id) != ticket_id)
        .order_by(col(Ticket.id))
    )
    return [Relation(other, link.kind, link.other_id == other.id) for link, other in found.all()]


async def children_of(session: AsyncSession, parent_id: int) -> list[Ticket]:
    """The tickets that are part of this incident, the oldest first."""
    found = await session.exec(select(Ticket).where(Ticket.parent_id == parent_id).order_by(col(Ticket.id)))
    return list(found.all())


async def relate(session: AsyncSession, now: datetime, one: Ticket, other: Ticket, kind: LinkKind, actor: str) -> bool:
    """Link two tickets, the later naming the earlier; False when they are linked already, however."""
    earlier, later = sorted((one, other), key=id_of)
    if await session.get(TicketLink, (later.id, earlier.id)) is not None:
        return False
    session.add(TicketLink(ticket_id=id_of(later), other_id=id_of(earlier), kind=kind))
    await session.flush()
    _record_both(session, now, later, earlier, "ticket.linked", kind, actor)
    return True


def _record_both(
    session: AsyncSession, now: datetime, one: Ticket, other: Ticket, action: str, kind: str, actor: str
) -> None:
    for ticket, linked in ((one, other), (other, one)):
        record(session, now, actor, action, f"ticket:{ticket.id}", after={"other": linked.number, "kind": kind})


async def make_part(session: AsyncSession, now: datetime, ticket: Ticket, parent: Ticket | None, actor: str) -> None:
    """Put a locked ticket under an incident, or under none."""
    before = await get_ticket(session, ticket.parent_id) if ticket.parent_id else None
    facts = {"parent": parent.number if parent else None, "parent_before": before.number if before else None}
    with changing(session, now, ticket, actor, "ticket.parent_set", **facts):
        ticket.parent_id = parent.id if parent else None


class OneByOne(Protocol):
    """What a desk does with one ticket, and with all of an incident."""

    async def reply(
        self,
        session: AsyncSession,
        now: datetime,
        ticket_id: int,
        agent_id: int,
        text: str,
        version: int | None = None,
        enclosed: Enclosed | None = None,
    ) -> Message: ...

    async def resolve(
        self,
        session: AsyncSession,
        now: datetime,
        ticket_id: int,
        agent_id: int,
        outcome: Outcome,
        text: str | None = None,
        version: int | None = None,
        *,
        is_for_all: bool = False,
    ) -> Ticket: ...


class Relations(Ladder):
    """The verbs of links and incidents."""

    async def link(self, session: AsyncSession, now: datetime, ticket_id: int, other_id: int, agent_id: int) -> bool:
        """Note that two tickets have to do with each other; False when they are linked already. Raises `SameTicket`."""
        await get_agent(session, agent_id)
        one, other = await _lock_pair(session, ticket_id, other_id)
        return await relate(session, now, one, other, LinkKind.RELATED, f"agent:{agent_id}")

    async def unlink(self, session: AsyncSession, now: datetime, ticket_id: int, other_id: int, agent_id: int) -> None:
        """Take such a note back. Raises `NotLinked`, also for what follows or was split off: that is a fact."""
        await get_agent(session, agent_id)
        one, other = await _lock_pair(session, ticket_id, other_id)
        earlier, later = sorted((one, other), key=id_of)
        link = await session.get(TicketLink, (later.id, earlier.id))
        if link is None or link.kind != LinkKind.RELATED:
            raise NotLinked(number=one.number, other=other.number)
        await session.delete(link)
        _record_both(session, now, later, earlier, "ticket.unlinked", link.kind, f"agent:{agent_id}")

    async def set_parent(
        self, session: AsyncSession, now: datetime, ticket_id: int, parent_id: int | None, agent_id: int
    ) -> Ticket:
        """Make the ticket part of an incident, of any buyers, or of none (None).

        One level deep: a part has no parts. Raises `SameTicket`, `Nested`, and `InvalidTransition` for a settled one.
        """
        await get_agent(session, agent_id)
        if parent_id is None:
            ticket, parent = await lock_ticket(session, ticket_id), None
        else:
            ticket, parent = await _lock_pair(session, ticket_id, parent_id)
            await _refuse_parent(session, ticket, parent)
        await make_part(session, now, ticket, parent, f"agent:{agent_id}")
        return ticket

    async def reply_to_all(
        self: OneByOne,
        session: AsyncSession,
        now: datetime,
        parent_id: int,
        agent_id: int,
        text: str,
        version: int | None = None,
        enclosed: Enclosed | None = None,
    ) -> list[Message]:
        """Answer the buyers of an incident, each in their own conversation: the parent's, and its unsettled parts'."""
        parts = await _lock_incident(session, parent_id)
        said = [await self.reply(session, now, parent_id, agent_id, text, version, enclosed)]
        said += [await self.reply(session, now, id_of(part), agent_id, text, None, enclosed) for part in parts]
        return said

    async def resolve_all(
        self: OneByOne,
        session: AsyncSession,
        now: datetime,
        parent_id: int,
        agent_id: int,
        outcome: Outcome,
        text: str | None = None,
        version: int | None = None,
    ) -> list[Ticket]:
        """Resolve an incident with all its unsettled parts: all of them or, when one refuses, none."""
        parts = await _lock_incident(session, parent_id)
        end = partial(self.resolve, session, now, agent_id=agent_id, outcome=outcome, text=text, is_for_all=True)
        return [await end(parent_id, version=version), *[await end(id_of(part)) for part in parts]]


async def _lock_pair(session: AsyncSession, ticket_id: int, other_id: int) -> Sequence[Any]:
    if ticket_id == other_id:
        raise SameTicket(number=(await get_ticket(session, ticket_id)).number)
    return await lock_tickets(session, ticket_id, other_id)


async def _lock_incident(session: AsyncSession, parent_id: int) -> list[Ticket]:
    """The unsettled parts, locked with their parent."""
    parts = [id_of(part) for part in await children_of(session, parent_id)]
    locked = await lock_tickets(session, parent_id, *parts)
    return [part for part in locked[1:] if lifecycle.is_active(part.phase) and part.parent_id == parent_id]


async def _refuse_parent(session: AsyncSession, ticket: Ticket, parent: Ticket) -> None:
    for one in (ticket, parent):
        if one.phase == Phase.CLOSED:
            raise InvalidTransition(number=one.number, phase=one.phase, verb="made part of an incident")
    parts = select(func.count(col(Ticket.id))).where(Ticket.parent_id == ticket.id)
    if parent.parent_id is not None or (await session.exec(parts)).one():
        raise Nested(number=ticket.number, parent=parent.number)
