"""How waiting tickets come into agents' hands: pulled by them, or given to whoever is there and has room."""

from dataclasses import dataclass
from datetime import datetime
from functools import cache, partial

from sqlalchemy import ColumnElement, Connection, Integer, UpdateBase, bindparam, literal_column, or_, tuple_, update
from sqlmodel import UTCDateTime, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from audit import rows
from audit.trail import record, record_now
from tickets import notices, queue, rights, routing, staff
from tickets.changes import lock_ticket
from tickets.errors import HandsFull, IsAway, NotAllowed, UnknownAgent
from tickets.outbox import Say
from tickets.routing import Assignment, Level, Place
from tickets.rules import DeskRules
from tickets.tables import Agent, Buyer, Conversation, Phase, Ticket, id_of


@dataclass(frozen=True, slots=True)
class Taker:
    """Of an account, what taking needs."""

    id: int
    name: str
    role: str
    skills: tuple[str, ...]
    capacity: int | None


_AGENT = bindparam("agent", type_=Integer)
_TAKER = (
    select(Agent.name, Agent.role, Agent.skills, Agent.capacity)
    .add_columns(col(Agent.is_away))
    .where(col(Agent.id) == _AGENT, col(Agent.is_active).is_(True))
    .with_for_update(key_share=True)
)


class Assignments:
    """The verbs that move tickets between the queues and the hands."""

    say: Say
    rules: DeskRules

    async def take_next(self, session: AsyncSession, now: datetime, agent_id: int) -> int | None:
        """The next ticket of the queues that this agent pulls from, in their hands; None when nobody waits there.

        Its id: whoever wants to see the ticket reads it. Raises `IsAway`, `HandsFull`, `UnknownAgent`. Of any number of
        agents at once each gets another ticket.
        """
        return await rows.in_one_trip(session, lambda connection: self._take(connection, now, agent_id))

    def _take(self, connection: Connection, now: datetime, agent_id: int) -> int | None:
        agent = _get_taker(connection, agent_id)
        ticket_id = self._seize(connection, now, agent, self.rules.routing.reach(agent.role, agent.skills))
        if ticket_id is not None:
            before, after = {"assignee": None}, {"assignee": agent_id}
            subject = f"ticket:{ticket_id}"
            record_now(connection, now, f"agent:{agent_id}", "ticket.taken", subject, before, after)
        elif connection.execute(queue.held_by(agent_id)).scalar_one() >= self._capacity(agent):
            raise HandsFull(agent=agent.name, capacity=self._capacity(agent))
        return ticket_id

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
            owned = tuple(place for place in reach if place[1] and agent.role in notices.TOLD[Level(place[1])])
            taker = Taker(id_of(agent), agent.name, agent.role, tuple(agent.skills), agent.capacity)
            seize = partial(self._seize, now=now, agent=taker, places=owned)
            ticket_id = await rows.in_one_trip(session, seize)
            if ticket_id is None:
                idle.add(id_of(agent))
            else:
                given.append(await self._give(session, now, ticket_id, agent))
        return given

    async def reroute(self, session: AsyncSession, now: datetime) -> int:
        """Bring the open tickets into the queues that the settings name now; returns how many moved.

        One left in a queue that is no more would wait for nobody.
        """
        place = (Conversation.channel, Conversation.account)
        open_now = select(Ticket.category, Ticket.queue, *place).join(
            Conversation, col(Conversation.id) == col(Ticket.conversation_id)
        )
        moved = 0
        for category, old, *at in (await session.exec(open_now.where(Ticket.phase == Phase.OPEN).distinct())).all():
            new = self.rules.routing.queue_of(category, *at)
            if new != old:
                here = (col(Ticket.phase) == Phase.OPEN, col(Ticket.category) == category, col(Ticket.queue) == old)
                there = select(Conversation.id).where(*(column == name for column, name in zip(place, at, strict=True)))
                came_there = col(Ticket.conversation_id).in_(there)
                count = (await session.exec(update(Ticket).where(*here, came_there).values(queue=new))).rowcount
                facts = {"queue": old}, {"queue": new, "tickets": count}
                record(session, now, "system", "queue.rerouted", f"category:{category}", *facts)
                moved += count
        return moved

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

    async def expected_at(self, session: AsyncSession, now: datetime, ticket: Ticket, ahead: int) -> datetime | None:
        """When a ticket with `ahead` others before it is likely to be taken, by the measured pace of its queue.

        None when too little is known to say so, or when that is later than the promise, which holds anyway.
        """
        left = await queue.departures(session, now, ticket)
        at = routing.expected_at(ahead, left, now, self.rules.staffed)
        return at if at is not None and at - now <= self.rules.handling else None

    def _seize(self, connection: Connection, now: datetime, agent: Taker, places: tuple[Place, ...]) -> int | None:
        """The first ticket of these places that nobody else is taking, in this agent's hands; its id."""
        if not places:
            return None
        asked = {name: self.rules.routing.skill_of(name) for name, _ in places}
        skills = tuple((name, skill) for name, skill in asked.items() if skill)
        facts = {
            "agent": agent.id,
            "capacity": self._capacity(agent),
            "freed": now - self.rules.routing.manager_first,
        }
        taken = rows.find(connection, _seizing(places, skills), **facts)
        if taken is None:
            # Whoever stood at the best place may be in other transactions' hands: the other places, one by one.
            for place in connection.execute(queue.heads(places, _is_free(skills)), facts).all():
                taken = rows.find(connection, _seizing(((place.queue, place.level),), skills), **facts)
                if taken is not None:
                    break
        return taken[0] if taken else None

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

    def _capacity(self, agent: Agent | Taker) -> int:
        return self.rules.routing.capacity if agent.capacity is None else agent.capacity

    async def _give(self, session: AsyncSession, now: datetime, ticket_id: int, agent: Agent) -> Ticket:
        ticket = await lock_ticket(session, ticket_id)
        agent.assigned_at = now
        session.add(agent)
        before, after = {"assignee": None}, {"assignee": agent.id}
        record(session, now, "system", "ticket.assigned", f"ticket:{ticket.id}", before, after)
        text = self.say(self.rules.staff_language, "notice.assigned", number=ticket.number, subject=ticket.subject)
        await notices.tell(session, now, ticket, text, self.rules.quiet, agent_id=agent.id)
        return ticket

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


