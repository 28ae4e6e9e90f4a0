"""What becomes of due clocks: the rows of a whole batch, made in memory and written in a few statements.

The verbs of the desk move one ticket through the session; a sweep after an outage moves tens of thousands, and nobody
may wait for them.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, insert, literal, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import SQLModel, col
from sqlmodel import select as select_rows
from sqlmodel.ext.asyncio.session import AsyncSession

from audit import rows
from audit.tables import AuditRow
from tickets import lifecycle, rungs, standing
from tickets.changes import difference, facts_of
from tickets.ladder import Ladder
from tickets.notices import Staff, written
from tickets.rungs import DUE, LEAD, WARNING
from tickets.standing import Standing
from tickets.tables import (
    Author,
    Conversation,
    Direction,
    Escalation,
    Level,
    Message,
    Metric,
    Notice,
    Outgoing,
    Priority,
    Sending,
    Trigger,
)

ACTOR = "scheduler"
TOLD = "buyer_told"  # what the trail says of a move that the buyer heard of
SAID_LATE = timedelta(minutes=2)  # after an outage; a move that is so late says so


@dataclass
class Breaches:
    """A batch in the making. `fall` takes one clock after the other in order of time; `write` stores what they did."""

    now: datetime
    ladder: Ladder
    staff: Staff
    told: dict[int, datetime]  # tickets, and when their buyers were last told that they are late
    escalated: int = 0
    late: int = 0
    # The cycles in which the buyer was waited for, and the instants of the rungs that ended it.
    woken: dict[int, datetime] = field(default_factory=dict)
    _moved: dict[int, Standing] = field(default_factory=dict)
    _messages: list[tuple[Standing, str]] = field(default_factory=list)
    _changes: dict[tuple[Any, ...], tuple[dict[str, Any], dict[str, Any]]] = field(default_factory=dict)
    _rows: dict[type[SQLModel], list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))

    def fall(self, ticket: Standing, metric: str, rung: int, started_at: datetime, due_at: datetime) -> bool:
        """Act on a rung that a clock has reached; False when the ticket is settled and nobody need hear more of it.

        A settled ticket whose last word is not delivered is late in the report, and there is nothing left to do.
        """
        if not lifecycle.is_active(ticket.phase):
            return False
        if metric != Metric.HANDLING:
            self._miss(ticket, metric, due_at)
        elif rung == WARNING:
            self._warn(ticket, due_at)
        elif ticket.level < (level := rungs.level(rung)):
            self._escalate(ticket, level, self.ladder.rules.rungs.at(rung, due_at), started_at)
        elif rung == DUE:
            self._report_late(ticket, due_at, started_at)
        else:
            self._remind(ticket, due_at)
        if ticket.was_waiting:
            self.woken.setdefault(ticket.cycle_id, self.ladder.rules.rungs.at(rung, due_at))
        return True

    def _escalate(self, ticket: Standing, level: Level, at: datetime, since: datetime) -> None:
        tells = level == Level.HUMAN_QUEUE and self._is_news(ticket, at)
        with self._changing(ticket, "ticket.escalated", trigger=Trigger.DUE, **_fact(tells)):
            ticket.rise(level)
            ticket.queue_up(since, self.ladder.rules.head_starts)
        why = self._why("trigger.due" if level < LEAD else "trigger.still_due")
        if self.now - at < SAID_LATE:
            told = self._tell_staff(ticket, "notice.escalated", why=why)
        else:
            told = self._tell_staff(ticket, "notice.escalated_late", why=why, minutes=self._minutes(at))
        if tells:
            told.append(self._tell_buyer(ticket, "ticket.escalated"))
        self._rows[Escalation].append(
            {
                "ticket_id": ticket.id,
                "cycle_id": ticket.cycle_id,
                "level": int(level),
                "trigger": Trigger.DUE,
                "due_at": at,
                "escalated_at": self.now,
                "told": told,
            }
        )
        self.escalated += 1

    def _report_late(self, ticket: Standing, due_at: datetime, since: datetime) -> None:
        """People have the ticket already: its level stays, buyer and staff are told."""
        tells = self._is_news(ticket, due_at)
        with self._changing(ticket, "ticket.late", due_at=due_at.isoformat(), **_fact(tells)):
            ticket.queue_up(since, self.ladder.rules.head_starts)
        self._tell_staff(ticket, "notice.late", minutes=self._minutes(due_at))
        if tells:
            self._tell_buyer(ticket, "ticket.late")
        self.late += 1

    def _remind(self, ticket: Standing, due_at: datetime) -> None:
        told = self._tell_staff(ticket, "notice.late", minutes=self._minutes(due_at))
        self._audit(ticket, "ticket.reminded", None, {"told": told})

    def _warn(self, ticket: Standing, due_at: datetime) -> None:
        minutes = -(-(due_at - self.now).total_seconds() // 60)
        told = self._tell_staff(ticket, "notice.warned", holder=True, minutes=int(minutes))
        self._audit(ticket, "ticket.warned", None, {"due_at": due_at.isoformat(), "told": told})

    def _miss(self, ticket: Standing, metric: str, due_at: datetime) -> None:
        """Another promise than the handling: who answers for the ticket hears of it. It stays where it is, awake."""
        if ticket.snoozed_until is not None:
            with self._changing(ticket, "ticket.woken", snoozed_until=ticket.snoozed_until.isoformat()):
                ticket.snoozed_until = None
        told = self._tell_staff(ticket, "notice.missed", holder=True, what=self._why(f"metric.{metric}"))
        self._audit(ticket, "ticket.missed", None, {"metric": metric, "due_at": due_at.isoformat(), "told": told})

    def _minutes(self, due_at: datetime) -> int:
        return int((self.now - due_at).total_seconds() // 60)

    def _why(self, key: str) -> str:
        return self.ladder.say(self.ladder.rules.staff_language, key)

    @contextmanager
    def _changing(self, ticket: Standing, action: str, **facts: object) -> Iterator[None]:
        before = facts_of(ticket)
        yield
        old, new = difference(before, facts_of(ticket))
        new |= facts
        self._moved[ticket.id] = ticket
        # Most tickets of a batch change alike: the same dictionaries are written out once.
        self._audit(ticket, action, *self._changes.setdefault((*old.items(), *new.items()), (old, new)))

    def _audit(self, ticket: Standing, action: str, before: dict[str, Any] | None, after: dict[str, Any]) -> None:
        subject = f"ticket:{ticket.id}"
        self._rows[AuditRow].append(
            {"at": self.now, "actor": ACTOR, "action": action, "subject": subject, "before": before, "after": after}
        )

    def _tell_staff(self, ticket: Standing, key: str, *, holder: bool = False, **facts: object) -> list[str]:
        """Notices for all who answer for the ticket's level, or for its holder alone; returns whom."""
        text = self.ladder.say(
            self.ladder.rules.staff_language, key, number=ticket.number, subject=ticket.subject, **facts
        )
        people = self.staff.told(ticket.level, ticket.number, ticket.assignee_id if holder else None)
        self._rows[Notice].extend(written(self.now, self.ladder.rules.quiet, ticket.id, ticket.level, text, people))
        return [f"agent:{person}" for person in people]

    def _is_news(self, ticket: Standing, due_at: datetime) -> bool:
        """Whether the buyer was not told since then: an outage may find several waits late at once."""
        told_at = self.told.get(ticket.id)
        return told_at is None or told_at < due_at

    def _tell_buyer(self, ticket: Standing, key: str) -> str:
        self.told[ticket.id] = self.now
        self._messages.append((ticket, self.ladder.say(ticket.language, key, number=ticket.number)))
        return f"buyer:{ticket.buyer_id}"

    async def write(self, session: AsyncSession) -> None:
        """Everything at once, in the caller's transaction."""
        connection = await session.connection()
        await standing.store(connection, self._moved.values())
        if self._messages:
            await self._say(connection)
        for table, made in self._rows.items():
            await rows.add(connection, table, made)

    async def _say(self, connection: AsyncConnection) -> None:
        """The messages to the buyers, and their way out.

        Of our tickets, those newer than every message before are ours: nobody adds one to a ticket that we hold.
        """
        newest = (await connection.execute(select(func.max(Message.id)))).scalar() or 0
        await rows.add(connection, Message, [_message(self.now, *said) for said in self._messages])
        said = (
            select(*_SENDING.values())
            .join(Conversation, col(Conversation.id) == col(Message.conversation_id))
            .where(col(Message.id) > newest, col(Message.ticket_id).in_({ticket.id for ticket, _ in self._messages}))
            .order_by(col(Message.id))
        )
        await connection.execute(insert(Outgoing).from_select(list(_SENDING), said))


