"""Today's policies for clocks that run already: a manager's decision, seen beforehand and audited.

A running clock keeps the version it started with until then. A clock that is late keeps its due instant for good: what
was promised and missed is no matter of settings.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from audit.trail import record
from tickets import clocks, histories, hours, lifecycle
from tickets.errors import NotAllowed, UnknownTicket
from tickets.histories import History
from tickets.ladder import Ladder
from tickets.rules import DeskRules
from tickets.rungs import DUE
from tickets.sla import Matter, Metric, Policy, choose
from tickets.staff import get_agent
from tickets.tables import Buyer, Clock, Conversation, Role, SlaPolicy, Ticket, id_of


@dataclass(frozen=True, slots=True)
class Move:
    """A running clock that today's policy would make due at another instant, or that only takes its version."""

    clock_id: int
    ticket_id: int
    number: str
    metric: str
    due_at: datetime
    new_due_at: datetime
    is_late: bool  # by the new instant, now
    rung: int
    policy: Policy


class Policies(Ladder):
    """The verbs of policies."""

    async def promised(self, session: AsyncSession, ticket: Ticket) -> timedelta:
        """How long after its opening this ticket will be handled at the latest, whatever calendar counts it."""
        newest = (
            select(Clock)
            .where(Clock.ticket_id == ticket.id, Clock.metric == Metric.HANDLING)
            .order_by(col(Clock.id).desc())
            .limit(1)
        )
        clock = (await session.exec(newest)).first()
        return self.rules.handling if clock is None else clock.due_at - clock.started_at

    async def preview_policies(
        self, session: AsyncSession, now: datetime, ticket_ids: Collection[int]
    ) -> Sequence[Move]:
        """What `reapply_policies` would move now. Nothing is written."""
        return await _plan(session, now, ticket_ids, self.rules)

    async def reapply_policies(
        self, session: AsyncSession, now: datetime, agent_id: int, ticket_ids: Collection[int]
    ) -> Sequence[Move]:
        """Put the running clocks of these tickets on today's version; returns those that moved.

        Raises `NotAllowed` unless a manager asks. What is handled or acted on meanwhile stays as it is.
        """
        agent = await get_agent(session, agent_id)
        if Role(agent.role).rank < Role.MANAGER.rank:
            raise NotAllowed(role=agent.role, verb="reapply the policies")
        held = select(Ticket.id).where(col(Ticket.id).in_(ticket_ids)).order_by(col(Ticket.id)).with_for_update()
        await session.exec(held)
        moved = [
            move
            for move in await _plan(session, now, ticket_ids, self.rules)
            if await _move(session, now, move, self.rules)
        ]
        for ticket_id, moves in _by_ticket(moved).items():
            before = {move.metric: move.due_at.isoformat() for move in moves}
            after = {move.metric: move.new_due_at.isoformat() for move in moves}
            record(session, now, f"agent:{agent_id}", "ticket.policies_reapplied", f"ticket:{ticket_id}", before, after)
        return moved


async def find_running(session: AsyncSession, after_id: int, limit: int) -> list[int]:
    """The next tickets whose clocks run, by number."""
    found = await session.exec(
        select(Ticket.id)
        .where(col(Ticket.id) > after_id, col(Ticket.phase).in_(lifecycle.ACTIVE))
        .order_by(col(Ticket.id))
        .limit(limit)
    )
    return [ticket_id for ticket_id in found.all() if ticket_id is not None]


async def find_named(session: AsyncSession, numbers: Collection[str], after_id: int) -> list[int]:
    """The tickets of these numbers; raises `UnknownTicket`."""
    wanted = {number.strip().upper() for number in numbers}
    found = dict((await session.exec(select(Ticket.number, Ticket.id).where(col(Ticket.number).in_(wanted)))).all())
    for number in sorted(wanted - found.keys()):
        raise UnknownTicket(ticket=number)
    return sorted(ticket_id for ticket_id in found.values() if ticket_id is not None and ticket_id > after_id)


