"""How a ticket row changes: locked first, along the allowed moves, counted and audited.

Everybody takes locks in one order, so that no two transactions wait for each other: a conversation or an account; then
tickets, by their ids; then what belongs to them: messages on their way, clocks, claims. Who needs a ticket later than
something that belongs to it looks first, locks, and looks again.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from secrets import token_hex
from typing import Any, Protocol

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from audit.trail import record
from tickets import lifecycle
from tickets.errors import InvalidTransition, StaleTicket, UnknownTicket
from tickets.tables import Phase, Ticket


async def get_ticket(session: AsyncSession, ticket_id: int | None) -> Ticket:
    ticket = await session.get(Ticket, ticket_id)
    if ticket is None:
        raise UnknownTicket(ticket=ticket_id)
    return ticket


async def enter(session: AsyncSession, ticket: Ticket) -> None:
    """Store a new ticket under a number of its own."""
    session.add(ticket)
    await session.flush()
    ticket.number = f"K-{ticket.id:06d}"


def new_number() -> str:
    """What stands in place of the number until `enter`; unique."""
    return token_hex(8)


async def lock_tickets(session: AsyncSession, *ticket_ids: int) -> list[Ticket]:
    """As `lock_ticket`, for several: locked in the order of their ids, so that no two verbs wait for each other."""
    locked = {ticket_id: await lock_ticket(session, ticket_id) for ticket_id in sorted(set(ticket_ids))}
    return [locked[ticket_id] for ticket_id in ticket_ids]


async def lock_ticket(session: AsyncSession, ticket_id: int | None, version: int | None = None) -> Ticket:
    """The ticket as it is now, held until the transaction ends; `StaleTicket` when a page showed another `version`.

    SQLite has one writer and leaves the lock out.
    """
    found = await session.exec(
        select(Ticket).where(col(Ticket.id) == ticket_id).with_for_update().execution_options(populate_existing=True)
    )
    ticket = found.first()
    if ticket is None:
        raise UnknownTicket(ticket=ticket_id)
    if version is not None and ticket.version != version:
        raise StaleTicket(number=ticket.number)
    return ticket


def move(ticket: Ticket, phase: Phase, verb: str) -> None:
    """Bring the ticket to `phase`; `verb` is what was tried, for the refusal.

    A name of the owner's own stays as long as the phase does. Whatever moves a ticket ends its snooze, and the count of
    its buyer's silence.
    """
    if not lifecycle.can_move(ticket.phase, phase):
        raise InvalidTransition(number=ticket.number, phase=ticket.phase, verb=verb)
    if ticket.phase != phase:
        ticket.phase = ticket.status = phase
    if phase != Phase.OPEN:
        ticket.waiting_since = ticket.rank_at = None
    ticket.snoozed_until = ticket.closes_at = ticket.warned_at = None


@contextmanager
def changing(
    session: AsyncSession, now: datetime, ticket: Ticket, actor: str, action: str, **facts: object
) -> Iterator[dict[str, object]]:
    """Count a change of the ticket and write its audit row: what differs, and the `facts` of the event.

    A change inside another one of the same ticket is part of it: one count, one row, the facts of both.
    """
    under_way: dict[int | None, dict[str, object]] = session.info.setdefault("changing", {})
    if ticket.id in under_way:
        under_way[ticket.id].update(facts)
        yield under_way[ticket.id]
        return
    before = facts_of(ticket)
    under_way[ticket.id] = facts
    try:
        yield facts
    finally:
        del under_way[ticket.id]
    old, new = difference(before, facts_of(ticket))
    ticket.version += 1
    session.add(ticket)
    record(session, now, actor, action, f"ticket:{ticket.id}", old, new | facts)


class Changing(Protocol):
    """What is worth an audit row of a ticket."""

    phase: str
    status: str
    level: int
    assignee_id: int | None
    waiting_since: datetime | None
    hurries: int


def difference(before: dict[str, Any], after: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What changed: as it was, as it is."""
    changed = [name for name, value in after.items() if value != before[name]]
    return {name: _written(before[name]) for name in changed}, {name: _written(after[name]) for name in changed}


def _written(fact: Any) -> Any:
    return fact.isoformat() if isinstance(fact, datetime) else fact


def facts_of(ticket: Changing) -> dict[str, Any]:
    """The facts as they are; `difference` writes them out."""
    return {
        "phase": ticket.phase,
        "status": ticket.status if ticket.status != ticket.phase else None,  # a name of the owner's own
        "level": ticket.level,
        "assignee": ticket.assignee_id,
        "waiting_since": ticket.waiting_since,
        "hurries": ticket.hurries,
    }