async def find_told(session: AsyncSession, ticket_ids: Collection[int]) -> dict[int, datetime]:
    """When the buyers of these tickets were last told, by whichever sweep, that they are late."""
    if not ticket_ids:
        return {}
    found = await session.exec(
        select_rows(AuditRow)
        .where(col(AuditRow.subject).in_({f"ticket:{ticket_id}" for ticket_id in ticket_ids}))
        .where(col(AuditRow.action).in_(("ticket.escalated", "ticket.late")), AuditRow.actor == ACTOR)
        .order_by(col(AuditRow.at))
    )
    told = [row for row in found.all() if row.after and row.after.get(TOLD)]
    return {int(row.subject.removeprefix("ticket:")): row.at for row in told}


def _fact(tells: bool) -> dict[str, bool]:
    return {TOLD: True} if tells else {}


_NOTHING: list[dict[str, Any]] = []  # one for all, so that it is written out once


def _message(now: datetime, ticket: Standing, text: str) -> dict[str, Any]:
    return {
        "conversation_id": ticket.conversation_id,
        "ticket_id": ticket.id,
        "direction": Direction.OUT,
        "author": Author.SYSTEM,
        "is_note": False,
        "text": text,
        "attachments": _NOTHING,
        "buttons": _NOTHING,
        "created_at": now,
    }


# What the outbox holds of a message, from it and its conversation.
_SENDING: dict[str, Any] = {
    "conversation_id": Message.conversation_id,
    "message_id": Message.id,
    "ticket_id": Message.ticket_id,
    "handles": literal(False),
    "channel": Conversation.channel,
    "account": Conversation.account,
    "address": Conversation.address,
    "priority": literal(int(Priority.NOTICE)),
    "state": literal(str(Sending.QUEUED)),
    "attempts": literal(0),
    "not_before": Message.created_at,
    "created_at": Message.created_at,
}
