"""Finds the tickets whose topics lag behind, from what was written last: audit rows, messages, edits.

Nothing here must survive: a full look, at the start and now and then, finds the same from the tickets and topics alone.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, literal_column
from sqlmodel import col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from audit.tables import AuditRow
from bot.staff.rules import StaffRules
from bot.staff.tables import Mirrored
from bot.tables import Topic, TopicState
from tickets import lifecycle
from tickets.outbox import LOST
from tickets.tables import Message, MessageRevision, Outgoing, Sending, Ticket

OVERLAP = timedelta(seconds=30)  # longer than any transaction: its rows have lower numbers than those committed before
BACK = 500  # rows that are looked at again when a watch begins
PAGE = 2_000
FULL_EVERY = timedelta(minutes=10)


class Tail:
    """The rows at the end of a table: each is given once, also one that is committed after others with higher numbers.

    Numbers that were passed over may still be under way in another transaction: they are asked for again for a while.
    """

    def __init__(self) -> None:
        self.last = 0
        self.gaps: dict[int, datetime] = {}

    def begin(self, last: int) -> None:
        self.last, self.gaps = max(0, last - BACK), {}

    def take(self, ids: Iterable[int], now: datetime) -> None:
        """These were read."""
        for number in ids:
            self.gaps.pop(number, None)
            if number > self.last:
                self.gaps |= dict.fromkeys(range(max(self.last + 1, number - BACK), number), now)
                self.last = number
        self.gaps = {number: at for number, at in self.gaps.items() if at > now - OVERLAP}


class Watch:
    """Of one bot."""

    def __init__(self, rules: StaffRules) -> None:
        self._bot = rules.account
        self._from_level = rules.from_level
        self._chats = sorted(rules.chats)
        self._audit, self._messages, self._edits = Tail(), Tail(), Tail()
        self._full_at: datetime | None = None

    async def find(self, session: AsyncSession, now: datetime) -> list[int]:
        """Tickets to look at, the oldest first; those that have nothing to show may be among them."""
        if self._full_at is None or now - self._full_at >= FULL_EVERY:
            self._full_at = now
            for tail, table in ((self._audit, AuditRow), (self._messages, Message), (self._edits, MessageRevision)):
                last = (await session.exec(select(func.max(table.id)))).first()
                tail.begin(last or 0)
            return sorted(await self._all(session))
        return sorted(await self._changed(session, now))

    async def _changed(self, session: AsyncSession, now: datetime) -> set[int]:
        tickets: set[int] = set()
        sendings: list[int] = []
        for _, subject in await self._rows(session, now, self._audit, AuditRow.id, AuditRow.subject):
            kind, _, number = subject.partition(":")
            if kind == "ticket" and number.isdecimal():
                tickets.add(int(number))
            elif kind == "outgoing" and number.isdecimal():
                sendings.append(int(number))
        for first in range(0, len(sendings), PAGE):
            ids = sendings[first : first + PAGE]
            lost = select(Outgoing.ticket_id).where(col(Outgoing.id).in_(ids), col(Outgoing.state).in_(LOST))
            tickets |= _known((await session.exec(lost)).all())
        said = await self._rows(session, now, self._messages, Message.id, Message.ticket_id)
        edited = await self._rows(session, now, self._edits, MessageRevision.id, MessageRevision.message_id)
        if edited:
            found = await session.exec(select(Message.ticket_id).where(col(Message.id).in_([one for _, one in edited])))
            tickets |= _known(found.all())
        return tickets | _known(ticket for _, ticket in said)

    async def _rows(
        self, session: AsyncSession, now: datetime, tail: Tail, number: Any, fact: Any
    ) -> list[tuple[int, Any]]:
        rows: list[tuple[int, Any]] = []
        while True:
            new = or_(number > tail.last, number.in_(list(tail.gaps)[:BACK]))
            found = await session.exec(select(number, fact).where(new).order_by(number).limit(PAGE))
            page = [(row[0], row[1]) for row in found.all()]
            tail.take((one for one, _ in page), now)
            rows += page
            if len(page) < PAGE:
                return rows

    async def _all(self, session: AsyncSession) -> set[int]:
        """Whatever the group does not show as it is."""
        mine = (col(Topic.bot) == self._bot,)
        is_active = col(Ticket.phase).in_(lifecycle.ACTIVE)
        shown = select(Topic.ticket_id).where(*mine, col(Topic.state) != TopicState.GONE)
        due = select(Ticket.id).where(is_active, col(Ticket.level) >= self._from_level, col(Ticket.id).not_in(shown))
        silent: Any = select(literal_column("1")).where(
            Mirrored.topic_id == Topic.id, Mirrored.message_id == Message.id
        )
        unseen = (
            select(Topic.ticket_id)
            .join(Message, col(Message.ticket_id) == col(Topic.ticket_id))
            .where(*mine, col(Topic.state) != TopicState.CLOSED, ~silent.exists())
            .distinct()
        )
        changed = (
            select(Topic.ticket_id)
            .join(Ticket, col(Ticket.id) == col(Topic.ticket_id))
            .where(*mine)
            .where(
                or_(
                    col(Topic.known_version) != col(Ticket.version),
                    col(Topic.state).in_(_UNSETTLED),
                    col(Topic.chat_id).not_in(self._chats),
                )
            )
            .where(or_(is_active, col(Topic.state) != TopicState.CLOSED))
        )
        lost = (
            select(Topic.ticket_id)
            .join(Mirrored, col(Mirrored.topic_id) == col(Topic.id))
            .join(Outgoing, col(Outgoing.message_id) == col(Mirrored.message_id))
            .where(*mine, col(Mirrored.is_lost_told).is_(False), col(Outgoing.state).in_(_LOST))
        )
        tickets: set[int] = set()
        for statement in (due, unseen, changed, lost):
            tickets |= _known((await session.exec(statement)).all())
        return tickets


_UNSETTLED = (TopicState.CLAIMED, TopicState.UNKNOWN)
_LOST: list[Any] = [literal_column(f"'{state}'") for state in (Sending.FAILED, Sending.BLOCKED, Sending.UNKNOWN)]


def _known(ids: Iterable[int | None]) -> set[int]:
    return {one for one in ids if one is not None}
