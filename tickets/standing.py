"""Tickets as a sweep sees them: plain facts, many at a time, held until the transaction ends."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from operator import attrgetter
from typing import Any

from sqlalchemy import Update, bindparam, literal_column, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from audit import rows
from tickets import routing
from tickets.routing import Level, Tier
from tickets.tables import Buyer, Conversation, Cycle, Phase, Ticket


@dataclass(slots=True)
class Standing:
    """Where a ticket stands, with what is needed to speak about it."""

    id: int
    number: str
    subject: str
    conversation_id: int
    buyer_id: int
    status: str
    phase: str
    level: int
    assignee_id: int | None
    waiting_since: datetime | None
    rank_at: datetime | None
    hurries: int
    tier: str
    language: str
    channel: str
    account: str
    address: str
    snoozed_until: datetime | None
    closes_at: datetime | None
    warned_at: datetime | None
    cycle_id: int = 0  # the latest
    was_waiting: bool = False  # on the buyer, until this sweep
    _found: tuple[Any, ...] = ()

    def __post_init__(self) -> None:
        self._found = _moving(self)

    def differing(self) -> dict[str, Any]:
        """What of the row is not as it was found."""
        pairs = zip(_MOVING, self._found, _moving(self), strict=True)
        return {f"new_{name}": now for name, found, now in pairs if now != found}

    def queue_up(self, since: datetime, head_starts: Mapping[Tier, Any]) -> None:
        """As `Ladder.queue_up`: it wakes, and nobody's silence is counted any more."""
        self.was_waiting = self.was_waiting or self.phase == Phase.WAITING
        if self.phase != Phase.OPEN:
            self.phase = self.status = Phase.OPEN
        self.snoozed_until = self.closes_at = self.warned_at = None
        self.waiting_since = self.waiting_since or since
        self.rank_at = routing.rank_at(self.waiting_since, self.tier, head_starts)

    def rise(self, level: Level) -> None:
        """The owner changes with the level: whoever held the ticket let it lie."""
        self.level = level
        self.assignee_id = None


_REST = ("snoozed_until", "closes_at", "warned_at")
_MOVING = ("status", "phase", "level", "assignee_id", "waiting_since", "rank_at", *_REST)
_moving = attrgetter(*_MOVING)
_COLUMNS = (
    *(Ticket.id, Ticket.number, Ticket.subject, Ticket.conversation_id, Ticket.buyer_id, Ticket.status, Ticket.phase),
    *(Ticket.level, Ticket.assignee_id, Ticket.waiting_since, Ticket.rank_at, Ticket.hurries, Buyer.tier),
    *(Buyer.language, Conversation.channel, Conversation.account, Conversation.address),
    *(Ticket.snoozed_until, Ticket.closes_at, Ticket.warned_at),
)


async def lock(session: AsyncSession, ticket_ids: Collection[int]) -> dict[int, Standing]:
    """Hold the tickets. One that another transaction holds is passed over; the next sweep looks at it again."""
    connection = await session.connection()
    found = await connection.execute(
        select(*_COLUMNS)  # type: ignore[call-overload]  # sqlmodel types four columns at most
        .join(Buyer, col(Buyer.id) == col(Ticket.buyer_id))
        .join(Conversation, col(Conversation.id) == col(Ticket.conversation_id))
        .where(col(Ticket.id).in_(ticket_ids))
        .order_by(col(Ticket.id))
        .with_for_update(of=Ticket, skip_locked=True)
    )
    held = {row[0]: Standing(*row) for row in found.all()}
    cycles = await connection.execute(
        select(Cycle.ticket_id, func.max(Cycle.id)).where(col(Cycle.ticket_id).in_(held)).group_by(col(Cycle.ticket_id))
    )
    for ticket_id, cycle_id in cycles.all():
        held[ticket_id].cycle_id = cycle_id or 0
    return held


async def store(connection: AsyncConnection, changed: Iterable[Standing]) -> None:
    """Write back what a sweep moved, and count the change.

    Only what differs: SQLite keeps every index anew that holds a column which is set, be it to what it was.
    """
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
    for ticket in changed:
        differing = ticket.differing()
        groups[tuple(differing)].append({"ticket": ticket.id} | differing)
    for names, tickets in groups.items():
        await rows.execute(connection, _update_of(names), tickets)


@cache
def _update_of(names: tuple[str, ...]) -> Update:
    values: dict[str, Any] = {name.removeprefix("new_"): bindparam(name) for name in names}
    return (
        update(Ticket)
        .where(col(Ticket.id) == bindparam("ticket"))
        .values(values | {"version": col(Ticket.version) + literal_column("1")})
    )
