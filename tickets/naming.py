"""A ticket's status under any of the names that the owner gave: the phase behind the name moves by its own verb."""

from datetime import datetime, timedelta
from typing import Protocol

from sqlmodel.ext.asyncio.session import AsyncSession

from tickets import clocks, lifecycle
from tickets.changes import changing, lock_ticket, move
from tickets.errors import InvalidTransition, OutcomeMissing, UnknownStatus
from tickets.outbox import Say
from tickets.relations import OneByOne
from tickets.rights import require_hands
from tickets.rules import DeskRules
from tickets.statuses import Status
from tickets.tables import Cycle, Metric, Outcome, Phase, Ticket


def word_of(rules: DeskRules, say: Say, language: str, status: str) -> str:
    """A status as people read it; a name that the settings know no more stands for itself."""
    known = rules.statuses.get(status)
    if known is None:
        return status
    return known.words.get(language) or say(language, f"status.{known.phase}")


class Moves(OneByOne, Protocol):
    """What a desk has for each phase."""

    @property
    def rules(self) -> DeskRules: ...

    async def close(
        self, session: AsyncSession, now: datetime, ticket_id: int, agent_id: int, version: int | None = None
    ) -> Ticket: ...

    async def queue_up(self, session: AsyncSession, ticket: Ticket, since: datetime) -> None: ...

    async def reopen(self, session: AsyncSession, now: datetime, ticket: Ticket, actor: str) -> Cycle: ...


class Naming:
    """The verb of statuses."""

    async def set_status(
        self: Moves,
        session: AsyncSession,
        now: datetime,
        ticket_id: int,
        agent_id: int,
        status: str,
        *,
        outcome: Outcome | None = None,
        version: int | None = None,
    ) -> Ticket:
        """Give the ticket a status; its phase moves as `reply`, `resolve`, `close` and the buyer's return move it.

        Waiting for the buyer pauses clocks, resolving needs an `outcome` and tells the buyer, opening a settled ticket
        begins a new cycle. Raises `UnknownStatus`, `OutcomeMissing`, `InvalidTransition`, and what those verbs raise.
        """
        named = self.rules.statuses.get(status)
        if named is None:
            raise UnknownStatus(status=status)
        ticket = await lock_ticket(session, ticket_id, version)
        await require_hands(session, ticket, agent_id)
        actor = f"agent:{agent_id}"
        with changing(session, now, ticket, actor, "ticket.status_set"):
            if ticket.phase != named.phase:
                await _go(self, session, now, ticket, agent_id, named, outcome)
            ticket.status = status
        return ticket


async def _go(
    desk: Moves,
    session: AsyncSession,
    now: datetime,
    ticket: Ticket,
    agent_id: int,
    named: Status,
    outcome: Outcome | None,
) -> None:
    """Along one of the allowed moves, with all that it brings."""
    if not lifecycle.can_move(ticket.phase, named.phase):
        raise InvalidTransition(number=ticket.number, phase=ticket.phase, verb=f"made {named.phase}")
    ticket_id = ticket.id or 0
    match named.phase:
        case Phase.WAITING:
            move(ticket, Phase.WAITING, "answered")
            await clocks.pause(session, now, ticket, desk.rules)
        case Phase.OPEN if ticket.phase == Phase.WAITING:
            # Who was never answered waits since they asked, whatever the ticket was called meanwhile.
            await desk.queue_up(session, ticket, await clocks.unanswered_since(session, ticket) or now)
            await clocks.resume(session, now, ticket, desk.rules)
            # And who was waits for what staff have left to do, from after the reply that a macro wrote just now.
            await clocks.begin_wait(session, now + timedelta.resolution, ticket, desk.rules, {Metric.HANDLING})
        case Phase.OPEN:
            await desk.reopen(session, now, ticket, f"agent:{agent_id}")
        case Phase.CLOSED:
            await desk.close(session, now, ticket_id, agent_id)
        case Phase.RESOLVED:
            if outcome is None:
                raise OutcomeMissing(number=ticket.number)
            await desk.resolve(session, now, ticket_id, agent_id, outcome)