async def _plan(session: AsyncSession, now: datetime, ticket_ids: Collection[int], rules: DeskRules) -> Sequence[Move]:
    await session.flush()
    tickets = await session.exec(
        select(Ticket, Buyer.tier, Conversation.channel)
        .join(Buyer, col(Buyer.id) == col(Ticket.buyer_id))
        .join(Conversation, col(Conversation.id) == col(Ticket.conversation_id))
        .where(col(Ticket.id).in_(ticket_ids), col(Ticket.phase).in_(lifecycle.ACTIVE))
    )
    promised = {
        id_of(ticket): (ticket.number, choose(rules.promises, Matter(tier, ticket.category, channel, ticket.product)))
        for ticket, tier, channel in tickets.all()
    }
    found = await session.exec(
        select(Clock, SlaPolicy)
        .join(SlaPolicy, col(SlaPolicy.id) == col(Clock.policy_id))
        .where(col(Clock.ticket_id).in_(promised), *clocks.is_running(), col(Clock.due_at) >= now)
        .order_by(col(Clock.ticket_id), col(Clock.id))
        .execution_options(populate_existing=True)
    )
    running = found.all()
    told = await histories.read(session, {clock.cycle_id for clock, _ in running})
    return list(_moves(now, rules, running, promised, told))


def _moves(
    now: datetime,
    rules: DeskRules,
    running: Sequence[tuple[Clock, SlaPolicy]],
    promised: dict[int, tuple[str, dict[Metric, Policy]]],
    told: dict[int, History],
) -> Iterator[Move]:
    for clock, version in running:
        number, policies = promised[clock.ticket_id]
        policy = policies.get(Metric(clock.metric))
        if policy is None:
            continue
        due_at = _due(clock, policy, rules, told[clock.cycle_id])
        same = (version.name, version.target, version.calendar, version.pause_cap)
        if due_at != clock.due_at or same != (policy.name, policy.target, policy.calendar, policy.pause_cap):
            yield Move(
                clock_id=id_of(clock),
                ticket_id=clock.ticket_id,
                number=number,
                metric=clock.metric,
                due_at=clock.due_at,
                new_due_at=due_at,
                is_late=due_at < now,
                rung=_rung(clock, due_at, rules),
                policy=policy,
            )


def _due(clock: Clock, policy: Policy, rules: DeskRules, history: History) -> datetime:
    if policy.pause_cap is None:
        return hours.due(rules.calendar(policy.calendar), clock.started_at, policy.target)
    version = SlaPolicy(
        metric=policy.metric,
        target=policy.target,
        calendar=policy.calendar,
        pause_cap=policy.pause_cap,
        since=clock.started_at,
    )
    return min(
        hours.due(rules.calendar(part.calendar), part.started_at, part.target, part.pauses, part.cap)
        for part in history.parts(clock, version)
    )


def _rung(clock: Clock, due_at: datetime, rules: DeskRules) -> int:
    """Nobody is warned twice; who was not warned yet is, if the new promise leaves time for it."""
    if clock.metric != Metric.HANDLING or clock.rung > DUE:
        return clock.rung
    is_untouched = clock.rung == rules.rungs.first(clock.started_at, clock.due_at)
    return rules.rungs.first(clock.started_at, due_at) if is_untouched else clock.rung


async def _move(session: AsyncSession, now: datetime, move: Move, rules: DeskRules) -> bool:
    """The guarded write: a delivery may have met the clock since it was read."""
    version = await clocks.ensure_policy(session, now, move.policy)
    moved = await session.exec(
        update(Clock)
        .where(col(Clock.id) == move.clock_id, *clocks.is_running(), col(Clock.due_at) == move.due_at)
        .values(
            policy_id=id_of(version),
            due_at=move.new_due_at,
            rung=move.rung,
            wake_at=rules.rungs.at(move.rung, move.new_due_at),
        )
        .execution_options(synchronize_session="fetch")
    )
    return bool(moved.rowcount == 1)


def _by_ticket(moves: Sequence[Move]) -> dict[int, list[Move]]:
    found: dict[int, list[Move]] = defaultdict(list)
    for move in moves:
        found[move.ticket_id].append(move)
    return found