def _get_taker(connection: Connection, agent_id: int) -> Taker:
    """The account, if it may take anything now; held until the transaction ends. Raises `IsAway`, `UnknownAgent`."""
    found = rows.find(connection, _TAKER, agent=agent_id)
    if found is None:
        raise UnknownAgent(agent=agent_id)
    name, role, skills, capacity, is_away = found
    if is_away:
        raise IsAway(agent=name)
    return Taker(agent_id, name, role, tuple(skills), capacity)


@cache
def _seizing(places: tuple[Place, ...], skills: tuple[tuple[str, str], ...]) -> UpdateBase:
    """Put the next ticket of these places into the hands of :agent, if there is room for it.

    The head is found, looked at again and changed in one statement: this is the guard of `take_next`. What other
    transactions are taking is passed over.
    """
    free = _is_free(skills)
    here = queue.at_place(places[0]) if len(places) == 1 else _from_first(places, free)
    head = select(Ticket.id).where(*here, free)
    head = head.order_by(*queue.AT_PLACE).limit(queue.ONE).with_for_update(skip_locked=True).correlate(None)
    room = queue.held_by(_AGENT).correlate(None).scalar_subquery() < bindparam("capacity")
    return (
        update(Ticket)
        .where(col(Ticket.id) == head.scalar_subquery(), *queue.is_queued(), room)
        .values(assignee_id=_AGENT, version=Ticket.version + 1)
        .returning(col(Ticket.id))
    )


def _from_first(places: tuple[Place, ...], free: ColumnElement[bool]) -> tuple[ColumnElement[bool], ...]:
    """The best place, from its first free ticket on: what that one has passed over is not looked at again."""
    first = queue.heads(places, free).limit(queue.ONE).cte("first")
    place, level, rank_at, ticket_id = (select(found).scalar_subquery() for found in first.c)
    from_there: ColumnElement[bool] = tuple_(*queue.AT_PLACE) >= tuple_(rank_at, ticket_id)
    return (*queue.is_queued(), col(Ticket.queue) == place, col(Ticket.level) == level, from_there)


def _is_free(skills: tuple[tuple[str, str], ...]) -> ColumnElement[bool]:
    """Not kept for the account manager of its buyer, which it is until :freed if they are there and pull from here.

    What has risen to the leads is kept for nobody.
    """
    asked = [(col(Ticket.queue) == name) & ~staff.has_skill(skill) for name, skill in skills]
    # One look at one buyer for each ticket: of an EXISTS, PostgreSQL would make a list of all buyers first.
    keeper = (
        select(Buyer.id)
        .join(Agent, col(Agent.id) == col(Buyer.account_manager_id))
        .where(col(Buyer.id) == col(Ticket.buyer_id), col(Agent.id) != _AGENT, *staff.is_there(), ~or_(False, *asked))
        .correlate(Ticket)
        .scalar_subquery()
    )
    has_waited: ColumnElement[bool] = col(Ticket.waiting_since) <= bindparam("freed", type_=UTCDateTime())
    return or_(has_waited, col(Ticket.level) >= literal_column(str(int(min(routing.OWNERS)))), keeper.is_(None))
