"""How waiting tickets come into agents' hands: pulled by them, or given to whoever is there and has room."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, UpdateBase, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from audit.trail import record
from tickets import notices, queue, rights, routing, staff
from tickets.errors import HandsFull, IsAway, NotAllowed
from tickets.outbox import Say
from tickets.queue import Branch
from tickets.routing import Assignment, Level
from tickets.rules import DeskRules
from tickets.tables import Agent, Buyer, Ticket, id_of


class Assignments:
    """The verbs that move tickets between the queues and the hands."""

    say: Say
    rules: DeskRules

    async def take_next(self, session: AsyncSession, now: datetime, agent_id: int) -> Ticket | None:
        """The next ticket of the queues that this agent pulls from, in their hands; None when nobody waits there.

        Raises `IsAway`, `HandsFull`, `UnknownAgent`. Of any number of agents at once each gets another ticket.
        """
        agent = await staff.get_agent(session, agent_id, for_change=True)
        if agent.is_away:
            raise IsAway(agent=agent.name)
        ticket = await self._seize(session, now, agent, self.rules.routing.reach(agent.role, agent.skills))
        if ticket is not None:
            before, after = {"assignee": None}, {"assignee": agent_id}
            record(session, now, f"agent:{agent_id}", "ticket.taken", f"ticket:{ticket.id}", before, after)
        elif await queue.load(session, agent_id) >= self._capacity(agent):
            raise HandsFull(agent=agent.name, capacity=self._capacity(agent))
        return ticket

    async def deal(self, session: AsyncSession, now: datetime, limit: int = 1) -> list[Ticket]:
        """Give up to `limit` tickets of the human queue to agents who are there and have room, in the queue's order.

        Nothing where agents pull. An agent who is being given something elsewhere is passed over.
        """
        if self.rules.routing.assignment == Assignment.PULL:
            return []
        given: list[Ticket] = []
        idle: set[int] = set()  # for whom nothing waits
        while len(given) < limit and (agent := await self._find_recipient(session, idle)) is not None:
            reach = self.rules.routing.reach(agent.role, agent.skills)
            owned = [place for place in reach if place[1] > Level.BOT_LANE and agent.role in notices.TOLD[place[1]]]
            ticket = await self._seize(session, now, agent, owned)
            if ticket is None:
                idle.add(id_of(agent))
                continue
            await self._give(session, now, ticket, agent)
            given.append(ticket)
        return given

    async def set_away(
        self, session: AsyncSession, now: datetime, agent_id: int, by_id: int, *, give_back: bool = False
    ) -> Agent:
        """Nothing new comes to this agent until they are back; who else than they may say so is a lead.

        With `give_back` what they owe an answer on stands in the queue again, where it stood.
        """
        agent = await self._find_own(session, agent_id, by_id, "send this colleague away")
        _set_away(session, now, agent, by_id, True)
        if give_back:
            await staff.give_back(session, now, agent_id, f"agent:{by_id}")
            await self.deal(session, now)
        return agent

    async def set_back(self, session: AsyncSession, now: datetime, agent_id: int, by_id: int) -> Agent:
        """This agent is there again; who else than they may say so is a lead."""
        agent = await self._find_own(session, agent_id, by_id, "call this colleague back")
        _set_away(session, now, agent, by_id, False)
        await self.deal(session, now)
        return agent

    async def is_there(self, session: AsyncSession, agent_id: int | None) -> bool:
        """Whether this agent can be given anything; nobody is not there."""
        agent = None if agent_id is None else await session.get(Agent, agent_id)
        return agent is not None and agent.is_active and not agent.is_away

    async def expected_at(self, session: AsyncSession, now: datetime, ticket: Ticket) -> datetime | None:
        """When the ticket is likely to be taken, by the measured pace of its queue; None when too little is known."""
        place = await queue.position(session, ticket)
        if not place:
            return None
        left = await queue.departures(session, now, ticket)
        return routing.expected_at(place - 1, left, now, self.rules.staffed)

    async def _seize(
        self, session: AsyncSession, now: datetime, agent: Agent, places: Sequence[tuple[str, Level]]
    ) -> Ticket | None:
        """The first ticket of these places that nobody else is taking, in this agent's hands."""
        if not places:
            return None
        branches = [Branch(name, level, self._is_free_for(now, agent, name, level)) for name, level in places]
        for branch in await queue.find_heads(session, branches):
            taken = await session.exec(_seizing(branch, id_of(agent), self._capacity(agent)))
            ticket: Ticket | None = taken.scalars().first()
            if ticket is not None:
                return ticket
        return None

    def _is_free_for(self, now: datetime, agent: Agent, name: str, level: Level) -> tuple[ColumnElement[bool], ...]:
        """Not kept for the account manager of its buyer, which it is for a while if they are there and pull from here.

        What has risen to the leads waits for nobody.
        """
        if level in routing.OWNERS:
            return ()
        skill = self.rules.routing.skill_of(name)
        managers = select(Buyer.id).join(Agent, col(Agent.id) == col(Buyer.account_manager_id))
        managers = managers.where(Buyer.id == Ticket.buyer_id, col(Agent.id) != agent.id, *staff.is_there())
        if skill is not None:
            managers = managers.where(staff.has_skill(skill))
        waited: ColumnElement[bool] = col(Ticket.waiting_since) <= now - self.rules.routing.manager_first
        return (waited | ~managers.correlate(Ticket).exists(),)

    async def _find_recipient(self, session: AsyncSession, idle: set[int]) -> Agent | None:
        """Whose turn it is: there, with room, and in no other transaction's hands; held until this one ends."""
        load = queue.held_by(col(Agent.id)).correlate(Agent).scalar_subquery()
        found = await session.exec(select(Agent, load).where(*staff.is_there(), col(Agent.id).not_in(idle)))
        waiting = [(agent, held) for agent, held in found.all() if held < self._capacity(agent)]
        for agent, _ in sorted(waiting, key=self._turn):
            own = select(Agent).where(col(Agent.id) == agent.id, *staff.is_there())
            ours = await session.exec(own.with_for_update(key_share=True, skip_locked=True))
            if ours.first() is not None:
                return agent
        return None

    def _turn(self, waiting: tuple[Agent, int]) -> tuple[float, bool, datetime, int]:
        agent, held = waiting
        is_by_load = self.rules.routing.assignment == Assignment.LEAST_LOADED
        share = held / self._capacity(agent) if is_by_load else 0
        return share, agent.assigned_at is not None, agent.assigned_at or agent.created_at, id_of(agent)

    def _capacity(self, agent: Agent) -> int:
        return self.rules.routing.capacity if agent.capacity is None else agent.capacity

    async def _give(self, session: AsyncSession, now: datetime, ticket: Ticket, agent: Agent) -> None:
        agent.assigned_at = now
        session.add(agent)
        before, after = {"assignee": None}, {"assignee": agent.id}
        record(session, now, "system", "ticket.assigned", f"ticket:{ticket.id}", before, after)
        text = self.say(self.rules.staff_language, "notice.assigned", number=ticket.number, subject=ticket.subject)
        await notices.tell(session, now, ticket, text, self.rules.quiet, agent_id=agent.id)

    async def _find_own(self, session: AsyncSession, agent_id: int, by_id: int, verb: str) -> Agent:
        by = await staff.get_agent(session, by_id)
        if agent_id != by_id and not rights.is_lead(by):
            raise NotAllowed(role=by.role, verb=verb)
        return await staff.get_agent(session, agent_id, for_change=True)


def _set_away(session: AsyncSession, now: datetime, agent: Agent, by_id: int, is_away: bool) -> None:
    if agent.is_away != is_away:
        agent.is_away = is_away
        session.add(agent)
        action = "agent.went_away" if is_away else "agent.came_back"
        facts = {"is_away": not is_away}, {"is_away": is_away}
        record(session, now, f"agent:{by_id}", action, f"agent:{agent.id}", *facts)


def _seizing(branch: Branch, agent_id: int, capacity: int) -> UpdateBase:
    """Put the head of a branch into an agent's hands, if they have room; what others are taking is passed over.

    The head is chosen, looked at again and changed in one statement: this is the guard of `take_next`.
    """
    head = select(Ticket.id).where(*branch.who).order_by(*queue.IN_BRANCH).limit(1)
    head = head.with_for_update(skip_locked=True).correlate(None)
    room = queue.held_by(agent_id).correlate(None).scalar_subquery() < capacity
    return (
        update(Ticket)
        .where(col(Ticket.id) == head.scalar_subquery(), *queue.is_queued(), room)
        .values(assignee_id=agent_id, version=Ticket.version + 1)
        .returning(Ticket)
        .execution_options(synchronize_session=False, populate_existing=True)
    )
